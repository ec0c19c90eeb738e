//! The plugin topic, folded: components in chunks, and what they are.
//!
//! | key | value |
//! | --- | --- |
//! | `chunk-SHA256-N` | bytes: the Nth part of the component with that digest |
//! | `version-NAME:VERSION` | [`Manifest`]: the component is whole, and this is what it is |
//! | `active-NAME` | [`Active`]: the version that connectors have which name none |
//!
//! A null value deletes. A version's record comes after all of its chunks: what was
//! cut off before it is in nobody's sight, and swept away by the next upload.
//!
//! Pure: records in, state and changes out.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::herder::ConnectorKind;
use super::records::{self, RecordError};

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginKey {
    /// A part of a component.
    Chunk(String, u32),
    /// A version of a plugin.
    Version(String, String),
    /// Which version is active.
    Active(String),
}

impl PluginKey {
    /// The record's key.
    pub fn encode(&self) -> String {
        match self {
            Self::Chunk(digest, number) => format!("chunk-{digest}-{number}"),
            Self::Version(name, version) => format!("version-{name}:{version}"),
            Self::Active(name) => format!("active-{name}"),
        }
    }

    /// `None` for keys of other kinds, which newer workers may write.
    pub fn decode(key: &[u8]) -> Option<Self> {
        let key = std::str::from_utf8(key).ok()?;
        if let Some(rest) = key.strip_prefix("chunk-") {
            let (digest, number) = rest.rsplit_once('-')?;
            return Some(Self::Chunk(digest.to_owned(), number.parse().ok()?));
        }
        if let Some(rest) = key.strip_prefix("version-") {
            // No name has a colon in it.
            let (name, version) = rest.split_once(':')?;
            return Some(Self::Version(name.to_owned(), version.to_owned()));
        }
        Some(Self::Active(key.strip_prefix("active-")?.to_owned()))
    }
}

/// The value of `version-NAME:VERSION`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// SHA-256 of the component, in hexadecimal.
    pub sha256: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// In how many chunks it is.
    pub chunks: u32,
    /// Its role.
    #[serde(rename = "type")]
    pub kind: ConnectorKind,
    /// One more than the upload before it, of whichever plugin.
    pub upload: u64,
}

/// The value of `active-NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Active {
    /// The version.
    pub version: String,
}

/// What a record changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginChange {
    /// There is this version. The component comes along the first time that a
    /// version has it.
    Installed {
        /// The plugin.
        name: String,
        /// Its version.
        version: String,
        /// What it is.
        manifest: Manifest,
        /// Its bytes, their digest unchecked.
        component: Option<Bytes>,
    },
    /// The version is gone.
    Removed(String, String),
    /// Another version is active, or none.
    Activated(String, Option<String>),
    /// Nothing that matters now.
    None,
}

/// The fold.
#[derive(Debug, Default)]
pub struct PluginTopic {
    versions: BTreeMap<String, BTreeMap<String, Manifest>>,
    active: BTreeMap<String, String>,
    /// Chunks that no version has taken yet.
    waiting: BTreeMap<String, BTreeMap<u32, Vec<u8>>>,
    /// The numbers of all chunks in the topic, by digest.
    chunks: BTreeMap<String, BTreeSet<u32>>,
}

impl PluginTopic {
    /// All versions by plugin.
    pub fn versions(&self) -> &BTreeMap<String, BTreeMap<String, Manifest>> {
        &self.versions
    }

    /// One version.
    pub fn version(&self, name: &str, version: &str) -> Option<&Manifest> {
        self.versions.get(name)?.get(version)
    }

    /// The active version of a plugin.
    pub fn active(&self, name: &str) -> Option<&str> {
        self.active.get(name).map(String::as_str)
    }

    /// Whether a version has the component with this digest.
    pub fn is_used(&self, digest: &str) -> bool {
        self.versions.values().flat_map(BTreeMap::values).any(|it| it.sha256 == digest)
    }

    /// The bytes of all components together.
    pub fn bytes(&self) -> u64 {
        let all = self.versions.values().flat_map(BTreeMap::values);
        let sizes: BTreeMap<&str, u64> = all.map(|it| (it.sha256.as_str(), it.bytes)).collect();
        sizes.values().sum()
    }

    /// Whether the topic has every chunk of a version's component.
    pub fn is_whole(&self, manifest: &Manifest) -> bool {
        let there = self.chunks.get(&manifest.sha256).into_iter().flatten();
        (0..manifest.chunks).eq(there.copied())
    }

    /// In how many chunks a component is there that a version has, if it is whole.
    pub fn whole_chunks(&self, digest: &str) -> Option<u32> {
        let all = self.versions.values().flat_map(BTreeMap::values);
        let mut of_digest = all.filter(|manifest| manifest.sha256 == digest);
        of_digest.next().filter(|manifest| self.is_whole(manifest)).map(|it| it.chunks)
    }

    /// The keys of all chunks of a component.
    pub fn chunks_of(&self, digest: &str) -> Vec<PluginKey> {
        let numbers = self.chunks.get(digest).into_iter().flatten();
        numbers.map(|number| PluginKey::Chunk(digest.to_owned(), *number)).collect()
    }

    /// Digests of components that no version has: uploads that were cut off.
    pub fn orphans(&self) -> Vec<String> {
        self.chunks.keys().filter(|digest| !self.is_used(digest)).cloned().collect()
    }

    /// The number of the next upload.
    pub fn next_upload(&self) -> u64 {
        let all = self.versions.values().flat_map(BTreeMap::values);
        all.map(|manifest| manifest.upload + 1).max().unwrap_or(1)
    }

    /// Takes the next record of the topic; an error leaves the state as it was.
    pub fn apply(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<PluginChange, RecordError> {
        let Some(decoded) = PluginKey::decode(key) else { return Ok(PluginChange::None) };
        let text = decoded.encode();
        match (decoded, value) {
            (PluginKey::Chunk(digest, number), Some(value)) => {
                self.chunks.entry(digest.clone()).or_default().insert(number);
                self.waiting.entry(digest).or_default().insert(number, value.to_vec());
                Ok(PluginChange::None)
            }
            (PluginKey::Chunk(digest, number), None) => {
                self.waiting.remove(&digest);
                if let Some(numbers) = self.chunks.get_mut(&digest) {
                    numbers.remove(&number);
                    if numbers.is_empty() {
                        self.chunks.remove(&digest);
                    }
                }
                Ok(PluginChange::None)
            }
            (PluginKey::Version(name, version), Some(value)) => {
                let manifest: Manifest = records::decode(&text, value)?;
                let component = self.whole(&manifest);
                let versions = self.versions.entry(name.clone()).or_default();
                versions.insert(version.clone(), manifest.clone());
                Ok(PluginChange::Installed { name, version, manifest, component })
            }
            (PluginKey::Version(name, version), None) => {
                if let Some(versions) = self.versions.get_mut(&name) {
                    versions.remove(&version);
                    if versions.is_empty() {
                        self.versions.remove(&name);
                    }
                }
                Ok(PluginChange::Removed(name, version))
            }
            (PluginKey::Active(name), Some(value)) => {
                let version = records::decode::<Active>(&text, value)?.version;
                self.active.insert(name.clone(), version.clone());
                Ok(PluginChange::Activated(name, Some(version)))
            }
            (PluginKey::Active(name), None) => {
                self.active.remove(&name);
                Ok(PluginChange::Activated(name, None))
            }
        }
    }

    /// A component put together, if all of its chunks wait.
    fn whole(&mut self, manifest: &Manifest) -> Option<Bytes> {
        let chunks = self.waiting.remove(&manifest.sha256)?;
        let are_all = (0..manifest.chunks).eq(chunks.keys().copied());
        are_all.then(|| chunks.into_values().collect::<Vec<_>>().concat().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(digest: &str, chunks: u32, upload: u64) -> Manifest {
        let (sha256, kind) = (digest.to_owned(), ConnectorKind::Sink);
        Manifest { sha256, bytes: 0, chunks, kind, upload }
    }

    fn put(topic: &mut PluginTopic, key: PluginKey, value: Option<&[u8]>) -> PluginChange {
        topic.apply(key.encode().as_bytes(), value).unwrap()
    }

    fn chunk(topic: &mut PluginTopic, digest: &str, number: u32, bytes: &[u8]) {
        put(topic, PluginKey::Chunk(digest.to_owned(), number), Some(bytes));
    }

    fn version(topic: &mut PluginTopic, version: &str, manifest: &Manifest) -> Option<Vec<u8>> {
        let key = PluginKey::Version("p".to_owned(), version.to_owned());
        match put(topic, key, Some(&records::encode(manifest))) {
            PluginChange::Installed { component, .. } => component.map(|it| it.to_vec()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keys_read_back() {
        for key in [
            PluginKey::Chunk("ab12".to_owned(), 7),
            PluginKey::Version("a-b.c".to_owned(), "1.0-rc:1".to_owned()),
            PluginKey::Active("a-b".to_owned()),
        ] {
            assert_eq!(PluginKey::decode(key.encode().as_bytes()), Some(key));
        }
        assert_eq!(PluginKey::decode(b"chunk-x"), None);
        assert_eq!(PluginKey::decode(b"other"), None);
    }

    #[test]
    fn a_component_is_whole_with_its_versions_record_and_not_before() {
        let mut topic = PluginTopic::default();
        chunk(&mut topic, "d", 1, b"cd");
        chunk(&mut topic, "d", 0, b"ab");
        assert!(topic.versions().is_empty());
        assert_eq!(topic.orphans(), ["d"]);
        let taken = version(&mut topic, "1", &manifest("d", 2, 1));
        assert_eq!(taken.as_deref(), Some(&b"abcd"[..]));
        assert!(topic.orphans().is_empty());
        // The same component again needs no bytes, and they are not kept.
        assert_eq!(version(&mut topic, "2", &manifest("d", 2, 2)), None);
        assert_eq!(topic.next_upload(), 3);
    }

    #[test]
    fn a_component_that_lost_a_chunk_is_not_whole_until_it_comes_again() {
        let mut topic = PluginTopic::default();
        let of = manifest("d", 2, 1);
        chunk(&mut topic, "d", 0, b"ab");
        chunk(&mut topic, "d", 1, b"cd");
        version(&mut topic, "1", &of);
        assert!(topic.is_whole(&of) && topic.whole_chunks("d") == Some(2));
        put(&mut topic, PluginKey::Chunk("d".to_owned(), 0), None);
        assert!(!topic.is_whole(&of) && topic.whole_chunks("d").is_none());
        chunk(&mut topic, "d", 0, b"ab");
        chunk(&mut topic, "d", 1, b"cd");
        assert_eq!(version(&mut topic, "1", &of).as_deref(), Some(&b"abcd"[..]));
        assert_eq!(topic.whole_chunks("d"), Some(2));
    }

    #[test]
    fn a_component_that_lacks_a_chunk_is_not_put_together() {
        let mut topic = PluginTopic::default();
        chunk(&mut topic, "d", 0, b"ab");
        chunk(&mut topic, "d", 2, b"ef");
        assert_eq!(version(&mut topic, "1", &manifest("d", 3, 1)), None);
        chunk(&mut topic, "e", 0, b"ab");
        chunk(&mut topic, "e", 1, b"cd");
        assert_eq!(version(&mut topic, "2", &manifest("e", 1, 2)), None, "one too many");
    }

    #[test]
    fn a_removed_version_leaves_its_chunks_to_the_next_upload() {
        let mut topic = PluginTopic::default();
        chunk(&mut topic, "d", 0, b"ab");
        version(&mut topic, "1", &manifest("d", 1, 1));
        let key = PluginKey::Version("p".to_owned(), "1".to_owned());
        let gone = put(&mut topic, key, None);
        assert_eq!(gone, PluginChange::Removed("p".to_owned(), "1".to_owned()));
        assert_eq!(topic.orphans(), ["d"]);
        for key in topic.chunks_of("d") {
            put(&mut topic, key, None);
        }
        assert!(topic.orphans().is_empty() && topic.versions().is_empty());
    }
}
