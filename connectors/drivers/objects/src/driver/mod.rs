//! The kinds of stores: `local`, files under a folder.

pub(crate) mod glob;
pub(crate) mod local;
pub(crate) mod path;
