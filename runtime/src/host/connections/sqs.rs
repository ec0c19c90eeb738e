//! Connections of the driver `sqs`.

use longshore_driver_sqs::{AwsError, Class, Queue, SqsConfig};

use super::Connections;
use super::references::Secrets;
use crate::host::error::Fault;
use crate::host::plugin::OpenContext;

/// The name of the driver.
pub(super) const DRIVER: &str = "sqs";

impl Connections {
    /// Opens a queue for a task, with what must not be shown of its connection.
    pub(crate) async fn sqs(
        &self,
        name: &str,
        url: &str,
        context: &OpenContext,
    ) -> Result<(Queue, Secrets), Fault> {
        let (settings, verb, secrets) = self.settings::<SqsConfig>(name, DRIVER, context).await?;
        let access = super::access(verb, context);
        match Queue::open(&settings, url, access) {
            Ok(queue) => Ok((queue, secrets)),
            Err(error) => Err(fault(&error, &secrets)),
        }
    }
}

/// A driver's error as the contract's fault of a whole call, without the secrets that its
/// words may hold.
pub(in crate::host) fn fault(error: &AwsError, secrets: &Secrets) -> Fault {
    let (code, message) = (error.code().to_owned(), error.told(|words| secrets.hide(words)));
    match error.class() {
        Class::Retry => Fault::Retry { code, message, after: None },
        Class::Config | Class::Reject => Fault::Config { code, message },
        Class::Fatal => Fault::Fatal { code, message },
    }
}
