//! Codes, replies and answers of USSD. The check is in `fuzz/src`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::ussd(bytes));
