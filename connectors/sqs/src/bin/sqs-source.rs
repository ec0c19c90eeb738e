//! The plugin `sqs-source`.
longshore_sdk::export_source!(longshore_connector_sqs::SqsSource);
