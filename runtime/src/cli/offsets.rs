//! `longshore connector offsets`: how far a connector has come (KIP-875).

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value as Json;

use super::CliError;
use super::connector::{cells, read_json};
use super::consent::Consent;
use super::output::{OutputArgs, columns, print};
use super::rest::Rest;
use crate::worker::herder::{ConnectorOffset, ConnectorOffsets, Object};

#[derive(Debug, Args)]
pub(super) struct Offsets {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show how far a connector has come
    #[command(after_help = "\
Example:
  longshore connector offsets get wordcount-read
  longshore connector offsets get wordcount-read --output json > offsets.json")]
    Get {
        /// The connector
        name: String,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Have a stopped connector go on from other offsets: those of a file, as `get
    /// --output json` prints them; a null offset forgets its partition
    #[command(after_help = "\
Example:
  longshore connector stop wordcount-read
  longshore connector offsets alter wordcount-read offsets.json --yes
  longshore connector resume wordcount-read")]
    Alter {
        /// The connector
        name: String,
        /// JSON; - is stdin
        file: PathBuf,
        #[command(flatten)]
        consent: Consent,
    },
    /// Have a stopped connector begin anew
    #[command(after_help = "\
Example:
  longshore connector stop wordcount-read
  longshore connector offsets reset wordcount-read --yes
  longshore connector resume wordcount-read")]
    Reset {
        /// The connector
        name: String,
        #[command(flatten)]
        consent: Consent,
    },
}

impl Offsets {
    pub(super) async fn run(self, rest: &Rest) -> Result<(), CliError> {
        let path = |name: &str| format!("/connectors/{}/offsets", Rest::segment(name));
        match self.action {
            Action::Get { name, output } => {
                let offsets: ConnectorOffsets = rest.get(&path(&name)).await?;
                output.print(&offsets, table)
            }
            Action::Alter { name, file, consent } => {
                let body = read_json(&file)?;
                let read: ConnectorOffsets =
                    serde_json::from_value(body.clone()).map_err(|error| {
                        let file = file.display();
                        CliError::failed(format!(
                            "{file} holds no offsets ({error}): write what `longshore connector \
                             offsets get {name} --output json` prints"
                        ))
                    })?;
                let count = read.offsets.len();
                consent.to(&format!("change {count} offset(s) of connector `{name}`"))?;
                said(&rest.patch(&path(&name), &body).await?)
            }
            Action::Reset { name, consent } => {
                consent.to(&format!("forget all offsets of connector `{name}`"))?;
                said(&rest.delete(&path(&name)).await?)
            }
        }
    }
}

/// The worker's words of what it did.
fn said(answer: &Json) -> Result<(), CliError> {
    print(answer["message"].as_str().unwrap_or("done"))
}

/// A sink's offsets by topic and partition; a source's as its plugin wrote them.
fn table(offsets: &ConnectorOffsets) -> String {
    let field = |object: &Option<Object>, name: &str| {
        object.as_ref().and_then(|object| object.get(name)).map(plain)
    };
    let of_topic = |one: &ConnectorOffset| {
        Some(vec![
            field(&one.partition, "kafka_topic")?,
            field(&one.partition, "kafka_partition")?,
            field(&one.offset, "kafka_offset")?,
        ])
    };
    let of_sink: Option<Vec<_>> = offsets.offsets.iter().map(of_topic).collect();
    let (header, rows) = match of_sink {
        Some(rows) if !rows.is_empty() => (cells(&["TOPIC", "PARTITION", "OFFSET"]), rows),
        _ => {
            let text = |object: &Option<Object>| {
                object
                    .as_ref()
                    .map_or_else(|| "-".to_owned(), |it| Json::from(it.clone()).to_string())
            };
            let row = |one: &ConnectorOffset| vec![text(&one.partition), text(&one.offset)];
            (cells(&["PARTITION", "OFFSET"]), offsets.offsets.iter().map(row).collect())
        }
    };
    columns(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}

/// A value without the quotes of a text.
fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(json: Json) -> String {
        table(&serde_json::from_value(json).unwrap())
    }

    #[test]
    fn a_sinks_offsets_are_by_partition_and_a_sources_as_they_are() {
        let sink = of(json!({ "offsets": [{
            "partition": { "kafka_topic": "lines", "kafka_partition": 3 },
            "offset": { "kafka_offset": 70 },
        }] }));
        assert_eq!(sink, "TOPIC  PARTITION  OFFSET\nlines  3          70\n");
        let source = of(json!({ "offsets": [
            { "partition": { "path": "a" }, "offset": { "position": 8 } },
            { "partition": { "path": "b" }, "offset": null },
        ] }));
        assert_eq!(
            source,
            "PARTITION     OFFSET\n{\"path\":\"a\"}  {\"position\":8}\n{\"path\":\"b\"}  -\n"
        );
        assert_eq!(of(json!({ "offsets": [] })), "PARTITION  OFFSET\n");
    }
}
