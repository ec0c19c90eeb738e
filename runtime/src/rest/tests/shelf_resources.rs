//! The resources of a [`Shelf`].

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;

use super::shelf::Shelf;
use crate::worker::herder::{ConnectorKind, HerderError, Object};
use crate::worker::records::Versioned;
use crate::worker::resources::{
    ConnectionInfo, Expected, Origin, PipelineInfo, PipelineParts, PluginVersion, Resources,
    UploadedPlugin,
};

/// Connections and pipelines.
#[derive(Default)]
pub(super) struct Kept {
    connections: Mutex<BTreeMap<String, Versioned>>,
    pipelines: Mutex<BTreeMap<String, Versioned>>,
    /// Digests, as they were told, and sizes.
    uploads: Mutex<Vec<(String, u64)>>,
}

fn put(
    all: &Mutex<BTreeMap<String, Versioned>>,
    name: &str,
    definition: Object,
    expected: &Expected,
) -> Result<bool, HerderError> {
    let mut all = all.lock().unwrap();
    let etag = all.get(name).map(Versioned::etag);
    expected.check(name, etag.as_deref())?;
    let version = all.get(name).map_or(1, |it| it.version + 1);
    Ok(all.insert(name.to_owned(), Versioned { version, definition }).is_none())
}

fn delete(
    all: &Mutex<BTreeMap<String, Versioned>>,
    name: &str,
    expected: &Expected,
) -> Result<(), HerderError> {
    let mut all = all.lock().unwrap();
    let missing = || HerderError::NotFound(format!("there is no {name}"));
    expected.check(name, Some(&all.get(name).ok_or_else(missing)?.etag()))?;
    all.remove(name);
    Ok(())
}

fn found<T>(all: Vec<T>, is: impl Fn(&T) -> bool) -> T {
    all.into_iter().find(is).unwrap()
}

#[async_trait]
impl Resources for Shelf {
    fn connections(&self) -> Vec<ConnectionInfo> {
        let all = self.kept.connections.lock().unwrap();
        let info = |(name, it): (&String, &Versioned)| ConnectionInfo {
            name: name.clone(),
            version: Some(it.version),
            origin: Origin::Fleet,
            definition: it.definition.clone(),
            used_by: Default::default(),
            etag: it.etag(),
        };
        all.iter().map(info).collect()
    }

    async fn put_connection(
        &self,
        name: &str,
        definition: Object,
        expected: Expected,
    ) -> Result<(ConnectionInfo, bool), HerderError> {
        let created = put(&self.kept.connections, name, definition, &expected)?;
        Ok((found(self.connections(), |info| info.name == name), created))
    }

    async fn delete_connection(&self, name: &str, expected: Expected) -> Result<(), HerderError> {
        delete(&self.kept.connections, name, &expected)
    }

    fn pipelines(&self) -> Vec<PipelineInfo> {
        let all = self.kept.pipelines.lock().unwrap();
        let info = |(name, it): (&String, &Versioned)| PipelineInfo {
            name: name.clone(),
            version: it.version,
            definition: serde_json::from_value(it.definition.clone().into()).unwrap(),
            etag: it.etag(),
        };
        all.iter().map(info).collect()
    }

    async fn put_pipeline(
        &self,
        name: &str,
        parts: PipelineParts,
        expected: Expected,
    ) -> Result<(PipelineInfo, bool), HerderError> {
        let parts = serde_json::to_value(parts).unwrap().as_object().unwrap().clone();
        let created = put(&self.kept.pipelines, name, parts, &expected)?;
        Ok((found(self.pipelines(), |info| info.name == name), created))
    }

    fn uploaded_plugins(&self) -> Vec<UploadedPlugin> {
        let sizes = self.kept.uploads.lock().unwrap().clone();
        sizes
            .into_iter()
            .map(|(sha256, bytes)| UploadedPlugin {
                name: format!("p{bytes}"),
                active: None,
                versions: vec![PluginVersion {
                    version: "1".to_owned(),
                    kind: ConnectorKind::Sink,
                    sha256,
                    bytes,
                    upload: 1,
                    used_by: Vec::new(),
                }],
            })
            .collect()
    }

    async fn upload_plugin(
        &self,
        component: Bytes,
        sha256: &str,
        _: bool,
    ) -> Result<(UploadedPlugin, bool), HerderError> {
        let upload = (sha256.to_owned(), component.len() as u64);
        self.kept.uploads.lock().unwrap().push(upload);
        Ok((self.uploaded_plugins().pop().unwrap(), true))
    }

    async fn activate_plugin(
        &self,
        name: &str,
        version: Option<String>,
    ) -> Result<UploadedPlugin, HerderError> {
        let plugin = self.uploaded_plugins().into_iter().find(|plugin| plugin.name == name);
        let missing = || HerderError::NotFound(format!("no plugin `{name}`"));
        let mut plugin = plugin.ok_or_else(missing)?;
        plugin.active = version;
        Ok(plugin)
    }

    async fn delete_plugin(&self, _: &str, _: &str) -> Result<(), HerderError> {
        self.kept.uploads.lock().unwrap().clear();
        Ok(())
    }

    async fn delete_pipeline(&self, name: &str, expected: Expected) -> Result<(), HerderError> {
        delete(&self.kept.pipelines, name, &expected)
    }
}
