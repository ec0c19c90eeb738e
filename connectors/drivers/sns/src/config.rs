//! A connection's settings.

use longshore_driver_aws::AwsSettings;
use serde::Deserialize;

/// Where the topics are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum SnsConfig {
    /// The topics of an account of AWS in a region, or of a server that speaks its protocol.
    Sns(AwsSettings),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_tells_every_setting() {
        let page = include_str!("../README.md");
        let rows = page.lines().skip_while(|line| !line.starts_with("| `"));
        let told: Vec<_> = rows
            .take_while(|line| line.starts_with("| `"))
            .map(|line| line.split('`').nth(1).unwrap().to_owned())
            .collect();
        let error = serde_json::from_str::<SnsConfig>(r#"{"kind":"sns","other":1}"#).unwrap_err();
        let names = error.to_string();
        let known: Vec<_> = names.split('`').skip(3).step_by(2).map(str::to_owned).collect();
        assert_eq!(told, known);
    }
}
