//! PDUs as a modem hands them out. The check is in `fuzz/src`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::pdu_decode(bytes));
