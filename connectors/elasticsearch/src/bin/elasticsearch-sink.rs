//! The plugin `elasticsearch-sink`.
longshore_sdk::export_sink!(longshore_connector_elasticsearch::ElasticsearchSink);
