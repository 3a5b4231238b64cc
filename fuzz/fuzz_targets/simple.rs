//! Bodies of the two small dialects. The check is in `fuzz/src`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::simple(bytes));
