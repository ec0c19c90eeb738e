//! A connection's settings.

use longshore_driver_aws::AwsSettings;
use serde::Deserialize;

/// Where the queues are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum SqsConfig {
    /// The queues of an account of AWS in a region, or of a server that speaks its protocol.
    Sqs(AwsSettings),
}
