//! Entries of ACLs from a command line, by the names of Kafka's tool.

use std::fmt::Debug;

use clap::Args;

use super::CliError;
use crate::kafka::admin::acls::{Acl, AclOperation, PatternType, Permission, ResourceType};
use crate::yaml::did_you_mean;

/// Kafka's name of the only resource of type cluster.
const CLUSTER: &str = "kafka-cluster";
const ANY_HOST: &str = "*";

/// What entries are about.
#[derive(Debug, Clone, Args)]
pub(super) struct Resources {
    /// A topic, or `*` for all
    #[arg(long, value_name = "NAME")]
    topic: Vec<String>,
    /// A group, or `*` for all
    #[arg(long, value_name = "NAME")]
    group: Vec<String>,
    /// A transactional id, or `*` for all
    #[arg(long, value_name = "ID")]
    transactional_id: Vec<String>,
    /// The cluster itself
    #[arg(long)]
    cluster: bool,
}

impl Resources {
    /// Whether no resource is named.
    pub(super) fn is_empty(&self) -> bool {
        self.named().is_empty()
    }

    /// For filters: nothing named means everything.
    pub(super) fn filters(&self) -> Vec<(Option<ResourceType>, Option<String>)> {
        if self.is_empty() {
            return vec![(None, None)];
        }
        self.named().into_iter().map(|(kind, name)| (Some(kind), Some(name))).collect()
    }

    fn named(&self) -> Vec<(ResourceType, String)> {
        let of = |kind, names: &[String]| {
            names.iter().map(|name| (kind, name.clone())).collect::<Vec<_>>()
        };
        let mut named = of(ResourceType::Topic, &self.topic);
        named.extend(of(ResourceType::Group, &self.group));
        named.extend(of(ResourceType::TransactionalId, &self.transactional_id));
        if self.cluster {
            named.push((ResourceType::Cluster, CLUSTER.to_owned()));
        }
        named
    }
}

/// Entries: whom, from where, what, with which resources.
#[derive(Debug, Clone, Args)]
pub(super) struct Entries {
    #[command(flatten)]
    pub(super) resources: Resources,
    /// Who may
    #[arg(long, value_name = "KIND:NAME", value_parser = principal)]
    allow_principal: Vec<String>,
    /// Who must not
    #[arg(long, value_name = "KIND:NAME", value_parser = principal)]
    deny_principal: Vec<String>,
    /// From which address those who may; any when left out
    #[arg(long, value_name = "ADDRESS")]
    allow_host: Vec<String>,
    /// From which address those who must not; any when left out
    #[arg(long, value_name = "ADDRESS")]
    deny_host: Vec<String>,
    /// What: Read, Write, Create, Delete, Alter, Describe, AlterConfigs...; All when left out
    #[arg(long, value_name = "OPERATION", value_parser = operation)]
    operation: Vec<AclOperation>,
    /// All that a producer needs: Write, Describe and Create of --topic, Write and
    /// Describe of --transactional-id
    #[arg(long, conflicts_with = "operation")]
    producer: bool,
    /// All that a consumer needs: Read and Describe of --topic, Read of --group
    #[arg(long, conflicts_with = "operation")]
    consumer: bool,
    /// With --producer: also IdempotentWrite, which brokers before Kafka 2.8 ask for
    #[arg(long, requires = "producer")]
    idempotent: bool,
}

fn principal(text: &str) -> Result<String, String> {
    match text.split_once(':') {
        Some((kind, name)) if !kind.is_empty() && !name.is_empty() => Ok(text.to_owned()),
        _ => Err(format!("write KIND:NAME, as in User:{text}")),
    }
}

fn operation(text: &str) -> Result<AclOperation, String> {
    let plain = |text: &str| text.replace(['_', '-'], "").to_lowercase();
    let found = AclOperation::ALL.iter().find(|op| plain(&format!("{op:?}")) == plain(text));
    found.copied().ok_or_else(|| {
        let names: Vec<String> = AclOperation::ALL.iter().map(|op| format!("{op:?}")).collect();
        let help = did_you_mean(text, names.iter().map(String::as_str)).unwrap_or_default();
        format!("there is no operation `{text}`; {help}")
    })
}

impl Entries {
    /// Whether the entries say whom they are about.
    pub(super) fn names_principals(&self) -> bool {
        !self.allow_principal.is_empty() || !self.deny_principal.is_empty()
    }

    /// Whether they say which of a principal's entries they are about.
    pub(super) fn narrows(&self) -> bool {
        let hosts = self.allow_host.len() + self.deny_host.len();
        hosts + self.operation.len() > 0 || self.producer || self.consumer
    }

    /// Every combination of what was named.
    pub(super) fn acls(&self, pattern: PatternType) -> Result<Vec<Acl>, CliError> {
        if !self.names_principals() {
            let why = "name whom it is about: --allow-principal User:NAME or --deny-principal";
            return Err(CliError::usage(why));
        }
        let mut acls = Vec::new();
        for (resource, name, operation) in self.operations()? {
            for (principals, hosts, permission) in [
                (&self.allow_principal, &self.allow_host, Permission::Allow),
                (&self.deny_principal, &self.deny_host, Permission::Deny),
            ] {
                let any = [ANY_HOST.to_owned()];
                let hosts = if hosts.is_empty() { &any[..] } else { hosts };
                for (principal, host) in
                    principals.iter().flat_map(|p| hosts.iter().map(move |host| (p, host)))
                {
                    // There is one cluster, so its name is no beginning.
                    let is_cluster = resource == ResourceType::Cluster;
                    acls.push(Acl {
                        resource,
                        name: name.clone(),
                        pattern: if is_cluster { PatternType::Literal } else { pattern },
                        principal: principal.clone(),
                        host: host.clone(),
                        operation,
                        permission,
                    });
                }
            }
        }
        Ok(acls)
    }

    /// What is done with which resource.
    fn operations(&self) -> Result<Vec<(ResourceType, String, AclOperation)>, CliError> {
        use AclOperation as O;
        use ResourceType as R;
        let named = self.resources.named();
        if !self.producer && !self.consumer {
            if named.is_empty() {
                let why = "name a resource: --topic, --group, --transactional-id or --cluster";
                return Err(CliError::usage(why));
            }
            let all = [O::All];
            let operations = if self.operation.is_empty() { &all[..] } else { &self.operation };
            let each = named.into_iter().flat_map(|(kind, name)| {
                operations.iter().map(move |operation| (kind, name.clone(), *operation))
            });
            return Ok(each.collect());
        }
        let has = |kind| named.iter().any(|(resource, _)| *resource == kind);
        if !has(R::Topic) {
            return Err(CliError::usage("--producer and --consumer need --topic"));
        }
        if self.consumer && !has(R::Group) {
            return Err(CliError::usage("--consumer needs --group"));
        }
        let mut each = Vec::new();
        for (kind, name) in named {
            let operations: &[O] = match (kind, self.producer, self.consumer) {
                (R::Topic, true, true) => &[O::Write, O::Describe, O::Create, O::Read],
                (R::Topic, true, false) => &[O::Write, O::Describe, O::Create],
                (R::Topic, ..) => &[O::Read, O::Describe],
                (R::TransactionalId, true, _) => &[O::Write, O::Describe],
                (R::Group, _, true) => &[O::Read],
                _ => {
                    let why = format!("{} is of no use with --producer or --consumer", upper(kind));
                    return Err(CliError::usage(why));
                }
            };
            each.extend(operations.iter().map(|operation| (kind, name.clone(), *operation)));
        }
        if self.idempotent {
            each.push((R::Cluster, CLUSTER.to_owned(), O::IdempotentWrite));
        }
        Ok(each)
    }
}

/// Kafka's name of one of its values: `DESCRIBE_CONFIGS` of `DescribeConfigs`.
pub(super) fn upper(value: impl Debug) -> String {
    let mut name = String::new();
    for c in format!("{value:?}").chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        entries: Entries,
    }

    /// `OPERATION of RESOURCE:NAME by PRINCIPAL at HOST: PERMISSION`, one each.
    fn entries(line: &str) -> Result<Vec<String>, String> {
        let line = format!("acl {line}");
        let parsed = Line::try_parse_from(line.split(' ')).map_err(|error| error.to_string())?;
        let acls = parsed.entries.acls(PatternType::Literal).map_err(|error| error.to_string())?;
        let shown = acls.iter().map(|acl| {
            let (operation, kind) = (upper(acl.operation), upper(acl.resource));
            let permission = upper(acl.permission);
            let Acl { name, principal, host, .. } = acl;
            format!("{operation} of {kind}:{name} by {principal} at {host}: {permission}")
        });
        Ok(shown.collect())
    }

    #[test]
    fn the_rights_of_a_producer_are_those_of_kafkas_tool() {
        let line =
            "--allow-principal User:a --producer --topic t --transactional-id x --idempotent";
        insta::assert_snapshot!(entries(line).unwrap().join("\n"), @r"
        WRITE of TOPIC:t by User:a at *: ALLOW
        DESCRIBE of TOPIC:t by User:a at *: ALLOW
        CREATE of TOPIC:t by User:a at *: ALLOW
        WRITE of TRANSACTIONAL_ID:x by User:a at *: ALLOW
        DESCRIBE of TRANSACTIONAL_ID:x by User:a at *: ALLOW
        IDEMPOTENT_WRITE of CLUSTER:kafka-cluster by User:a at *: ALLOW
        ");
    }

    #[test]
    fn the_rights_of_a_consumer_are_those_of_kafkas_tool() {
        let line = "--allow-principal User:a --consumer --topic t --group g";
        insta::assert_snapshot!(entries(line).unwrap().join("\n"), @r"
        READ of TOPIC:t by User:a at *: ALLOW
        DESCRIBE of TOPIC:t by User:a at *: ALLOW
        READ of GROUP:g by User:a at *: ALLOW
        ");
    }

    #[test]
    fn principals_hosts_and_operations_combine() {
        let line = "--allow-principal User:a --allow-principal User:b --allow-host 10.0.0.1 \
                    --deny-principal User:c --operation read --operation ALTER_CONFIGS --cluster";
        insta::assert_snapshot!(entries(line).unwrap().join("\n"), @r"
        READ of CLUSTER:kafka-cluster by User:a at 10.0.0.1: ALLOW
        READ of CLUSTER:kafka-cluster by User:b at 10.0.0.1: ALLOW
        READ of CLUSTER:kafka-cluster by User:c at *: DENY
        ALTER_CONFIGS of CLUSTER:kafka-cluster by User:a at 10.0.0.1: ALLOW
        ALTER_CONFIGS of CLUSTER:kafka-cluster by User:b at 10.0.0.1: ALLOW
        ALTER_CONFIGS of CLUSTER:kafka-cluster by User:c at *: DENY
        ");
    }

    #[test]
    fn what_is_left_out_is_asked_for() {
        for (line, told) in [
            ("--topic t", "--allow-principal"),
            ("--allow-principal User:a", "name a resource"),
            ("--allow-principal alice --topic t", "User:alice"),
            ("--allow-principal User:a --operation Reed --topic t", "`Read`"),
            ("--allow-principal User:a --producer --group g", "--topic"),
            ("--allow-principal User:a --consumer --topic t", "--group"),
            ("--allow-principal User:a --producer --topic t --group g", "GROUP is of no use"),
        ] {
            let error = entries(line).unwrap_err();
            assert!(error.contains(told), "{line}: {error}");
        }
    }
}
