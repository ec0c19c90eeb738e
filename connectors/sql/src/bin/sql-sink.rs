//! The plugin `sql-sink`.
longshore_sdk::export_sink!(longshore_connector_sql::SqlSink);
