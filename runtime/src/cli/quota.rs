//! `longshore quota`.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};

use super::CliError;
use super::cluster::{Cluster, ClusterArgs};
use super::consent::Consent;
use super::output::{OutputArgs, columns, print};
use crate::kafka::admin::quotas::{QuotaEntity, QuotaMatch, Quotas};
use crate::yaml::did_you_mean;

/// Kafka's quotas, and what they bound.
const QUOTAS: [&str; 5] = [
    "consumer_byte_rate",
    "controller_mutation_rate",
    "connection_creation_rate",
    "producer_byte_rate",
    "request_percentage",
];

/// How much clients may use
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  longshore quota set --user alice producer_byte_rate=1048576 consumer_byte_rate=2097152
  longshore quota set --user-default --client-id batch request_percentage=50
  longshore quota list --user alice
  longshore quota remove --user alice producer_byte_rate --yes

Quotas: producer_byte_rate and consumer_byte_rate in bytes a second, request_percentage of one
thread's time, controller_mutation_rate in changes a second, connection_creation_rate (of --ip)
in connections a second. The most special entity that has a quota binds a client.")]
pub(super) struct Quota {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List quotas
    #[command(after_help = "Example:\n  longshore quota list --user alice -o json")]
    List {
        #[command(flatten)]
        entity: Entity,
        /// No entities that are narrower than what is named
        #[arg(long)]
        strict: bool,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Set quotas of an entity
    #[command(after_help = "\
Example:
  longshore quota set --user alice --client-id reports consumer_byte_rate=1048576")]
    Set {
        #[command(flatten)]
        entity: Entity,
        /// What to set
        #[arg(required = true, value_name = "QUOTA=VALUE", value_parser = quota)]
        quotas: Vec<(String, f64)>,
    },
    /// Remove quotas of an entity
    #[command(
        after_help = "Example:\n  longshore quota remove --user alice producer_byte_rate --yes"
    )]
    Remove {
        #[command(flatten)]
        entity: Entity,
        /// Which; all of the entity when left out
        #[arg(value_name = "QUOTA", value_parser = quota_name)]
        quotas: Vec<String>,
        #[command(flatten)]
        consent: Consent,
    },
}

/// Whom a quota binds.
#[derive(Debug, Clone, Args)]
struct Entity {
    /// A user, without User:
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Every user that has no quota of its own
    #[arg(long, conflicts_with = "user")]
    user_default: bool,
    /// A client.id
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Every client.id that has no quota of its own
    #[arg(long, conflicts_with = "client_id")]
    client_id_default: bool,
    /// An address
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["user", "user_default", "client_id", "client_id_default"])]
    ip: Option<String>,
    /// Every address that has no quota of its own
    #[arg(long, conflicts_with_all = ["ip", "user", "user_default", "client_id", "client_id_default"])]
    ip_default: bool,
}

fn quota_name(text: &str) -> Result<String, String> {
    if QUOTAS.contains(&text) {
        return Ok(text.to_owned());
    }
    let help = did_you_mean(text, QUOTAS).unwrap_or_default();
    Err(format!("there is no quota `{text}`; {help}"))
}

fn quota(text: &str) -> Result<(String, f64), String> {
    let (name, value) = text.split_once('=').ok_or("write QUOTA=VALUE")?;
    let name = quota_name(name)?;
    match value.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok((name, value)),
        _ => Err(format!("`{value}` is no number above 0")),
    }
}

impl Entity {
    fn parts(&self) -> impl Iterator<Item = (&'static str, Option<&String>, bool)> {
        [
            ("user", self.user.as_ref(), self.user_default),
            ("client-id", self.client_id.as_ref(), self.client_id_default),
            ("ip", self.ip.as_ref(), self.ip_default),
        ]
        .into_iter()
    }

    fn wanted(&self) -> BTreeMap<String, QuotaMatch> {
        let wanted = self.parts().filter_map(|(kind, name, default)| {
            let wanted = match (name, default) {
                (Some(name), _) => QuotaMatch::Name(name.clone()),
                (None, true) => QuotaMatch::Default,
                (None, false) => return None,
            };
            Some((kind.to_owned(), wanted))
        });
        wanted.collect()
    }

    fn named(&self) -> Result<QuotaEntity, CliError> {
        let named: QuotaEntity = self
            .parts()
            .filter(|(_, name, default)| name.is_some() || *default)
            .map(|(kind, name, _)| (kind.to_owned(), name.cloned()))
            .collect();
        if named.is_empty() {
            let why = "name whom it binds: --user, --client-id, --ip, or their defaults such as --user-default";
            return Err(CliError::usage(why));
        }
        Ok(named)
    }
}

impl Quota {
    pub(super) async fn run(self, cluster: &ClusterArgs) -> Result<(), CliError> {
        match self.action {
            Action::List { entity, strict, output } => {
                let cluster = Cluster::new(cluster)?;
                let found = cluster.client().quotas(&entity.wanted(), strict).await?;
                output.print(&found, |quotas| table(quotas))
            }
            Action::Set { entity, quotas } => {
                let named = entity.named()?;
                let changes = quotas.into_iter().map(|(name, value)| (name, Some(value))).collect();
                let cluster = Cluster::new(cluster)?;
                cluster.client().alter_quotas(&named, &changes).await?;
                print(&format!("set quotas of {}", shown(&named)))
            }
            Action::Remove { entity, quotas, consent } => {
                let named = entity.named()?;
                let which = if quotas.is_empty() { "all quotas".into() } else { quotas.join(", ") };
                consent.to(&format!("remove {which} of {}", shown(&named)))?;
                let cluster = Cluster::new(cluster)?;
                let known = cluster.client().quotas(&entity.wanted(), true).await?;
                let known = known.into_iter().find(|found| found.entity == named);
                let known = known.map(|found| found.quotas).unwrap_or_default();
                let missing = quotas.iter().find(|name| !known.contains_key(*name));
                if known.is_empty() || missing.is_some() {
                    let what = missing.map_or("quotas", String::as_str);
                    let why = format!("{} has no {what}", shown(&named));
                    return Err(CliError::failed(why));
                }
                let removed: Vec<String> =
                    if quotas.is_empty() { known.into_keys().collect() } else { quotas };
                let changes = removed.into_iter().map(|name| (name, None)).collect();
                cluster.client().alter_quotas(&named, &changes).await?;
                print(&format!("removed quotas of {}", shown(&named)))
            }
        }
    }
}

/// `user alice, every client-id`.
fn shown(entity: &QuotaEntity) -> String {
    let parts = entity.iter().rev().map(|(kind, name)| match name {
        Some(name) => format!("{kind} {name}"),
        None => format!("every {kind}"),
    });
    parts.collect::<Vec<_>>().join(", ")
}

fn table(quotas: &[Quotas]) -> String {
    let mut rows = vec![["USER", "CLIENT ID", "IP", "QUOTA", "VALUE"].map(str::to_owned).to_vec()];
    for found in quotas {
        let part = |kind: &str| match found.entity.get(kind) {
            None => "-".to_owned(),
            Some(None) => "<default>".to_owned(),
            Some(Some(name)) => name.clone(),
        };
        for (name, value) in &found.quotas {
            rows.push(vec![
                part("user"),
                part("client-id"),
                part("ip"),
                name.clone(),
                value.to_string(),
            ]);
        }
    }
    columns(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_tells_a_default_from_a_name_and_from_nothing() {
        let entity = |user: Option<&str>| {
            QuotaEntity::from([
                ("user".to_owned(), user.map(str::to_owned)),
                ("client-id".to_owned(), Some("c".to_owned())),
            ])
        };
        let quotas = |value| BTreeMap::from([("producer_byte_rate".to_owned(), value)]);
        let all = [
            Quotas { entity: entity(Some("alice")), quotas: quotas(1_048_576.0) },
            Quotas { entity: entity(None), quotas: quotas(0.5) },
        ];
        insta::assert_snapshot!(table(&all), @r"
        USER       CLIENT ID  IP  QUOTA               VALUE
        alice      c          -   producer_byte_rate  1048576
        <default>  c          -   producer_byte_rate  0.5
        ");
        assert_eq!(shown(&all[1].entity), "every user, client-id c");
    }

    #[test]
    fn a_quota_is_one_of_kafkas_with_a_number_above_nothing() {
        assert_eq!(quota("request_percentage=12.5").unwrap().1, 12.5);
        assert!(quota("producer_byterate=1").unwrap_err().contains("`producer_byte_rate`"));
        for wrong in [
            "producer_byte_rate",
            "producer_byte_rate=",
            "producer_byte_rate=0",
            "producer_byte_rate=inf",
        ] {
            assert!(quota(wrong).is_err(), "{wrong}");
        }
    }
}
