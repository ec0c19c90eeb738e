//! The SNS connector: `sns-sink`, over the driver `sns`.
//!
//! README.md beside this crate is the user's page: options, guarantees, a pipeline to copy.
//! The sink is of the crate `longshore-connector-messages`; here is what is SNS's own.

use longshore_connector_messages::{Kind, MessageSink};
use longshore_sdk::About;
use longshore_sdk::sns::Topic;

/// Topics of SNS.
#[derive(Debug)]
pub struct Sns;

impl Kind for Sns {
    const SINK: About = About {
        name: "sns-sink",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Publishes records to a topic of SNS, each at least once",
    };
    const CONNECTION: &'static str = "sns";
    const PLACE: &'static str = "topic.arn";
    const PLACE_IS: &'static str = "the ARN of the topic";
    type Place = Topic;
}

/// The plugin `sns-sink`.
pub type SnsSink = MessageSink<Sns>;

#[cfg(test)]
mod tests {
    use longshore_connector_objects::readme;
    use longshore_sdk::Plugin;

    use super::*;

    #[test]
    fn the_readme_tells_every_option_with_its_default() {
        let page = include_str!("../README.md");
        readme::check(page, "## Options", &SnsSink::config_schema());
    }

    #[test]
    fn the_readme_shows_the_pipeline_that_is_run() {
        let page = include_str!("../README.md");
        let pipeline = include_str!("../../../configs/pipelines/sns.yaml");
        let (_, below_its_name) = pipeline.split_once("name: sns\n\n").expect("it has a name");
        assert!(page.contains(&format!("```yaml\n{below_its_name}```")));
    }
}
