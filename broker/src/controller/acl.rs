//! Decisions about access control lists.

use super::{ClusterImage, MetadataRecord};
use crate::auth::{Acl, AclFilter};

/// Entries that are there already change nothing.
pub(super) fn create(image: &ClusterImage, acls: Vec<Acl>) -> Vec<MetadataRecord> {
    acls.into_iter()
        .filter(|acl| !image.acls().contains(acl))
        .map(|acl| MetadataRecord::Acl { acl })
        .collect()
}

/// For each filter the entries that it is about, and the records of their removal.
pub(super) fn delete(
    image: &ClusterImage,
    filters: &[AclFilter],
) -> (Vec<Vec<Acl>>, Vec<MetadataRecord>) {
    let found: Vec<Vec<Acl>> =
        filters.iter().map(|filter| image.acls().matching(filter).cloned().collect()).collect();
    let mut records = Vec::new();
    let mut removed = std::collections::BTreeSet::new();
    for acl in found.iter().flatten().filter(|acl| removed.insert(*acl)) {
        records.push(MetadataRecord::RemoveAcl { acl: acl.clone() });
    }
    (found, records)
}
