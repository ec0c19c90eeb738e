//! The plugin `evil-sink`.
longshore_sdk::export_sink!(longshore_evil::sink::EvilSink);
