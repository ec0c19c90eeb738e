//! Which quota binds a client: Kafka's order of precedence.

use crate::controller::{ClientQuotas, QuotaEntity, QuotaName};

/// A quota as it binds one client.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Binding {
    pub(super) bound: f64,
    /// Who shares it: all clients of a user, all connections of a client id,
    /// or those that have both in common.
    pub(super) user: Option<String>,
    pub(super) client_id: Option<String>,
}

/// The quota `key` of a client, from the most special to the most general.
/// Each key is looked for on its own.
pub(super) fn find(
    quotas: &ClientQuotas,
    key: &str,
    user: &str,
    client_id: &str,
) -> Option<Binding> {
    let user_name = || Some(QuotaName::Named(user.to_owned()));
    let client_name = || Some(QuotaName::Named(client_id.to_owned()));
    let default = || Some(QuotaName::Default);
    let entities = [
        (user_name(), client_name()),
        (user_name(), default()),
        (user_name(), None),
        (default(), client_name()),
        (default(), default()),
        (default(), None),
        (None, client_name()),
        (None, default()),
    ];
    entities.into_iter().find_map(|(of_user, of_client)| {
        let (by_user, by_client) = (of_user.is_some(), of_client.is_some());
        let entity = QuotaEntity { user: of_user, client_id: of_client, ip: None };
        let bound = quotas.get(&entity)?.get(key)?;
        Some(Binding {
            bound: bound.get(),
            user: by_user.then(|| user.to_owned()),
            client_id: by_client.then(|| client_id.to_owned()),
        })
    })
}

/// The quota `key` of an address.
pub(super) fn find_for_address(quotas: &ClientQuotas, key: &str, address: &str) -> Option<f64> {
    let names = [QuotaName::Named(address.to_owned()), QuotaName::Default];
    names.into_iter().find_map(|name| {
        let entity = QuotaEntity { ip: Some(name), ..QuotaEntity::default() };
        Some(quotas.get(&entity)?.get(key)?.get())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::{ClusterImage, MetadataRecord};

    const KEY: &str = "producer_byte_rate";

    /// Quotas of these entities (`-` none, `*` default), with bounds 1, 2, 3...
    fn quotas(entities: &[(&str, &str)]) -> ClientQuotas {
        let mut image = ClusterImage::default();
        let name = |text: &str| match text {
            "-" => None,
            "*" => Some(QuotaName::Default),
            name => Some(QuotaName::Named(name.to_owned())),
        };
        for ((user, client), bound) in entities.iter().zip(1..) {
            let entity = QuotaEntity { user: name(user), client_id: name(client), ip: None };
            let bound = serde_json::from_value(bound.into()).unwrap();
            let key = KEY.to_owned();
            image.apply(&MetadataRecord::ClientQuota { entity, key, bound: Some(bound) });
        }
        ClientQuotas::clone(image.client_quotas())
    }

    #[test]
    fn the_most_special_quota_wins_in_kafkas_order() {
        let order = [
            ("u", "c"),
            ("u", "*"),
            ("u", "-"),
            ("*", "c"),
            ("*", "*"),
            ("*", "-"),
            ("-", "c"),
            ("-", "*"),
        ];
        for first in 0..order.len() {
            // Without those before it each one is the next to win.
            let found = find(&quotas(&order[first..]), KEY, "u", "c").unwrap();
            assert_eq!(found.bound, 1.0, "{:?}", order[first]);
            let (user, client) = order[first];
            assert_eq!(found.user.as_deref(), (user != "-").then_some("u"));
            assert_eq!(found.client_id.as_deref(), (client != "-").then_some("c"));
        }
    }

    #[test]
    fn quotas_of_others_bind_nobody() {
        let others = quotas(&[("other", "c"), ("other", "-"), ("u", "other"), ("-", "other")]);
        assert_eq!(find(&others, KEY, "u", "c"), None);
        assert_eq!(find(&quotas(&[("u", "c")]), "consumer_byte_rate", "u", "c"), None);
    }
}
