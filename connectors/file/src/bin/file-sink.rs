//! The plugin `file-sink`.
longshore_sdk::export_sink!(longshore_connector_file::FileSink);
