//! The target that the program is named after.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| uhlm_fuzz::run(env!("CARGO_BIN_NAME"), data));
