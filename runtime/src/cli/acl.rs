//! `longshore acl`.

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::CliError;
use super::acl_entries::{Entries, Resources, upper};
use super::cluster::{Cluster, ClusterArgs};
use super::consent::Consent;
use super::output::{OutputArgs, columns};
use crate::kafka::admin::acls::{Acl, AclFilter, PatternFilter, PatternType};

/// Who may do what
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  longshore acl add --allow-principal User:alice --producer --topic orders
  longshore acl add --allow-principal User:bob --consumer --topic orders --group readers
  longshore acl add --deny-principal User:eve --operation All --topic pay. --pattern prefixed
  longshore acl list --principal User:alice
  longshore acl remove --allow-principal User:alice --producer --topic orders --yes")]
pub(super) struct AclCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List entries
    #[command(after_help = "\
Example:
  longshore acl list --topic orders --pattern match -o json

--pattern match finds every entry that speaks of a resource of the name, prefixes and * too.")]
    List {
        #[command(flatten)]
        resources: Resources,
        /// Which patterns of the name
        #[arg(long, alias = "resource-pattern-type", value_enum, default_value = "any")]
        pattern: Pattern,
        /// Entries about this principal alone
        #[arg(long, value_name = "KIND:NAME")]
        principal: Option<String>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Add entries; those that exist stay
    #[command(after_help = "\
Example:
  longshore acl add --allow-principal User:alice --operation Read --topic orders
  longshore acl add --allow-principal User:alice --producer --topic t --transactional-id x")]
    Add {
        #[command(flatten)]
        entries: Entries,
        /// How the names are meant: as they are, or as the beginning of names
        #[arg(long, alias = "resource-pattern-type", value_enum, default_value = "literal")]
        pattern: Pattern,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Remove entries, and print them
    #[command(after_help = "\
Example:
  longshore acl remove --allow-principal User:alice --operation Read --topic orders
  longshore acl remove --topic orders --yes

Without principals it removes every entry of the resources. --pattern any and match find entries
of prefixes and of * too, which speak of other resources as well.")]
    Remove {
        #[command(flatten)]
        entries: Entries,
        /// Which patterns of the names
        #[arg(long, alias = "resource-pattern-type", value_enum, default_value = "literal")]
        pattern: Pattern,
        #[command(flatten)]
        consent: Consent,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// How a resource's name is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Pattern {
    /// Entries of any pattern with this name
    Any,
    /// Entries that speak of a resource of this name
    Match,
    /// The name as it is; * is every name
    Literal,
    /// Names that begin so
    Prefixed,
}

impl Pattern {
    fn filter(self) -> PatternFilter {
        match self {
            Self::Any => PatternFilter::Any,
            Self::Match => PatternFilter::Match,
            Self::Literal => PatternFilter::Exact(PatternType::Literal),
            Self::Prefixed => PatternFilter::Exact(PatternType::Prefixed),
        }
    }

    fn of_entries(self) -> Result<PatternType, CliError> {
        match self {
            Self::Literal => Ok(PatternType::Literal),
            Self::Prefixed => Ok(PatternType::Prefixed),
            Self::Any | Self::Match => {
                Err(CliError::usage("entries are added with --pattern literal or prefixed"))
            }
        }
    }
}

/// An entry under Kafka's names.
#[derive(Serialize)]
struct Shown<'a> {
    principal: &'a str,
    host: &'a str,
    operation: String,
    permission: String,
    resource_type: String,
    resource_name: &'a str,
    pattern_type: String,
}

impl AclCommand {
    pub(super) async fn run(self, cluster: &ClusterArgs) -> Result<(), CliError> {
        match self.action {
            Action::List { resources, pattern, principal, output } => {
                let cluster = Cluster::new(cluster)?;
                let mut found = Vec::new();
                for (resource, name) in resources.filters() {
                    let filter = AclFilter {
                        resource,
                        name,
                        pattern: pattern.filter(),
                        principal: principal.clone(),
                        host: None,
                        operation: None,
                        permission: None,
                    };
                    found.extend(cluster.client().acls(&filter).await?);
                }
                show(found, output)
            }
            Action::Add { entries, pattern, output } => {
                let acls = entries.acls(pattern.of_entries()?)?;
                Cluster::new(cluster)?.client().create_acls(&acls).await?;
                show(acls, output)
            }
            Action::Remove { entries, pattern, consent, output } => {
                let filters = if entries.names_principals() {
                    entries
                        .acls(PatternType::Literal)?
                        .into_iter()
                        .map(|acl| AclFilter {
                            resource: Some(acl.resource),
                            name: Some(acl.name),
                            pattern: pattern.filter(),
                            principal: Some(acl.principal),
                            host: Some(acl.host),
                            operation: Some(acl.operation),
                            permission: Some(acl.permission),
                        })
                        .collect()
                } else {
                    every_entry(&entries, pattern)?
                };
                consent.to(&question(&filters))?;
                let removed = Cluster::new(cluster)?.client().delete_acls(&filters).await?;
                if removed.is_empty() {
                    let why =
                        "no entry was removed: none is like that; `longshore acl list` shows them";
                    return Err(CliError::failed(why));
                }
                show(removed, output)
            }
        }
    }
}

/// Filters for all that there is about some resources.
fn every_entry(entries: &Entries, pattern: Pattern) -> Result<Vec<AclFilter>, CliError> {
    let resources = entries.resources.filters();
    if entries.resources.is_empty() {
        let why = "name a resource, such as --topic, or principals with --allow-principal";
        return Err(CliError::usage(why));
    }
    if entries.narrows() {
        let why = "an operation, a host, --producer or --consumer says which entries of a \
                   principal; name it with --allow-principal or --deny-principal";
        return Err(CliError::usage(why));
    }
    let filters = resources.into_iter().map(|(resource, name)| AclFilter {
        resource,
        name,
        pattern: pattern.filter(),
        principal: None,
        host: None,
        operation: None,
        permission: None,
    });
    Ok(filters.collect())
}

/// What the filters would remove: `every entry of topic orders, prefixes and * too`.
fn question(filters: &[AclFilter]) -> String {
    let what = filters.iter().map(|filter| {
        let resource = filter.resource.map_or_else(|| "ANY".to_owned(), upper);
        let name = filter.name.as_deref().unwrap_or("any name");
        let pattern = match filter.pattern {
            PatternFilter::Any => " (of any pattern)",
            PatternFilter::Match => " (prefixes and * that match it too)",
            PatternFilter::Exact(PatternType::Prefixed) => " (prefix)",
            PatternFilter::Exact(_) => "",
        };
        let who = match (&filter.principal, filter.operation) {
            (Some(principal), Some(operation)) => format!("{} of {principal}", upper(operation)),
            _ => "every entry".to_owned(),
        };
        format!("{who} on {resource} `{name}`{pattern}")
    });
    format!("remove {}", what.collect::<Vec<_>>().join(", "))
}

fn show(mut acls: Vec<Acl>, output: OutputArgs) -> Result<(), CliError> {
    acls.sort();
    acls.dedup();
    let shown = acls.iter().map(|acl| Shown {
        principal: &acl.principal,
        host: &acl.host,
        operation: upper(acl.operation),
        permission: upper(acl.permission),
        resource_type: upper(acl.resource),
        resource_name: &acl.name,
        pattern_type: upper(acl.pattern),
    });
    output.print(&shown.collect::<Vec<_>>(), |acls| table(acls))
}

fn table(acls: &[Shown<'_>]) -> String {
    let header = ["RESOURCE", "NAME", "PATTERN", "PRINCIPAL", "HOST", "OPERATION", "PERMISSION"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for acl in acls {
        let row = [
            &acl.resource_type,
            acl.resource_name,
            &acl.pattern_type,
            acl.principal,
            acl.host,
            &acl.operation,
            &acl.permission,
        ];
        rows.push(row.map(str::to_owned).to_vec());
    }
    columns(&rows)
}
