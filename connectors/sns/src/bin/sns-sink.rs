//! The plugin `sns-sink`.
longshore_sdk::export_sink!(longshore_connector_sns::SnsSink);
