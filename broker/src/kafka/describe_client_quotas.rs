//! DescribeClientQuotas (48): the quotas whose entities match a filter.

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{
        DescribeClientQuotasRequest, DescribeClientQuotasResponse,
        describe_client_quotas_request::ComponentData,
        describe_client_quotas_response::{EntityData, EntryData, ValueData},
    },
    protocol::StrBytes,
};

use super::errors;
use crate::{
    controller::{QuotaEntity, QuotaName},
    node::Node,
};

const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const ANY: i8 = 2;

/// What one part of an entity must be.
enum Wanted {
    /// This name, or the default.
    Name(QuotaName),
    /// Anything, but it must be there.
    Any,
}

/// What the parts of an entity must be; those without are not asked about.
#[derive(Default)]
struct Filter {
    user: Option<Wanted>,
    client_id: Option<Wanted>,
    ip: Option<Wanted>,
    /// Whether parts that are not asked about must be absent.
    strict: bool,
}

pub(super) async fn handle(
    node: &Arc<Node>,
    request: DescribeClientQuotasRequest,
) -> DescribeClientQuotasResponse {
    let filter = match Filter::read(&request) {
        Ok(filter) => filter,
        Err((code, message)) => {
            return DescribeClientQuotasResponse::default()
                .with_error_code(code.code())
                .with_error_message(errors::message(&message))
                .with_entries(None);
        }
    };
    let image = node.image();
    let matching = image.client_quotas().iter().filter(|(entity, _)| filter.matches(entity));
    let entries = matching.map(|(entity, quotas)| {
        let values = quotas.iter().map(|(key, bound)| {
            ValueData::default()
                .with_key(StrBytes::from_string(key.clone()))
                .with_value(bound.get())
        });
        EntryData::default().with_entity(parts(entity)).with_values(values.collect())
    });
    DescribeClientQuotasResponse::default()
        .with_error_message(None)
        .with_entries(Some(entries.collect()))
}

fn parts(entity: &QuotaEntity) -> Vec<EntityData> {
    let parts = [("user", &entity.user), ("client-id", &entity.client_id), ("ip", &entity.ip)];
    let present = parts.into_iter().filter_map(|(kind, name)| {
        let name = match name.as_ref()? {
            QuotaName::Default => None,
            QuotaName::Named(name) => Some(StrBytes::from_string(name.clone())),
        };
        let data = EntityData::default().with_entity_type(StrBytes::from_static_str(kind));
        Some(data.with_entity_name(name))
    });
    present.collect()
}

impl Filter {
    fn read(request: &DescribeClientQuotasRequest) -> Result<Self, (ResponseError, String)> {
        let invalid = |message: String| (ResponseError::InvalidRequest, message);
        let mut filter = Self { strict: request.strict, ..Self::default() };
        for component in &request.components {
            let kind = component.entity_type.as_str();
            let wanted = wanted(component).map_err(invalid)?;
            let place = match kind {
                "user" => &mut filter.user,
                "client-id" => &mut filter.client_id,
                "ip" => &mut filter.ip,
                "" => return Err(invalid("a filter names no type of entity".to_owned())),
                _ => {
                    let message = format!("`{kind}` is none of user, client-id and ip");
                    return Err((ResponseError::UnsupportedVersion, message));
                }
            };
            if place.replace(wanted).is_some() {
                return Err(invalid(format!("`{kind}` is named twice in the filter")));
            }
        }
        if filter.ip.is_some() && (filter.user.is_some() || filter.client_id.is_some()) {
            let message = "an ip cannot be combined with a user or a client-id";
            return Err(invalid(message.to_owned()));
        }
        Ok(filter)
    }

    fn matches(&self, entity: &QuotaEntity) -> bool {
        let parts = [
            (&self.user, &entity.user),
            (&self.client_id, &entity.client_id),
            (&self.ip, &entity.ip),
        ];
        parts.into_iter().all(|(wanted, part)| match (wanted, part) {
            (None, part) => !self.strict || part.is_none(),
            (Some(_), None) => false,
            (Some(Wanted::Any), Some(_)) => true,
            (Some(Wanted::Name(name)), Some(part)) => name == part,
        })
    }
}

fn wanted(component: &ComponentData) -> Result<Wanted, String> {
    match (component.match_type, &component._match) {
        (EXACT, Some(name)) => Ok(Wanted::Name(QuotaName::Named(name.to_string()))),
        (EXACT, None) => Err("an exact match has no name".to_owned()),
        (DEFAULT, None) => Ok(Wanted::Name(QuotaName::Default)),
        (ANY, None) => Ok(Wanted::Any),
        (DEFAULT | ANY, Some(name)) => Err(format!("`{name}` is named where no name belongs")),
        (other, _) => Err(format!("{other} is no type of match")),
    }
}
