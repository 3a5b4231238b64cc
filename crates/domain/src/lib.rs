//! OTP-Pi's rules: pure decisions, no I/O, no clock, no tasks.
