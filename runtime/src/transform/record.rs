//! A record as transforms see it: `org.apache.kafka.connect.connector.ConnectRecord`.

use std::sync::Arc;

use crate::convert::Part;
use crate::data::Datum;

/// A record on its way.
#[derive(Debug, Clone)]
pub struct Record {
    /// The topic that it is from, or goes to.
    pub topic: Arc<str>,
    /// Its partition, if it has one already.
    pub partition: Option<i32>,
    /// Its offset; `None` on its way from a source.
    pub offset: Option<i64>,
    /// Milliseconds since the epoch, if it has a time.
    pub timestamp_ms: Option<i64>,
    /// Its headers in their order; a name may repeat.
    pub headers: Vec<Header>,
    key: Held,
    value: Held,
}

/// A key or value, and whether it is still what it came as.
#[derive(Debug, Clone, Default)]
struct Held {
    datum: Datum,
    changed: bool,
}

/// A header.
#[derive(Debug, Clone)]
pub struct Header {
    /// Its name.
    pub name: Arc<str>,
    /// What it says.
    pub value: HeaderValue,
}

/// What a header says.
#[derive(Debug, Clone)]
pub enum HeaderValue {
    /// The bytes that it came with, by its index in its batch: nothing looks into them.
    Kept(u32),
    /// What a transform made.
    Made(Datum),
}

impl Record {
    /// A record with this key and value, nothing of which was changed.
    pub fn new(topic: Arc<str>, key: Datum, value: Datum) -> Self {
        Self {
            topic,
            partition: None,
            offset: None,
            timestamp_ms: None,
            headers: Vec::new(),
            key: Held { datum: key, changed: false },
            value: Held { datum: value, changed: false },
        }
    }

    fn held(&mut self, part: Part) -> &mut Held {
        match part {
            Part::Key => &mut self.key,
            Part::Value => &mut self.value,
        }
    }

    /// Its key or value.
    pub fn datum(&self, part: Part) -> &Datum {
        match part {
            Part::Key => &self.key.datum,
            Part::Value => &self.value.datum,
        }
    }

    /// Takes its key or value out; another is to be [set](Self::set).
    pub fn take(&mut self, part: Part) -> Datum {
        std::mem::take(&mut self.held(part).datum)
    }

    /// Gives it another key or value.
    pub fn set(&mut self, part: Part, datum: Datum) {
        *self.held(part) = Held { datum, changed: true };
    }

    /// Its key or value if a transform has set it.
    pub fn changed(&self, part: Part) -> Option<&Datum> {
        let held = match part {
            Part::Key => &self.key,
            Part::Value => &self.value,
        };
        held.changed.then_some(&held.datum)
    }

    /// Adds a header behind the others.
    pub fn add_header(&mut self, name: Arc<str>, value: Datum) {
        self.headers.push(Header { name, value: HeaderValue::Made(value) });
    }
}
