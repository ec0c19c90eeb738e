//! YAML that knows where everything stands.
//!
//! Pipelines and node files are read by one parser into a [`Node`] tree in
//! which every key and value keeps its place in the file, so that each thing
//! wrong with it is told with line, column and a suggestion, all at once.
//!
//! | module | what it is |
//! | --- | --- |
//! | `tree` | the tree: keys, values, places, paths |
//! | `load` | from text to the tree, within limits |
//! | `problem` | one thing wrong, and the report of all |
//! | `schema` | a tree against a JSON Schema, in words a person uses |
//! | `secrets` | what of a file is not drawn |
//! | `suggest` | "did you mean" |

mod load;
mod problem;
mod schema;
mod secrets;
mod suggest;
mod tree;

pub(crate) use load::plain_scalar;
pub use load::{Document, LoadError, read};
pub use problem::{Problem, Report, Spot};
pub use schema::check_schema;
pub(crate) use secrets::is_secret;
pub use suggest::{closest, did_you_mean, listed};
pub(crate) use tree::join;
pub use tree::{Entry, Key, Node, Origin, Value};

/// What a file may cost to read.
pub mod limits {
    /// Largest file, in bytes: a pipeline is written by hand.
    pub const FILE_BYTES_MAX: usize = 1024 * 1024;
    /// Deepest nesting of mappings and sequences.
    pub const DEPTH_MAX: usize = 32;
    /// Most nodes, those repeated through aliases counted each time.
    pub const NODES_MAX: usize = 100_000;
    /// Problems told of one file; the rest are only counted.
    pub const PROBLEMS_MAX: usize = 100;
}
