//! DescribeUserScramCredentials (50, KIP-554): who has which, never what they are.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kafka_protocol::{
    error::ResponseError,
    messages::{
        DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
        describe_user_scram_credentials_response::{
            CredentialInfo, DescribeUserScramCredentialsResult,
        },
    },
    protocol::StrBytes,
};

use super::errors;
use crate::node::Node;

pub(super) async fn handle(
    node: &Arc<Node>,
    request: DescribeUserScramCredentialsRequest,
) -> DescribeUserScramCredentialsResponse {
    let image = node.image();
    let mut known: BTreeMap<&str, Vec<CredentialInfo>> = BTreeMap::new();
    for (mechanism, user, credential) in image.scram_credentials() {
        let info = CredentialInfo::default()
            .with_mechanism(mechanism.scram_number())
            .with_iterations(credential.iterations() as i32);
        known.entry(user).or_default().push(info);
    }
    let result = |user: &str| {
        DescribeUserScramCredentialsResult::default()
            .with_user(StrBytes::from_string(user.to_owned()))
    };
    let asked = request.users.filter(|users| !users.is_empty());
    let results = match asked {
        None => known
            .into_iter()
            .map(|(user, infos)| result(user).with_credential_infos(infos))
            .collect(),
        Some(asked) => {
            let mut seen = BTreeSet::new();
            let twice: BTreeSet<StrBytes> = asked
                .iter()
                .map(|user| user.name.clone())
                .filter(|name| !seen.insert(name.clone()))
                .collect();
            let describe = |name: &StrBytes| {
                let refused = |code: ResponseError, message: &str| {
                    result(name)
                        .with_error_code(code.code())
                        .with_error_message(errors::message(&message))
                };
                if twice.contains(name) {
                    let message = "a user cannot be described twice in one request";
                    return refused(ResponseError::DuplicateResource, message);
                }
                match known.remove(name.as_str()) {
                    Some(infos) => result(name).with_credential_infos(infos),
                    None => refused(ResponseError::ResourceNotFound, "the user has no credential"),
                }
            };
            seen.iter().map(describe).collect()
        }
    };
    DescribeUserScramCredentialsResponse::default().with_results(results)
}
