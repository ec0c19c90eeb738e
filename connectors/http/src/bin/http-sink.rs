//! The plugin `http-sink`.
longshore_sdk::export_sink!(longshore_connector_http::HttpSink);
