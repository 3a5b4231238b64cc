//! What a serial line says. The check is in `fuzz/src`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::at_lines(bytes));
