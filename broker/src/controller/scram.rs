//! Decisions about SCRAM credentials.

use super::{ClusterImage, MetadataRecord};
use crate::auth::{Mechanism, ScramCredential};

/// A change to one user's credential of one mechanism.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScramChange {
    /// The user.
    pub user: String,
    /// The mechanism.
    pub mechanism: Mechanism,
    /// The credential from here on; none removes it.
    pub credential: Option<ScramCredential>,
}

/// There is no credential to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the user has no credential of this mechanism")]
pub struct NoCredential;

/// An answer for each change, and the records of those that can be made.
pub(super) fn alter(
    image: &ClusterImage,
    changes: Vec<ScramChange>,
) -> (Vec<Result<(), NoCredential>>, Vec<MetadataRecord>) {
    let mut records = Vec::with_capacity(changes.len());
    let answers = changes.into_iter().map(|change| {
        let ScramChange { user, mechanism, credential } = change;
        if credential.is_none() && image.scram_credential(mechanism, &user).is_none() {
            return Err(NoCredential);
        }
        records.push(MetadataRecord::ScramCredential { user, mechanism, credential });
        Ok(())
    });
    (answers.collect(), records)
}
