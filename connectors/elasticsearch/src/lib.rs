//! The Elasticsearch connector: `elasticsearch-sink`, over the driver `search`.
//!
//! README.md beside this crate is the user's page: options, guarantees, a pipeline to
//! copy.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`options`] | the options, read once, and their schema |
//! | [`plan`] | what a record becomes: an operation on a document, or nothing |
//! | [`format`] | values as JSON documents |
//! | [`state`] | the operations of a partition that are not done yet, and what is durable |
//! | [`sink`] | records of topics to operations |

pub mod format;
pub mod options;
pub mod plan;
pub mod sink;
pub mod state;

pub use sink::ElasticsearchSink;

#[cfg(test)]
mod readme {
    use longshore_sdk::Plugin;
    use serde_json::Value;

    use super::ElasticsearchSink;

    const PAGE: &str = include_str!("../README.md");

    #[test]
    fn it_tells_every_option_with_its_default() {
        let schema = ElasticsearchSink::config_schema();
        let properties = schema["properties"].as_object().expect("a schema has properties");
        let rows: Vec<_> = PAGE.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(rows.len(), properties.len());
        for (name, property) in properties {
            let default = match &property["default"] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let row = format!("| `{name}` | `{default}` | ");
            assert!(rows.iter().any(|it| it.starts_with(&row)), "{row}");
        }
    }

    #[test]
    fn it_shows_the_pipeline_that_is_run() {
        let pipeline = include_str!("../../../configs/pipelines/elasticsearch.yaml");
        let (_, below_its_name) = pipeline.split_once("name: search\n\n").expect("it has a name");
        assert!(PAGE.contains(&format!("```yaml\n{below_its_name}```")));
    }
}
