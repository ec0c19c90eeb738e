//! The table of broker properties: Kafka's names, Kafka's defaults unless the
//! documentation says why not.
//!
//! ```text
//! node.rs          the node itself: id, addresses, data, how topics come to be
//! coordinators.rs  internal topics, offsets, transactions, groups
//! resources.rs     what clients may use, what goes on in the background
//! topics.rs        defaults of topics
//! security.rs      authorization, SASL, TLS
//! ```

mod coordinators;
mod node;
mod resources;
mod security;
mod topics;

pub use crate::log::ConfigKind;

/// One broker property.
#[derive(Debug, Clone, Copy)]
pub struct BrokerKey {
    /// Kafka's name.
    pub name: &'static str,
    /// Its type.
    pub kind: ConfigKind,
    /// The value when it is left out; `None` means unset.
    pub default: Option<&'static str>,
    /// The topic configuration that it is the default of, if it is one.
    pub topic: Option<&'static str>,
    /// One sentence for people.
    pub doc: &'static str,
}

const fn key(
    name: &'static str,
    kind: ConfigKind,
    default: &'static str,
    doc: &'static str,
) -> BrokerKey {
    BrokerKey { name, kind, default: Some(default), topic: None, doc }
}

const fn unset(name: &'static str, kind: ConfigKind, doc: &'static str) -> BrokerKey {
    BrokerKey { name, kind, default: None, topic: None, doc }
}

/// A default for every topic; its own default is that of the topic's key.
const fn topic_default(
    name: &'static str,
    kind: ConfigKind,
    topic: &'static str,
    doc: &'static str,
) -> BrokerKey {
    BrokerKey { name, kind, default: None, topic: Some(topic), doc }
}

const PARTS: [&[BrokerKey]; 5] =
    [node::KEYS, coordinators::KEYS, resources::KEYS, topics::KEYS, security::KEYS];

const COUNT: usize = node::KEYS.len()
    + coordinators::KEYS.len()
    + resources::KEYS.len()
    + topics::KEYS.len()
    + security::KEYS.len();

/// The parts, one after the other.
static ALL: [BrokerKey; COUNT] = {
    let mut all = [node::KEYS[0]; COUNT];
    let (mut at, mut part) = (0, 0);
    while part < PARTS.len() {
        let mut row = 0;
        while row < PARTS[part].len() {
            all[at] = PARTS[part][row];
            at += 1;
            row += 1;
        }
        part += 1;
    }
    all
};

/// Every property that the broker reads.
pub static BROKER_KEYS: &[BrokerKey] = &ALL;
