//! Parts of an SMS that came in. The check is in `fuzz/src`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::inbox(bytes));
