//! Connections of the driver `search`.

use std::collections::BTreeMap;

use longshore_driver_common::Access;
use longshore_driver_search::{Class, Cluster, SearchConfig, SearchError};
use serde_json::Value;

use super::Connections;
use super::references::{self, Secrets};
use crate::host::error::Fault;
use crate::host::plugin::OpenContext;

/// The name of the driver.
pub(super) const DRIVER: &str = "search";

/// What is wrong with settings whose references are not resolved yet.
pub(super) fn wrong(settings: &BTreeMap<String, Value>) -> Option<String> {
    let is_resolved = settings.values().all(references::is_resolved);
    let settings = Value::Object(settings.clone().into_iter().collect());
    match serde_json::from_value(settings) {
        // Unresolved references are strings too, so the shape can be checked.
        Err(error) => Some(error.to_string()),
        Ok(SearchConfig::Elasticsearch(settings)) if is_resolved => {
            Cluster::open(&settings, Access::Read).err().map(|error| error.to_string())
        }
        Ok(_) => None,
    }
}

impl Connections {
    /// Opens a search engine for a task, with what must not be shown of it.
    pub(crate) async fn search(
        &self,
        name: &str,
        context: &OpenContext,
    ) -> Result<(Cluster, Secrets), Fault> {
        let (SearchConfig::Elasticsearch(settings), verb, secrets) =
            self.settings(name, DRIVER, context).await?;
        let access = super::access(verb, context);
        match Cluster::open(&settings, access) {
            Ok(cluster) => Ok((cluster, secrets)),
            Err(error) => Err(fault(&error).hiding(&secrets)),
        }
    }
}

/// What cannot be opened as the contract's fault.
fn fault(error: &SearchError) -> Fault {
    let (code, message) = (error.code(), error.to_string());
    match error.class() {
        Class::Retry => Fault::Retry { code, message, after: error.after() },
        Class::Config | Class::Reject => Fault::Config { code, message },
        Class::Fatal => Fault::Fatal { code, message },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_checked_before_anybody_uses_them_as_far_as_they_can_be() {
        let reason = |mut settings: Value| {
            settings["kind"] = "elasticsearch".into();
            wrong(&settings.as_object().unwrap().clone().into_iter().collect())
        };
        assert_eq!(reason(json!({ "url": "https://a/" })), None);
        assert_eq!(reason(json!({ "url": "${env:URL}" })), None);
        for (setting, settings) in [
            ("url", json!({ "url": "hunter22" })),
            ("token", json!({ "url": "http://a/", "token": "hunter22" })),
            ("api.key", json!({ "url": "http://a/", "api.key": "hunter22" })),
            ("ssl.ca.pem", json!({ "url": "https://a/", "ssl.ca.pem": "hunter22" })),
        ] {
            let reason = reason(settings).unwrap();
            assert!(reason.contains(setting) && !reason.contains("hunter22"), "{reason}");
        }
    }
}
