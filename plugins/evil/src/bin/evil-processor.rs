//! The plugin `evil-processor`.
longshore_sdk::export_processor!(longshore_evil::processor::EvilProcessor);
