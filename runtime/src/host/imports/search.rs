//! `search/index` over the driver `search`.
#![allow(unreachable_pub, reason = "the generated code exports its resources' types again")]

use longshore_driver_search::{Action, Answer, Class, Cluster, Operation, Outcome, SearchError};
use wasmtime::bail;
use wasmtime::component::Resource;

use super::no_connections_here;
use crate::host::bindings::search::longshore::search::index;
use crate::host::bindings::types;
use crate::host::connections::Secrets;
use crate::host::convert;
use crate::host::guest::Guest;
use crate::host::limits::SEARCH_OPERATIONS_OF_A_CALL_MAX;

/// What a `cluster` resource is: a granted connection.
#[derive(Debug)]
pub struct HostCluster(Cluster);

impl index::Host for Guest {}

impl index::HostCluster for Guest {
    async fn open(
        &mut self,
        connection: String,
    ) -> wasmtime::Result<Result<Resource<HostCluster>, types::Fault>> {
        let Some(context) = &self.context else {
            return Ok(Err(no_connections_here()));
        };
        match context.connections.search(&connection, context).await {
            Ok((cluster, secrets)) => {
                self.secrets.extend(&secrets);
                Ok(Ok(self.table.push(HostCluster(cluster))?))
            }
            Err(fault) => Ok(Err(convert::to_guest_fault(fault))),
        }
    }

    async fn bulk(
        &mut self,
        cluster: Resource<HostCluster>,
        operations: Vec<index::Operation>,
    ) -> wasmtime::Result<Vec<Result<index::Outcome, index::Failure>>> {
        let (count, max) = (operations.len(), SEARCH_OPERATIONS_OF_A_CALL_MAX);
        if count > max {
            bail!("bulk has {count} operations; one call may have {max}");
        }
        let HostCluster(cluster) = self.table.get(&cluster)?;
        let operations: Vec<_> = operations.into_iter().map(operation).collect();
        let answers = cluster.bulk(&operations).await;
        Ok(answers.into_iter().map(|it| answer(&self.secrets, it)).collect())
    }

    async fn drop(&mut self, cluster: Resource<HostCluster>) -> wasmtime::Result<()> {
        self.table.delete(cluster)?;
        Ok(())
    }
}

fn operation(operation: index::Operation) -> Operation {
    let index::Operation { action, index, id, version, document } = operation;
    let action = match action {
        index::Action::Index => Action::Index,
        index::Action::Upsert => Action::Upsert,
        index::Action::Delete => Action::Delete,
    };
    Operation { action, index, id, version, document }
}

/// The words of a failure go further than to the guest: into errors, traces and logs.
fn answer(secrets: &Secrets, answer: Answer) -> Result<index::Outcome, index::Failure> {
    match answer {
        Ok(Outcome::Applied) => Ok(index::Outcome::Applied),
        Ok(Outcome::Superseded) => Ok(index::Outcome::Superseded),
        Ok(Outcome::Absent) => Ok(index::Outcome::Absent),
        Err(error) => Err(failure(secrets, &error)),
    }
}

fn failure(secrets: &Secrets, error: &SearchError) -> index::Failure {
    let why = types::Detail { code: error.code(), message: secrets.hide(error.to_string()) };
    match error.class() {
        Class::Retry => {
            let after_ms = error.after().and_then(|after| after.as_millis().try_into().ok());
            index::Failure::Retry(types::Retry { why, after_ms })
        }
        Class::Config => index::Failure::Config(why),
        Class::Reject => index::Failure::Reject(why),
        Class::Fatal => index::Failure::Fatal(why),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_refusal_says_when_to_come_again_and_shows_no_secret() {
        let error = SearchError::Refused {
            status: 429,
            kind: String::new(),
            words: "hunter22, slower".to_owned(),
            after: Some(Duration::from_secs(7)),
        };
        let failure = failure(&Secrets::of(&["hunter22"]), &error);
        let index::Failure::Retry(retry) = failure else { panic!("{failure:?}") };
        assert_eq!((retry.after_ms, retry.why.code.as_str()), (Some(7000), "http-429"));
        assert_eq!(retry.why.message, "HTTP status 429: ********, slower");
    }
}
