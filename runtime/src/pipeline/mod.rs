//! Pipelines: a YAML file that stands for topics, connections and flat Kafka
//! Connect configurations.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`model`] | what may stand in the file; its JSON Schema |
//! | `set` | `--set PATH=VALUE` |
//! | `check` | what the schema cannot say: references, plugins, cycles |
//! | [`catalog`] | what a check asks about plugins |
//! | [`options`] | the options that the worker reads, whatever the plugin |
//! | [`render`] | from a checked pipeline to what the worker is given |
//! | [`compare`] | what pipelines say beside what a fleet has |
//!
//! A pipeline goes one way: text, tree ([`crate::yaml`]), [`load`] (set, check,
//! typed), [`render::render`].

pub mod catalog;
mod check;
pub mod compare;
pub mod model;
pub mod options;
pub mod render;
mod set;

use std::path::Path;

pub use catalog::{NoPlugins, PluginCatalog, PluginDescription};
pub use model::Pipeline;
pub use render::{Rendered, render};
pub use set::{Setting, SettingError};

use crate::yaml::{Document, LoadError, Problem, Report, check_schema, read};

/// Why there is no pipeline.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The file could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A `--set` does not fit the file.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// All that is wrong with it.
    #[error(transparent)]
    Wrong(Box<Report>),
}

/// Reads a pipeline, applies `settings`, and tells all that is wrong with it.
pub fn load(
    path: &Path,
    settings: &[Setting],
    catalog: &dyn PluginCatalog,
) -> Result<Pipeline, PipelineError> {
    open(path, settings, catalog).map(|(_, pipeline)| pipeline)
}

/// The same with the document, for what is found wrong with it later.
pub fn open(
    path: &Path,
    settings: &[Setting],
    catalog: &dyn PluginCatalog,
) -> Result<(Document, Pipeline), PipelineError> {
    let (document, problems) = read(path)?;
    checked(document, problems, settings, catalog)
}

/// The same from a parsed document and what its parser said.
pub fn from_document(
    document: Document,
    problems: Vec<Problem>,
    settings: &[Setting],
    catalog: &dyn PluginCatalog,
) -> Result<Pipeline, PipelineError> {
    checked(document, problems, settings, catalog).map(|(_, pipeline)| pipeline)
}

fn checked(
    mut document: Document,
    mut problems: Vec<Problem>,
    settings: &[Setting],
    catalog: &dyn PluginCatalog,
) -> Result<(Document, Pipeline), PipelineError> {
    // After a syntax error the tree is empty: complaints about it mislead.
    let readable = problems.is_empty() || !document.root.entries().is_empty();
    if readable {
        set::apply(&mut document.root, settings)?;
        problems.extend(check_schema("", &document.root, &model::schema()));
        problems.extend(check::check(&document.root, catalog));
    }
    match Report::of(&document, problems) {
        Some(report) => Err(PipelineError::Wrong(Box::new(report))),
        None => {
            let pipeline = serde_json::from_value(document.root.to_json());
            Ok((document, pipeline.expect("what the schema allows is what the model reads")))
        }
    }
}

#[cfg(test)]
mod tests;
