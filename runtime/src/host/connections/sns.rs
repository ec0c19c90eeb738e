//! Connections of the driver `sns`.

use longshore_driver_sns::{SnsConfig, Topic};

use super::Connections;
use super::references::Secrets;
use super::sqs::fault;
use crate::host::error::Fault;
use crate::host::plugin::OpenContext;

/// The name of the driver.
pub(super) const DRIVER: &str = "sns";

impl Connections {
    /// Opens a topic for a task, with what must not be shown of its connection.
    pub(crate) async fn sns(
        &self,
        name: &str,
        arn: &str,
        context: &OpenContext,
    ) -> Result<(Topic, Secrets), Fault> {
        let (settings, verb, secrets) = self.settings::<SnsConfig>(name, DRIVER, context).await?;
        match Topic::open(&settings, arn, super::access(verb, context)) {
            Ok(topic) => Ok((topic, secrets)),
            Err(error) => Err(fault(&error, &secrets)),
        }
    }
}
