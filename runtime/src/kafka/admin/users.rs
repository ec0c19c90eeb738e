//! SCRAM credentials of users (KIP-554). A password does not cross the wire: it
//! is salted here.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use kafka_protocol::messages::describe_user_scram_credentials_request::UserName;
use kafka_protocol::messages::{
    AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest,
};
use longshore_broker::auth::{Mechanism, Secret};
use serde::Serialize;

use super::AdminClient;
use super::answers::{check, text, unanswered};
use crate::kafka::error::ClientError;
use crate::kafka::net::{Lane, Target};
use crate::kafka::security::salted;

/// A credential of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UserCredential {
    /// The user, without `User:`.
    pub user: String,
    /// The mechanism that it is for.
    pub mechanism: Mechanism,
    /// How often the password was hashed.
    pub iterations: i32,
}

impl AdminClient {
    /// The credentials of some users, or of all; users without any are left out.
    pub async fn user_credentials(
        &self,
        users: Option<&[String]>,
    ) -> Result<Vec<UserCredential>, ClientError> {
        self.cluster.retry(|| self.list_credentials(users)).await
    }

    async fn list_credentials(
        &self,
        users: Option<&[String]>,
    ) -> Result<Vec<UserCredential>, ClientError> {
        let users = users.map(|users| {
            users.iter().map(|user| UserName::default().with_name(text(user))).collect()
        });
        let request = DescribeUserScramCredentialsRequest::default().with_users(users);
        let answer =
            self.cluster.call(&Target::Controller, Lane::Common, |_| request, None).await?;
        check("listing users".into(), answer.error_code, answer.error_message.as_ref())?;
        let mut found = Vec::new();
        for result in answer.results {
            if ResponseError::try_from_code(result.error_code)
                == Some(ResponseError::ResourceNotFound)
            {
                continue;
            }
            let what = format!("looking for user `{}`", result.user);
            check(what, result.error_code, result.error_message.as_ref())?;
            found.extend(result.credential_infos.iter().filter_map(|info| {
                Some(UserCredential {
                    user: result.user.to_string(),
                    mechanism: Mechanism::of_scram_number(info.mechanism)?,
                    iterations: info.iterations,
                })
            }));
        }
        found.sort_by(|a, b| (&a.user, a.mechanism).cmp(&(&b.user, b.mechanism)));
        Ok(found)
    }

    /// Gives a user a password for a mechanism, or another one.
    pub async fn set_password(
        &self,
        credential: &UserCredential,
        password: &Secret,
    ) -> Result<(), ClientError> {
        let iterations = u32::try_from(credential.iterations).unwrap_or(1);
        let salted = salted(credential.mechanism, password.clone(), iterations).await?;
        let upsertion = ScramCredentialUpsertion::default()
            .with_name(text(&credential.user))
            .with_mechanism(credential.mechanism.scram_number())
            .with_iterations(credential.iterations)
            .with_salt(salted.salt.into())
            .with_salted_password(salted.salted_password.into());
        let request = AlterUserScramCredentialsRequest::default().with_upsertions(vec![upsertion]);
        let what = || format!("setting the password of user `{}`", credential.user);
        self.cluster.retry(|| self.alter_users(request.clone(), what())).await
    }

    /// Takes passwords of a user away; one that it does not have is refused.
    pub async fn delete_credentials(
        &self,
        user: &str,
        mechanisms: &[Mechanism],
    ) -> Result<(), ClientError> {
        let deletions = mechanisms.iter().map(|mechanism| {
            ScramCredentialDeletion::default()
                .with_name(text(user))
                .with_mechanism(mechanism.scram_number())
        });
        let request =
            AlterUserScramCredentialsRequest::default().with_deletions(deletions.collect());
        let what = || format!("deleting the password of user `{user}`");
        self.cluster.retry(|| self.alter_users(request.clone(), what())).await
    }

    async fn alter_users(
        &self,
        request: AlterUserScramCredentialsRequest,
        what: String,
    ) -> Result<(), ClientError> {
        let answer =
            self.cluster.call(&Target::Controller, Lane::Common, |_| request, None).await?;
        let result = answer.results.into_iter().next().ok_or_else(|| unanswered(what.clone()))?;
        check(what, result.error_code, result.error_message.as_ref())
    }
}
