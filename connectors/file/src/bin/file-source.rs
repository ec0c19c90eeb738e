//! The plugin `file-source`.
longshore_sdk::export_source!(longshore_connector_file::FileSource);
