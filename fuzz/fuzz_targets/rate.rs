//! Limits, as they are written and at work. The check is in `fuzz/src`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::rate(bytes));
