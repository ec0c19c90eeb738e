//! Connections of the driver `schema-registry`, which converters use.

use std::collections::BTreeMap;

use serde_json::Value;

use super::definition::Verb;
use super::references;
use super::{Connections, config};
use crate::host::error::Fault;
use crate::registry::RegistrySettings;
use crate::worker::plugin::TaskContext;

/// The name of the driver.
pub(super) const DRIVER: &str = "schema-registry";

/// What is wrong with settings whose references are not resolved yet.
pub(super) fn wrong(settings: &BTreeMap<String, Value>) -> Option<String> {
    let is_resolved =
        |value: &Value| value.as_str().is_none_or(|text| references::plain(text) == *text);
    let read = texts(settings.clone());
    match settings.values().all(is_resolved) {
        true => read.and_then(RegistrySettings::of_properties).err(),
        // A reference's value may be of any form.
        false => read
            .and_then(|texts| RegistrySettings::check_names(texts.keys().map(String::as_str)))
            .err(),
    }
}

fn texts(
    settings: impl IntoIterator<Item = (String, Value)>,
) -> Result<BTreeMap<String, String>, String> {
    let text = |(name, value)| match value {
        Value::String(text) => Ok((name, text)),
        _ => Err(format!("`{name}` is no text")),
    };
    settings.into_iter().map(text).collect()
}

impl Connections {
    /// The settings of a registry, for a task.
    pub(super) async fn registry_settings(
        &self,
        name: &str,
        context: &TaskContext,
    ) -> Result<RegistrySettings, Fault> {
        let (definition, verb) = self.granted(name, &context.id.connector)?;
        if definition.driver != DRIVER {
            return Err(config(
                "connection-of-another-kind",
                format!(
                    "the connection `{name}` is of the driver `{}`, not {DRIVER}",
                    definition.driver
                ),
            ));
        }
        let resolved = self.resolved(name, &definition, &context.id, &context.reopen).await?;
        let settings = match resolved.settings {
            Value::Object(settings) => texts(settings).and_then(RegistrySettings::of_properties),
            _ => Err("it has no settings".to_owned()),
        };
        match settings {
            Ok(settings) => Ok(RegistrySettings { may_register: verb == Verb::Write, ..settings }),
            Err(reason) => {
                let reason = resolved.secrets.hide(reason);
                Err(config("connection-invalid", format!("the connection `{name}`: {reason}")))
            }
        }
    }
}
