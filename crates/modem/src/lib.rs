//! One task owns one serial line and speaks AT to the modem on it.
