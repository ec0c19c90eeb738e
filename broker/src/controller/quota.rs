//! Client quotas: whom they bind, what they bound, and how they may be changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
};

use serde::{Deserialize, Serialize};

use super::{ClusterImage, ControllerError, MetadataRecord};

/// All quotas: entity, key, bound.
pub type ClientQuotas = BTreeMap<QuotaEntity, BTreeMap<String, QuotaBound>>;

/// One name of an entity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotaName {
    /// Whoever has no quota of its own, each with a share of its own.
    Default,
    /// This one.
    Named(String),
}

/// Whom a quota binds: a user, a client id, both together, or an address.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QuotaEntity {
    /// `user`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<QuotaName>,
    /// `client-id`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<QuotaName>,
    /// `ip`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<QuotaName>,
}

/// A bound: finite and above zero, so that two of them always compare.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QuotaBound(f64);

impl Eq for QuotaBound {}

impl QuotaBound {
    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

/// Bytes of produce requests a second.
pub const PRODUCER_BYTE_RATE: &str = "producer_byte_rate";
/// Bytes of fetch responses a second.
pub const CONSUMER_BYTE_RATE: &str = "consumer_byte_rate";
/// Time of the broker, in percent of one processor.
pub const REQUEST_PERCENTAGE: &str = "request_percentage";
/// Partitions created or deleted a second.
pub const CONTROLLER_MUTATION_RATE: &str = "controller_mutation_rate";
/// Connections made a second.
pub const CONNECTION_CREATION_RATE: &str = "connection_creation_rate";

/// Keys and whether their bounds may be fractions.
const OF_CLIENTS: &[(&str, bool)] = &[
    (PRODUCER_BYTE_RATE, false),
    (CONSUMER_BYTE_RATE, false),
    (REQUEST_PERCENTAGE, true),
    (CONTROLLER_MUTATION_RATE, true),
];
const OF_ADDRESSES: &[(&str, bool)] = &[(CONNECTION_CREATION_RATE, false)];

/// How far from a whole number a whole bound may be.
const WHOLE_WITHIN: f64 = 1e-6;

impl fmt::Display for QuotaEntity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [("user", &self.user), ("client-id", &self.client_id), ("ip", &self.ip)];
        let mut separator = "";
        for (kind, name) in parts {
            match name {
                None => continue,
                Some(QuotaName::Default) => write!(f, "{separator}{kind}=<default>")?,
                Some(QuotaName::Named(name)) => write!(f, "{separator}{kind}={name}")?,
            }
            separator = ", ";
        }
        Ok(())
    }
}

/// Decides about changes to one entity's quotas; `None` removes a bound.
pub(super) fn alter(
    image: &ClusterImage,
    entity: &QuotaEntity,
    changes: &[(String, Option<f64>)],
) -> Result<Vec<MetadataRecord>, ControllerError> {
    let invalid = |reason| ControllerError::InvalidQuota { reason };
    let keys = keys_of(entity).map_err(invalid)?;
    let present = image.client_quotas().get(entity);
    let mut seen = BTreeSet::new();
    let mut records = Vec::with_capacity(changes.len());
    for (key, bound) in changes {
        let known = keys.iter().find(|(name, _)| name == key);
        let (_, fractions) = known
            .ok_or_else(|| invalid(format!("`{key}` is no quota of an entity such as {entity}")))?;
        if !seen.insert(key) {
            return Err(invalid(format!("quota `{key}` is named twice")));
        }
        let bound = match bound {
            Some(bound) => Some(check_bound(key, *bound, *fractions).map_err(invalid)?),
            None => None,
        };
        if present.and_then(|quotas| quotas.get(key)).copied() != bound {
            let (entity, key) = (entity.clone(), key.clone());
            records.push(MetadataRecord::ClientQuota { entity, key, bound });
        }
    }
    Ok(records)
}

fn keys_of(entity: &QuotaEntity) -> Result<&'static [(&'static str, bool)], String> {
    let names = [("user", &entity.user), ("client-id", &entity.client_id), ("ip", &entity.ip)];
    for (kind, name) in names {
        if matches!(name, Some(QuotaName::Named(name)) if name.is_empty()) {
            return Err(format!("the {kind} of a quota has no name; null means the default"));
        }
    }
    match entity {
        QuotaEntity { user: None, client_id: None, ip: None } => {
            Err("a quota binds a user, a client-id or an ip: none is given".to_owned())
        }
        QuotaEntity { user: None, client_id: None, ip: Some(ip) } => match ip {
            QuotaName::Named(address) if address.parse::<IpAddr>().is_err() => {
                Err(format!("`{address}` is no IP address"))
            }
            _ => Ok(OF_ADDRESSES),
        },
        QuotaEntity { ip: Some(_), .. } => {
            Err("an ip cannot be combined with a user or a client-id".to_owned())
        }
        _ => Ok(OF_CLIENTS),
    }
}

fn check_bound(key: &str, bound: f64, fractions: bool) -> Result<QuotaBound, String> {
    if !(bound.is_finite() && bound > 0.0) {
        return Err(format!("quota `{key}` must be a number above 0, not {bound}"));
    }
    let whole = bound.round();
    match fractions {
        true => Ok(QuotaBound(bound)),
        false if (whole - bound).abs() <= WHOLE_WITHIN && whole >= 1.0 => Ok(QuotaBound(whole)),
        false => Err(format!("quota `{key}` must be a whole number, not {bound}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Option<QuotaName> {
        Some(QuotaName::Named(name.to_owned()))
    }

    fn entity(
        user: Option<QuotaName>,
        client_id: Option<QuotaName>,
        ip: Option<QuotaName>,
    ) -> QuotaEntity {
        QuotaEntity { user, client_id, ip }
    }

    #[test]
    fn entities_that_cannot_be_are_refused() {
        let set = [(CONNECTION_CREATION_RATE.to_owned(), Some(1.0))];
        for bad in [
            entity(None, None, None),
            entity(named(""), None, None),
            entity(None, named(""), None),
            entity(named("u"), None, named("127.0.0.1")),
            entity(None, None, named("localhost")),
        ] {
            assert!(alter(&ClusterImage::default(), &bad, &set).is_err(), "{bad:?}");
        }
        for good in [Some(QuotaName::Default), named("127.0.0.1"), named("::1")] {
            assert!(alter(&ClusterImage::default(), &entity(None, None, good), &set).is_ok());
        }
    }

    #[test]
    fn bounds_that_cannot_be_are_refused() {
        let user = entity(named("u"), None, None);
        for (key, bound) in [
            (PRODUCER_BYTE_RATE, 0.0),
            (PRODUCER_BYTE_RATE, -1.0),
            (PRODUCER_BYTE_RATE, 1.5),
            (REQUEST_PERCENTAGE, f64::NAN),
            (REQUEST_PERCENTAGE, f64::INFINITY),
            (CONNECTION_CREATION_RATE, 1.0),
            ("no_such_rate", 1.0),
        ] {
            let changes = [(key.to_owned(), Some(bound))];
            assert!(alter(&ClusterImage::default(), &user, &changes).is_err(), "{key}={bound}");
        }
        let changes = [(REQUEST_PERCENTAGE.to_owned(), Some(0.5))];
        assert_eq!(alter(&ClusterImage::default(), &user, &changes).unwrap().len(), 1);
    }

    #[test]
    fn a_bound_outlives_its_record_as_text() {
        let record = MetadataRecord::ClientQuota {
            entity: entity(named("u"), Some(QuotaName::Default), None),
            key: REQUEST_PERCENTAGE.to_owned(),
            bound: Some(QuotaBound(12.5)),
        };
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<MetadataRecord>(&text).unwrap(), record, "{text}");
    }
}
