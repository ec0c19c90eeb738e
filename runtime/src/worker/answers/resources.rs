//! Answers about the fleet's resources; each kind has its own module.

use async_trait::async_trait;
use bytes::Bytes;

use super::Answers;
use crate::worker::herder::{HerderError, Object};
use crate::worker::resources::{
    ConnectionInfo, Expected, PipelineInfo, PipelineParts, Resources, UploadedPlugin,
};

#[async_trait]
impl Resources for Answers {
    fn connections(&self) -> Vec<ConnectionInfo> {
        self.all_connections()
    }

    async fn put_connection(
        &self,
        name: &str,
        definition: Object,
        expected: Expected,
    ) -> Result<(ConnectionInfo, bool), HerderError> {
        self.change_connection(name, definition, expected).await
    }

    async fn delete_connection(&self, name: &str, expected: Expected) -> Result<(), HerderError> {
        self.remove_connection(name, expected).await
    }

    fn pipelines(&self) -> Vec<PipelineInfo> {
        self.all_pipelines()
    }

    async fn put_pipeline(
        &self,
        name: &str,
        parts: PipelineParts,
        expected: Expected,
    ) -> Result<(PipelineInfo, bool), HerderError> {
        self.change_pipeline(name, parts, expected).await
    }

    async fn delete_pipeline(&self, name: &str, expected: Expected) -> Result<(), HerderError> {
        self.remove_pipeline(name, expected).await
    }

    fn uploaded_plugins(&self) -> Vec<UploadedPlugin> {
        self.all_uploaded()
    }

    async fn upload_plugin(
        &self,
        component: Bytes,
        sha256: &str,
        activate: bool,
    ) -> Result<(UploadedPlugin, bool), HerderError> {
        self.take_plugin(component, sha256, activate).await
    }

    async fn activate_plugin(
        &self,
        name: &str,
        version: Option<String>,
    ) -> Result<UploadedPlugin, HerderError> {
        self.activate(name, version).await
    }

    async fn delete_plugin(&self, name: &str, version: &str) -> Result<(), HerderError> {
        self.delete_version(name, version).await
    }
}
