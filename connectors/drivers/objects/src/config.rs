//! A connection's settings.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the objects are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ObjectsConfig {
    /// Files under a folder of the worker's machine, or of a file system that
    /// all workers have mounted.
    Local {
        /// The folder: the bucket's root, out of which no path leads. One that
        /// does not exist is made when the connection may write.
        root: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_and_its_settings_are_read_and_misspelt_ones_refused() {
        let config: ObjectsConfig =
            serde_json::from_str(r#"{"kind":"local","root":"/data"}"#).unwrap();
        assert_eq!(config, ObjectsConfig::Local { root: "/data".into() });
        for wrong in [
            r#"{"kind":"local","rot":"/data"}"#,
            r#"{"kind":"local","root":"/data","more":1}"#,
            r#"{"kind":"floppy","root":"/data"}"#,
            r#"{"root":"/data"}"#,
        ] {
            assert!(serde_json::from_str::<ObjectsConfig>(wrong).is_err(), "{wrong}");
        }
    }
}
