//! The file connector: `file-source` and `file-sink`, over the driver `objects`.
//!
//! What they do is in the crate `longshore-connector-objects`, which the connectors over
//! other object stores share; here is what is the file connector's own.
//!
//! README.md beside this crate is the user's page: options, guarantees, a
//! pipeline to copy.

use longshore_connector_objects::{Kind, ObjectSink, ObjectSource};
use longshore_sdk::About;

/// Files of the worker's machine.
#[derive(Debug)]
pub struct Files;

impl Kind for Files {
    const SOURCE: About = About {
        name: "file-source",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Reads files row by row into a topic",
    };
    const SINK: About = About {
        name: "file-sink",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Writes records to files, each exactly once",
    };
    const CONNECTION: &'static str = "files";
    const SINK_PATH: &'static str = "";
    const PARTITIONER: &'static str = "FlatPartitioner";
    const GROWS: bool = true;
}

/// The plugin `file-source`.
pub type FileSource = ObjectSource<Files>;

/// The plugin `file-sink`.
pub type FileSink = ObjectSink<Files>;

#[cfg(test)]
mod tests {
    use longshore_connector_objects::readme;
    use longshore_sdk::Plugin;

    use super::*;

    #[test]
    fn the_readme_tells_every_option_with_its_default() {
        let page = include_str!("../README.md");
        readme::check(page, "### Options of file-source", &FileSource::config_schema());
        readme::check(page, "### Options of file-sink", &FileSink::config_schema());
    }
}
