//! The plugin `sqs-sink`.
longshore_sdk::export_sink!(longshore_connector_sqs::SqsSink);
