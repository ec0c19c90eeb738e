//! A connection's settings.

use std::path::PathBuf;

use longshore_driver_common::Secret;
use serde::Deserialize;

/// Where the objects are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ObjectsConfig {
    /// Files under a folder of the worker's machine, or of a file system that
    /// all workers have mounted.
    Local {
        /// The folder: the bucket's root, out of which no path leads. One that
        /// does not exist is made when the connection may write.
        root: PathBuf,
    },
    /// A bucket of S3, or of a server that speaks its protocol.
    S3(S3Config),
}

/// A bucket of S3, and as whom it is used.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Config {
    /// The bucket's name; it must be there.
    pub bucket: String,
    /// What all keys of the connection begin with: its root is a folder of the
    /// bucket. Empty for the whole bucket.
    #[serde(default)]
    pub prefix: String,
    /// The region that requests are signed for.
    #[serde(default = "us_east_1")]
    pub region: String,
    /// `https://host:port` of a server other than AWS's.
    pub endpoint: Option<String>,
    /// The bucket's name stands in the path, `https://host/bucket/key`, not in the
    /// host's name. So it is with an `endpoint`, unless this says otherwise.
    #[serde(rename = "path.style.access")]
    pub path_style_access: Option<bool>,
    /// Whose requests they are; without it they are not signed.
    #[serde(rename = "access.key.id")]
    pub access_key_id: Option<String>,
    /// What signs them.
    #[serde(rename = "secret.access.key")]
    pub secret_access_key: Option<Secret>,
    /// What temporary credentials have as well.
    #[serde(rename = "session.token")]
    pub session_token: Option<Secret>,
    /// Which requests carry a checksum of what they send.
    #[serde(default)]
    pub checksums: Checksums,
}

fn us_east_1() -> String {
    "us-east-1".to_owned()
}

/// Which requests carry a checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Checksums {
    /// All that may.
    #[default]
    WhenSupported,
    /// Those that must: for servers that do not know S3's newer checksums.
    WhenRequired,
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
            r#"{"kind":"s3"}"#,
            r#"{"kind":"s3","bucket":"b","path-style":true}"#,
            r#"{"kind":"s3","bucket":"b","checksums":"never"}"#,
        ] {
            assert!(serde_json::from_str::<ObjectsConfig>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_bucket_needs_no_more_than_its_name() {
        let config = serde_json::from_str(r#"{"kind":"s3","bucket":"b"}"#).unwrap();
        let ObjectsConfig::S3(config) = config else { panic!("{config:?}") };
        assert_eq!((config.region.as_str(), config.prefix.as_str()), ("us-east-1", ""));
        assert_eq!(config.checksums, Checksums::WhenSupported);
        assert_eq!(config.access_key_id, None);
    }

    #[test]
    fn the_page_tells_every_setting() {
        let page = include_str!("../README.md");
        let table = page.split("## kind: s3").nth(1).unwrap();
        let rows = table.lines().skip_while(|line| !line.starts_with("| `"));
        let told: Vec<_> = rows
            .take_while(|line| line.starts_with("| `"))
            .map(|line| line.split('`').nth(1).unwrap().to_owned())
            .collect();
        let error = serde_json::from_str::<S3Config>(r#"{"bucket":"b","other":1}"#).unwrap_err();
        let names = error.to_string();
        let known: Vec<_> = names.split('`').skip(3).step_by(2).map(str::to_owned).collect();
        assert_eq!(told, known);
    }

    #[test]
    fn secrets_are_not_shown() {
        let config: ObjectsConfig = serde_json::from_str(
            r#"{"kind":"s3","bucket":"b","access.key.id":"me","secret.access.key":"hunter2",
                "session.token":"hunter3"}"#,
        )
        .unwrap();
        let shown = format!("{config:?}");
        assert!(!shown.contains("hunter") && shown.contains("********"), "{shown}");
    }
}
