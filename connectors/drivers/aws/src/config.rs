//! A connection's settings.

use longshore_driver_common::Secret;
use serde::Deserialize;

/// Where the service is, and as whom it is used.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsSettings {
    /// The region that requests are sent to and signed for.
    #[serde(default = "us_east_1")]
    pub region: String,
    /// `https://host:port` of a server other than AWS's.
    pub endpoint: Option<String>,
    /// Whose requests they are.
    #[serde(rename = "access.key.id")]
    pub access_key_id: String,
    /// What signs them.
    #[serde(rename = "secret.access.key")]
    pub secret_access_key: Secret,
    /// What temporary credentials have as well.
    #[serde(rename = "session.token")]
    pub session_token: Option<Secret>,
}

fn us_east_1() -> String {
    "us-east-1".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_of_the_drivers_tell_every_setting() {
        let error = serde_json::from_str::<AwsSettings>(r#"{"other":1}"#).unwrap_err();
        let names = error.to_string();
        let known: Vec<_> = names.split('`').skip(3).step_by(2).map(str::to_owned).collect();
        for page in [include_str!("../../sns/README.md"), include_str!("../../sqs/README.md")] {
            let rows = page.lines().skip_while(|line| !line.starts_with("| `"));
            let told: Vec<_> = rows
                .take_while(|line| line.starts_with("| `"))
                .map(|line| line.split('`').nth(1).unwrap().to_owned())
                .collect();
            assert_eq!(told, known);
        }
    }

    #[test]
    fn settings_are_read_misspelt_ones_refused_and_secrets_not_shown() {
        let read = serde_json::from_str::<AwsSettings>;
        let settings =
            r#"{"access.key.id":"me","secret.access.key":"hunter2","session.token":"hunter3"}"#;
        let shown = format!("{:?}", read(settings).unwrap());
        assert!(!shown.contains("hunter") && shown.contains("us-east-1"), "{shown}");
        for wrong in [
            r#"{"access.key.id":"me"}"#,
            r#"{"secret.access.key":"hunter2"}"#,
            r#"{"access.key.id":"me","secret.access.key":"hunter2","regoin":"x"}"#,
        ] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(!error.contains("hunter"), "{error}");
        }
    }
}
