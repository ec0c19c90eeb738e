//! The plugin `evil-source`.
longshore_sdk::export_source!(longshore_evil::source::EvilSource);
