//! The HTTP connector: `http-sink`, over the driver `http`.
//!
//! README.md beside this crate is the user's page: options, guarantees, a pipeline to
//! copy.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`options`] | the options, read once, and their schema |
//! | [`template`] | paths that name parts of a record |
//! | [`format`] | what a record becomes: part of a request, a deletion, or nothing |
//! | [`state`] | the requests of a partition that are not answered yet, and what is durable |
//! | [`sink`] | records of topics to requests |

pub mod format;
pub mod options;
pub mod sink;
pub mod state;
pub mod template;

pub use sink::HttpSink;

#[cfg(test)]
mod readme {
    use longshore_sdk::Plugin;
    use serde_json::Value;

    use super::HttpSink;

    const PAGE: &str = include_str!("../README.md");

    #[test]
    fn it_tells_every_option_with_its_default() {
        let schema = HttpSink::config_schema();
        let section = PAGE.split("### Options of http-sink").nth(1).expect("the section is there");
        let rows = section.lines().skip_while(|line| !line.starts_with("| `"));
        let told: Vec<(String, String)> = rows
            .take_while(|line| line.starts_with("| `"))
            .map(|line| {
                let cells: Vec<_> = line.splitn(4, " | ").collect();
                let bare = |cell: &str| cell.trim_matches(['|', ' ']).trim_matches('`').to_owned();
                (bare(cells[0]), bare(cells[1]))
            })
            .collect();
        let properties = schema["properties"].as_object().expect("a schema has properties");
        let known: Vec<_> = properties
            .iter()
            .map(|(name, property)| {
                let default = match &property["default"] {
                    Value::String(text) if text.is_empty() => "empty".to_owned(),
                    Value::String(text) if text == "|" => "\\|".to_owned(),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                (name.clone(), default)
            })
            .collect();
        let sorted = |mut rows: Vec<_>| {
            rows.sort();
            rows
        };
        assert_eq!(sorted(told), sorted(known));
    }

    #[test]
    fn it_shows_the_pipeline_that_is_run() {
        let pipeline = include_str!("../../../configs/pipelines/http.yaml");
        let (_, below_its_name) = pipeline.split_once("name: http\n\n").expect("it has a name");
        assert!(PAGE.contains(&format!("```yaml\n{below_its_name}```")));
    }
}
