//! The S3 connector: `s3-source` and `s3-sink`, over the driver `objects`.
//!
//! What they do is in the crate `longshore-connector-objects`, which the connectors over
//! other object stores share; here is what is the S3 connector's own.
//!
//! README.md beside this crate is the user's page: options, guarantees, a
//! pipeline to copy.

use longshore_connector_objects::{Kind, ObjectSink, ObjectSource};
use longshore_sdk::About;

/// Buckets of S3.
#[derive(Debug)]
pub struct S3;

impl Kind for S3 {
    const SOURCE: About = About {
        name: "s3-source",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Reads objects row by row into a topic",
    };
    const SINK: About = About {
        name: "s3-sink",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Writes records to objects, each exactly once",
    };
    const CONNECTION: &'static str = "s3";
    const SINK_PATH: &'static str = "topics";
    const PARTITIONER: &'static str = "DefaultPartitioner";
    const GROWS: bool = false;
}

/// The plugin `s3-source`.
pub type S3Source = ObjectSource<S3>;

/// The plugin `s3-sink`.
pub type S3Sink = ObjectSink<S3>;

#[cfg(test)]
mod tests {
    use longshore_connector_objects::readme;
    use longshore_sdk::Plugin;

    use super::*;

    #[test]
    fn the_readme_tells_every_option_with_its_default() {
        let page = include_str!("../README.md");
        readme::check(page, "### Options of s3-source", &S3Source::config_schema());
        readme::check(page, "### Options of s3-sink", &S3Sink::config_schema());
    }

    #[test]
    fn the_readme_shows_the_pipeline_that_is_run() {
        let page = include_str!("../README.md");
        let pipeline = include_str!("../../../configs/pipelines/s3.yaml");
        let (_, below_its_name) = pipeline.split_once("name: s3\n\n").expect("it has a name");
        assert!(page.contains(&format!("```yaml\n{below_its_name}```")));
    }
}
