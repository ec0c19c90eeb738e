//! Quotas of clients (KIP-546).

use std::collections::BTreeMap;

use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::{AlterClientQuotasRequest, DescribeClientQuotasRequest};
use serde::Serialize;

use super::AdminClient;
use super::answers::{check, text, unanswered};
use crate::kafka::error::ClientError;
use crate::kafka::net::{Lane, Target};

/// Whom a quota binds: a name for each of `user`, `client-id`, `ip`, or `None`
/// for the default of that kind.
pub type QuotaEntity = BTreeMap<String, Option<String>>;

/// The quotas of one entity.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quotas {
    /// Whom they bind.
    pub entity: QuotaEntity,
    /// Their values by name.
    pub quotas: BTreeMap<String, f64>,
}

/// Which entities are asked for, for one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuotaMatch {
    /// This name.
    Name(String),
    /// The default of the kind.
    Default,
    /// Any of the kind.
    Any,
}

impl AdminClient {
    /// The quotas of entities; of all, when no kind is asked for. `strict`
    /// leaves out entities that have kinds beyond those.
    pub async fn quotas(
        &self,
        wanted: &BTreeMap<String, QuotaMatch>,
        strict: bool,
    ) -> Result<Vec<Quotas>, ClientError> {
        self.cluster.retry(|| self.list_quotas(wanted, strict)).await
    }

    async fn list_quotas(
        &self,
        wanted: &BTreeMap<String, QuotaMatch>,
        strict: bool,
    ) -> Result<Vec<Quotas>, ClientError> {
        let components = wanted.iter().map(|(kind, wanted)| {
            let component = ComponentData::default().with_entity_type(text(kind));
            match wanted {
                QuotaMatch::Name(name) => component.with_match_type(0).with_match(Some(text(name))),
                QuotaMatch::Default => component.with_match_type(1).with_match(None),
                QuotaMatch::Any => component.with_match_type(2).with_match(None),
            }
        });
        let request = DescribeClientQuotasRequest::default()
            .with_components(components.collect())
            .with_strict(strict);
        let answer = self.cluster.call(&Target::Any, Lane::Common, |_| request, None).await?;
        check("listing quotas".into(), answer.error_code, answer.error_message.as_ref())?;
        let entries = answer.entries.unwrap_or_default().into_iter().map(|entry| Quotas {
            entity: entry
                .entity
                .into_iter()
                .map(|part| {
                    (part.entity_type.to_string(), part.entity_name.map(|name| name.to_string()))
                })
                .collect(),
            quotas: entry
                .values
                .into_iter()
                .map(|value| (value.key.to_string(), value.value))
                .collect(),
        });
        let mut found: Vec<Quotas> = entries.collect();
        found.sort_by(|a, b| a.entity.cmp(&b.entity));
        Ok(found)
    }

    /// Sets some quotas of an entity; `None` removes one.
    pub async fn alter_quotas(
        &self,
        entity: &QuotaEntity,
        changes: &BTreeMap<String, Option<f64>>,
    ) -> Result<(), ClientError> {
        self.cluster.retry(|| self.try_alter_quotas(entity, changes)).await
    }

    async fn try_alter_quotas(
        &self,
        entity: &QuotaEntity,
        changes: &BTreeMap<String, Option<f64>>,
    ) -> Result<(), ClientError> {
        let what = || "changing quotas".to_owned();
        let parts = entity.iter().map(|(kind, name)| {
            EntityData::default()
                .with_entity_type(text(kind))
                .with_entity_name(name.as_deref().map(text))
        });
        let changes = changes.iter().map(|(key, value)| {
            OpData::default()
                .with_key(text(key))
                .with_value(value.unwrap_or_default())
                .with_remove(value.is_none())
        });
        let entry = EntryData::default().with_entity(parts.collect()).with_ops(changes.collect());
        let request = AlterClientQuotasRequest::default().with_entries(vec![entry]);
        let answer =
            self.cluster.call(&Target::Controller, Lane::Common, |_| request, None).await?;
        let result = answer.entries.into_iter().next().ok_or_else(|| unanswered(what()))?;
        check(what(), result.error_code, result.error_message.as_ref())
    }
}
