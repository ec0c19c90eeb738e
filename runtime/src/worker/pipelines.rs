//! The pipelines that were applied to a fleet: what each of them made, so that
//! whoever applies it again knows what it has no more.

use super::answers::Answers;
use super::config_state::ConfigState;
use super::connections::told;
use super::herder::{HerderError, Object};
use super::records::{self, ConfigKey, Versioned};
use super::resources::{Expected, NAME_RULE, PipelineInfo, PipelineParts, is_name};

/// The most that a pipeline may stand for, in bytes of its record.
const DEFINITION_BYTES_MAX: usize = 256 << 10;

impl Answers {
    /// All pipelines.
    pub(super) fn all_pipelines(&self) -> Vec<PipelineInfo> {
        let configs = self.core.configs.read().expect("no holder panics");
        configs.pipelines().iter().map(|(name, it)| info(name, it)).collect()
    }

    /// Notes what a pipeline stands for.
    pub(super) async fn change_pipeline(
        &self,
        name: &str,
        parts: PipelineParts,
        expected: Expected,
    ) -> Result<(PipelineInfo, bool), HerderError> {
        if !is_name(name) {
            return Err(HerderError::BadRequest(format!("a pipeline's name {NAME_RULE}")));
        }
        let definition: Object = match serde_json::to_value(&parts) {
            Ok(serde_json::Value::Object(object)) => object,
            _ => Object::new(),
        };
        let bytes = records::encode(&definition).len();
        if bytes > DEFINITION_BYTES_MAX {
            return Err(HerderError::BadRequest(format!(
                "the pipeline's parts have {bytes} bytes; a pipeline may have \
                 {DEFINITION_BYTES_MAX}: make two of it"
            )));
        }
        let key = ConfigKey::Pipeline(name.to_owned());
        let check = |configs: &ConfigState| not_of_another(configs, name, &parts);
        let created = self.put_versioned(key.clone(), definition, expected, check).await?;
        let present = self.versioned(&key).ok_or_else(|| unknown(name))?;
        Ok((info(name, &present), created))
    }

    /// Forgets one.
    pub(super) async fn remove_pipeline(
        &self,
        name: &str,
        expected: Expected,
    ) -> Result<(), HerderError> {
        let mut change = self.core.change().await?;
        let key = ConfigKey::Pipeline(name.to_owned());
        let present = self.versioned(&key).ok_or_else(|| unknown(name))?;
        expected.check(&told(&key), Some(&present.etag()))?;
        change.write(&[(key.encode().into_bytes(), None)]).await
    }
}

/// Two pipelines may share topics, for one feeds the other; a connector or a
/// connection is of one.
fn not_of_another(
    configs: &ConfigState,
    name: &str,
    parts: &PipelineParts,
) -> Result<(), HerderError> {
    for (other, versioned) in configs.pipelines().iter().filter(|(other, _)| *other != name) {
        let theirs = info(other, versioned).definition;
        let shared = theirs.connectors.intersection(&parts.connectors);
        if let Some(shared) =
            shared.chain(theirs.connections.intersection(&parts.connections)).next()
        {
            return Err(HerderError::Conflict(format!(
                "`{shared}` belongs to the pipeline `{other}`: choose another name for it in `{name}`"
            )));
        }
    }
    Ok(())
}

fn info(name: &str, versioned: &Versioned) -> PipelineInfo {
    let definition = serde_json::Value::Object(versioned.definition.clone());
    PipelineInfo {
        name: name.to_owned(),
        version: versioned.version,
        // A newer worker may know of more parts; what this one knows is enough for it.
        definition: serde_json::from_value(definition).unwrap_or_default(),
        etag: versioned.etag(),
    }
}

fn unknown(name: &str) -> HerderError {
    HerderError::NotFound(format!("there is no pipeline `{name}`"))
}
