//! What is done wrong.

use std::hint::black_box;

use longshore_sdk::objects::Bucket;
use longshore_sdk::values::{Kind, Schema, Schemas};
use longshore_sdk::{Batch, Config, Fault, Reject, host, transactions};
use serde_json::{Map, Value, json};

/// A plugin's evil, as its options say.
#[derive(Debug, Clone, Default)]
pub struct Deed {
    name: String,
    call: String,
}

impl Deed {
    /// Reads `evil` and `evil.in`.
    pub fn of(config: &Config) -> Self {
        let option = |name| config.get(name).unwrap_or_default().to_owned();
        Self { name: option("evil"), call: option("evil.in") }
    }

    /// The schema of a plugin with `more` options beside the deed's.
    pub fn config_schema(more: &[&str]) -> Value {
        let options = ["evil", "evil.in"].iter().chain(more);
        let properties: Map<_, _> =
            options.map(|name| ((*name).to_owned(), json!({ "type": "string" }))).collect();
        json!({ "type": "object", "properties": properties })
    }

    /// Called first in every function of the contract: does the deed if its
    /// time has come.
    pub fn strike(&self, call: &str) -> Result<(), Fault> {
        if self.call != call {
            return Ok(());
        }
        match self.name.as_str() {
            "loop" => spin(),
            "eat-memory" => eat(),
            "panic" => panic!("the plugin's own words"),
            "unreachable" => std::process::abort(),
            "overflow-stack" => {
                black_box(dig(black_box(1)));
            }
            "flood-log" => flood(),
            "long-line" => host::info(&"x".repeat(12 << 20)),
            "commit" => transactions::commit(),
            "abort" => {
                // The last word counts.
                transactions::commit();
                transactions::abort();
            }
            "fault-retry" => return Err(Fault::retry("try-later", "the system is down")),
            "fault-config" => return Err(Fault::config("wrong-path", "no such folder")),
            "fault-fatal" => return Err(Fault::fatal("corrupt", "the file is corrupt")),
            "connection-not-granted" => {
                Bucket::open("secrets")?;
            }
            "connection-unknown" => {
                Bucket::open("nowhere")?;
            }
            "path-outside" => {
                Bucket::open("files")?.blob("../outside.txt")?;
            }
            "path-absolute" => {
                Bucket::open("files")?.blob("/etc/passwd")?;
            }
            "schema-unknown" => {
                Schemas::new().get(77).map_err(|error| Fault::fatal("schema", error))?;
            }
            "schema-broken" => {
                let broken = Schema {
                    parameters: [("p".to_owned(), "v".to_owned())].into(),
                    ..Schema::new(Kind::Array)
                };
                Schemas::new().define(&broken)?;
            }
            "write-object" => {
                Bucket::open("files")?.put_if_absent("mine.txt", b"mine\n")?;
            }
            "upload-outside" => {
                Bucket::open("files")?.upload("../outside.txt")?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The batch that a guest answers with, spoilt if that is its deed.
    pub fn spoil(&self, mut batch: Batch) -> Batch {
        let records = batch.len();
        let c = &mut batch.columns;
        match self.name.as_str() {
            "span-outside" => c.value_len[0] = 1 << 20,
            "span-overflow" => c.value_at[0] = u32::MAX,
            "negative-length" => c.value_len[0] = -2,
            "unequal-columns" => c.timestamp_ms = vec![0; records + 1],
            "header-lies" => c.header_count = vec![9; records],
            "huge-output" => batch.arena = vec![0; 12 << 20],
            _ => {}
        }
        batch
    }
}

impl Deed {
    /// A source's offset after `polls` polls, which must be a JSON object.
    pub fn checkpoint(&self, polls: u32) -> String {
        match self.name.as_str() {
            "bad-checkpoint" => "{\"torn\":".to_owned(),
            "number-checkpoint" => "7".to_owned(),
            _ => format!("{{\"polls\":{polls}}}"),
        }
    }

    /// Whether it is this one.
    pub fn is(&self, name: &str) -> bool {
        self.name == name
    }

    /// Rejects of a call's input.
    pub fn rejects(&self) -> Vec<Reject> {
        match self.name.as_str() {
            "reject-nobody" => vec![Reject::new(1 << 20, "no-such-record", "made up")],
            _ => Vec::new(),
        }
    }
}

fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn eat() -> ! {
    let mut eaten = Vec::new();
    loop {
        eaten.push(black_box(vec![1_u8; 1 << 20]));
    }
}

#[expect(unconditional_recursion, reason = "that is the deed")]
fn dig(depth: u64) -> u64 {
    let ballast = black_box([depth; 64]);
    dig(black_box(depth + 1)) + ballast[(depth % 64) as usize]
}

fn flood() {
    for line in 0..10_000 {
        host::info(&format!("line {line} of a flood"));
    }
}
