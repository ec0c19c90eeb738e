//! The plugin `evil-values`.
longshore_sdk::export_processor!(longshore_evil::values::EvilValues);
