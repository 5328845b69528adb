#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fandom_connectors_fuzz::workbook(data));
