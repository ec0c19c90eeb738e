//! AlterUserScramCredentials (51, KIP-554). The client salts: no password comes here.

use std::{collections::BTreeSet, sync::Arc};

use indexmap::IndexMap;
use kafka_protocol::{
    error::ResponseError,
    messages::{
        AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
        alter_user_scram_credentials_request::ScramCredentialUpsertion,
        alter_user_scram_credentials_response::AlterUserScramCredentialsResult,
    },
    protocol::StrBytes,
};

use super::errors;
use crate::{
    auth::{ITERATIONS_MAX, ITERATIONS_MIN, Mechanism, ScramCredential},
    controller::ScramChange,
    limits,
    node::Node,
};

type Refusal = (ResponseError, String);

pub(super) async fn handle(
    node: &Arc<Node>,
    request: AlterUserScramCredentialsRequest,
) -> AlterUserScramCredentialsResponse {
    let mut refused: IndexMap<String, Option<Refusal>> = IndexMap::new();
    let mut changes = Vec::new();
    let mut seen = BTreeSet::new();
    let deletions = request.deletions.into_iter().map(|deletion| {
        let change = change(&deletion.name, deletion.mechanism, |_| Ok(None));
        (deletion.name, change)
    });
    let upsertions = request.upsertions.into_iter().map(|upsertion| {
        let upserted = |mechanism| credential(&upsertion, mechanism).map(Some);
        let change = change(&upsertion.name, upsertion.mechanism, upserted);
        (upsertion.name, change)
    });
    for (user, change) in deletions.chain(upsertions) {
        let slot = refused.entry(user.to_string()).or_default();
        match change {
            Ok(change) if !seen.insert((change.user.clone(), change.mechanism)) => {
                let message = "a user credential cannot be altered twice in one request";
                *slot = Some((ResponseError::DuplicateResource, message.to_owned()));
            }
            Ok(change) => changes.push(change),
            Err(refusal) => *slot = Some(refusal),
        }
    }
    // A user's changes are made all or none.
    changes.retain(|change| refused.get(change.user.as_str()).is_some_and(Option::is_none));
    let users: Vec<String> = changes.iter().map(|change| change.user.clone()).collect();
    match node.controller.alter_scram_credentials(changes).await {
        Ok(answers) => {
            for (user, answer) in users.iter().zip(answers) {
                if let (Err(error), Some(slot)) = (answer, refused.get_mut(user.as_str())) {
                    *slot = Some((ResponseError::ResourceNotFound, error.to_string()));
                }
            }
        }
        Err(error) => {
            for slot in refused.values_mut().filter(|slot| slot.is_none()) {
                *slot = Some((errors::controller(&error), error.to_string()));
            }
        }
    }
    let results = refused.into_iter().map(|(user, refusal)| {
        let result =
            AlterUserScramCredentialsResult::default().with_user(StrBytes::from_string(user));
        match refusal {
            None => result.with_error_code(errors::NONE),
            Some((code, message)) => result
                .with_error_code(code.code())
                .with_error_message(Some(StrBytes::from_string(message))),
        }
    });
    AlterUserScramCredentialsResponse::default().with_results(results.collect())
}

fn change(
    user: &str,
    mechanism: i8,
    credential: impl FnOnce(Mechanism) -> Result<Option<ScramCredential>, Refusal>,
) -> Result<ScramChange, Refusal> {
    let unacceptable =
        |message: &str| Err((ResponseError::UnacceptableCredential, message.to_owned()));
    if user.is_empty() {
        return unacceptable("a user's name cannot be empty");
    }
    if user.len() > limits::PRINCIPAL_BYTES_MAX {
        return unacceptable("the user's name is too long");
    }
    let Some(mechanism) = Mechanism::of_scram_number(mechanism) else {
        let message = format!("{mechanism} is the number of no SCRAM mechanism");
        return Err((ResponseError::UnsupportedSaslMechanism, message));
    };
    Ok(ScramChange { user: user.to_owned(), mechanism, credential: credential(mechanism)? })
}

fn credential(
    upsertion: &ScramCredentialUpsertion,
    mechanism: Mechanism,
) -> Result<ScramCredential, Refusal> {
    let unacceptable = |message: String| Err((ResponseError::UnacceptableCredential, message));
    let iterations = match u32::try_from(upsertion.iterations) {
        Ok(iterations) if (ITERATIONS_MIN..=ITERATIONS_MAX).contains(&iterations) => iterations,
        _ => {
            return unacceptable(format!(
                "iterations must be from {ITERATIONS_MIN} to {ITERATIONS_MAX}"
            ));
        }
    };
    let fits = |bytes: &[u8]| (1..=limits::SCRAM_FIELD_BYTES_MAX).contains(&bytes.len());
    if !fits(&upsertion.salt) || !fits(&upsertion.salted_password) {
        return unacceptable("salt and salted password cannot be empty or long".to_owned());
    }
    Ok(ScramCredential::from_salted_password(
        mechanism,
        upsertion.salt.to_vec(),
        &upsertion.salted_password,
        iterations,
    ))
}
