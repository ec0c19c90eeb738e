//! The plugin `s3-source`.
longshore_sdk::export_source!(longshore_connector_s3::S3Source);
