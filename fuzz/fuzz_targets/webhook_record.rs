//! Runs `webhook_record` on whatever the fuzzer makes up.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| process_wrapper_fuzz::webhook_record::run(data));
