//! What tells the connectors over object stores apart.

use std::fmt::Debug;

use longshore_sdk::About;

/// A kind of object store, as its connectors name and lay things out.
pub trait Kind: Debug + 'static {
    /// The source plugin.
    const SOURCE: About;
    /// The sink plugin.
    const SINK: About;
    /// `connection`, unless the options name one.
    const CONNECTION: &'static str;
    /// The sink's `path`, unless the options name one.
    const SINK_PATH: &'static str;
    /// The sink's `partitioner.class`, unless the options name one.
    const PARTITIONER: &'static str;
    /// Whether what is there may get longer: then a last row without its end waits for it.
    const GROWS: bool;
}

/// A kind for tests: as plain as there is.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct Plain;

#[cfg(test)]
impl Kind for Plain {
    const SOURCE: About = About { name: "source", version: "1", summary: "Reads" };
    const SINK: About = About { name: "sink", version: "1", summary: "Writes" };
    const CONNECTION: &'static str = "files";
    const SINK_PATH: &'static str = "";
    const PARTITIONER: &'static str = "FlatPartitioner";
    const GROWS: bool = true;
}
