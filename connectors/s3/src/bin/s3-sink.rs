//! The plugin `s3-sink`.
longshore_sdk::export_sink!(longshore_connector_s3::S3Sink);
