//! AlterClientQuotas (49): bounds set and removed, in force at once.

use std::{collections::HashSet, sync::Arc};

use kafka_protocol::{
    error::ResponseError,
    messages::{
        AlterClientQuotasRequest, AlterClientQuotasResponse,
        alter_client_quotas_request::EntryData,
        alter_client_quotas_response::{self, EntityData},
    },
    protocol::StrBytes,
};

use super::errors;
use crate::{
    controller::{QuotaEntity, QuotaName},
    node::Node,
};

pub(super) async fn handle(
    node: &Arc<Node>,
    request: AlterClientQuotasRequest,
) -> AlterClientQuotasResponse {
    let mut seen = HashSet::new();
    let mut entries = Vec::with_capacity(request.entries.len());
    for entry in request.entries {
        let altered = match entity(&entry) {
            Ok(entity) if seen.insert(entity.clone()) => {
                alter(node, entity, &entry, request.validate_only).await
            }
            Ok(entity) => {
                let message = format!("{entity} is named more than once in the request");
                Err((ResponseError::InvalidRequest, message))
            }
            Err(message) => Err((ResponseError::InvalidRequest, message)),
        };
        let (code, message) = match altered {
            Ok(()) => (errors::NONE, None),
            Err((code, message)) => (code.code(), errors::message(&message)),
        };
        let named = entry.entity.into_iter().map(|part| {
            EntityData::default()
                .with_entity_type(part.entity_type)
                .with_entity_name(part.entity_name)
        });
        entries.push(
            alter_client_quotas_response::EntryData::default()
                .with_error_code(code)
                .with_error_message(message)
                .with_entity(named.collect()),
        );
    }
    AlterClientQuotasResponse::default().with_entries(entries)
}

async fn alter(
    node: &Arc<Node>,
    entity: QuotaEntity,
    entry: &EntryData,
    validate_only: bool,
) -> Result<(), (ResponseError, String)> {
    let changes = entry.ops.iter().map(|change| {
        let bound = if change.remove { None } else { Some(change.value) };
        (change.key.to_string(), bound)
    });
    let shown = entity.to_string();
    node.alter_client_quotas(entity, changes.collect(), validate_only)
        .await
        .map_err(|error| (errors::controller(&error), error.to_string()))?;
    if !validate_only {
        tracing::info!(entity = %shown, "client quotas changed");
    }
    Ok(())
}

/// The entity that a request names.
fn entity(entry: &EntryData) -> Result<QuotaEntity, String> {
    let mut entity = QuotaEntity::default();
    for part in &entry.entity {
        let kind = part.entity_type.as_str();
        let place = of_kind(&mut entity, kind)
            .ok_or_else(|| format!("`{kind}` is none of user, client-id and ip"))?;
        let name = match &part.entity_name {
            Some(name) => QuotaName::Named(StrBytes::to_string(name)),
            None => QuotaName::Default,
        };
        if place.replace(name).is_some() {
            return Err(format!("`{kind}` is named twice in one entity"));
        }
    }
    Ok(entity)
}

fn of_kind<'a>(entity: &'a mut QuotaEntity, kind: &str) -> Option<&'a mut Option<QuotaName>> {
    match kind {
        "user" => Some(&mut entity.user),
        "client-id" => Some(&mut entity.client_id),
        "ip" => Some(&mut entity.ip),
        _ => None,
    }
}
