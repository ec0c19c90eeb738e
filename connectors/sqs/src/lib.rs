//! The SQS connector: `sqs-source` and `sqs-sink`, over the driver `sqs`.
//!
//! README.md beside this crate is the user's page: options, guarantees, pipelines to copy.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`options`] | the options of the source, read once, and their schema |
//! | [`format`] | what a message becomes: a record |
//! | [`state`] | messages that are not deleted yet |
//! | [`inbox`] | the queue, as the source needs it |
//! | [`source`] | messages of a queue to a topic |
//!
//! The sink is of the crate `longshore-connector-messages`; here is what is SQS's own.

pub mod format;
pub mod inbox;
pub mod options;
pub mod source;
pub mod state;

use longshore_connector_messages::{Kind, MessageSink};
use longshore_sdk::About;
use longshore_sdk::sqs::Queue;

use crate::source::QueueSource;

/// Queues of SQS.
#[derive(Debug)]
pub struct Sqs;

impl Kind for Sqs {
    const SINK: About = About {
        name: "sqs-sink",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Sends records to a queue of SQS, each at least once",
    };
    const CONNECTION: &'static str = "sqs";
    const PLACE: &'static str = "queue.url";
    const PLACE_IS: &'static str = "the URL of the queue";
    type Place = Queue;
}

/// The plugin `sqs-source`.
pub type SqsSource = QueueSource<Queue>;

/// The plugin `sqs-sink`.
pub type SqsSink = MessageSink<Sqs>;

#[cfg(test)]
mod tests {
    use longshore_connector_objects::readme;
    use longshore_sdk::Plugin;

    use super::*;

    #[test]
    fn the_readme_tells_every_option_with_its_default() {
        let page = include_str!("../README.md");
        readme::check(page, "### Options of sqs-source", &SqsSource::config_schema());
        readme::check(page, "### Options of sqs-sink", &SqsSink::config_schema());
    }

    #[test]
    fn the_readme_shows_the_pipeline_that_is_run() {
        let page = include_str!("../README.md");
        let pipeline = include_str!("../../../configs/pipelines/sqs.yaml");
        let (_, below_its_name) = pipeline.split_once("name: sqs\n\n").expect("it has a name");
        assert!(page.contains(&format!("```yaml\n{below_its_name}```")));
    }
}
