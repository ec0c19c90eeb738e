//! The producers of a schedule: their processes, their lives and their notes.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::worker::Kind;
use super::{INPUT, reader};
use crate::history::event::{parse, units};
use crate::history::{History, Place, Unit};
use crate::limits;
use crate::process::{Process, tied_command};
use crate::random::Random;

/// Who writes in each schedule; of the transforming ones each has a partition of
/// the input.
const CAST: [(Kind, i32); 6] = [
    (Kind::Blind, 0),
    (Kind::Blind, 1),
    (Kind::Transform, 0),
    (Kind::Transform, 1),
    (Kind::Zombie, 0),
    (Kind::Plain, 0),
];

/// The producers.
#[derive(Debug)]
pub struct Producers {
    program: PathBuf,
    bootstrap: String,
    notes: PathBuf,
    running: Vec<Producer>,
    /// Notes of all lives, with the producers' names.
    lives: Vec<(String, PathBuf)>,
}

#[derive(Debug)]
struct Producer {
    kind: Kind,
    partition: i32,
    life: u64,
    process: Process,
}

impl Producer {
    fn id(kind: Kind, partition: i32) -> String {
        format!("{}{partition}", kind.name())
    }
}

impl Producers {
    /// Starts all of them. `program` is the producers' program.
    pub fn start(program: &Path, bootstrap: &str, folder: &Path, random: &mut Random) -> Self {
        let notes = folder.join("notes");
        std::fs::create_dir(&notes).expect("a folder can be made");
        let (program, bootstrap) = (program.to_owned(), bootstrap.to_owned());
        let mut new = Self { program, bootstrap, notes, running: Vec::new(), lives: Vec::new() };
        for (kind, partition) in CAST {
            let process = new.spawn(kind, partition, 0, random);
            new.running.push(Producer { kind, partition, life: 0, process });
        }
        new
    }

    fn spawn(&mut self, kind: Kind, partition: i32, life: u64, random: &mut Random) -> Process {
        let id = Producer::id(kind, partition);
        let name = format!("{id}.{life}");
        let notes = self.notes.join(&name);
        let mut command = tied_command(&self.program);
        command.args([kind.name(), &self.bootstrap, &id]);
        command.args([partition.to_string(), life.to_string()]);
        command.arg(&notes).arg(random.next_u64().to_string());
        let process = Process::spawn(&name, command.stdin(Stdio::piped()));
        self.lives.push((name, notes));
        process
    }

    /// Kills one, and starts it again under its id.
    pub fn kill(&mut self, draw: u64, random: &mut Random) {
        let at = (draw % self.running.len() as u64) as usize;
        self.running[at].process.kill();
        let (kind, partition) = (self.running[at].kind, self.running[at].partition);
        let life = self.running[at].life + 1;
        let process = self.spawn(kind, partition, life, random);
        self.running[at] = Producer { kind, partition, life, process };
    }

    /// A producer's process.
    pub fn process(&self, draw: u64) -> &Process {
        &self.running[(draw % self.running.len() as u64) as usize].process
    }

    /// Bytes of notes, which grow with all that is written and acknowledged.
    pub fn noted_bytes(&mut self) -> u64 {
        for producer in &mut self.running {
            let status = producer.process.status();
            let id = Producer::id(producer.kind, producer.partition);
            assert!(status.is_none(), "the producer {id} has ended: {status:?}");
        }
        let sizes = self.lives.iter().map(|(_, notes)| std::fs::metadata(notes));
        sizes.map(|metadata| metadata.map_or(0, |metadata| metadata.len())).sum()
    }

    /// What was written so far.
    pub fn units(&self) -> Vec<Unit> {
        let lives = self.lives.iter().map(|(name, notes)| {
            // A process that was killed at its start has made none.
            let notes = std::fs::read(notes).unwrap_or_default();
            units(name, parse(&notes))
        });
        lives.flatten().collect()
    }

    /// Ends all of them, some by a kill, and whatever transactions these left.
    pub fn finish(&mut self, random: &mut Random) {
        for producer in &mut self.running {
            match random.between(0, 3) {
                0 => producer.process.kill(),
                // It ends with its standard input.
                _ => drop(producer.process.stdin()),
            }
        }
        for producer in &mut self.running {
            producer.process.ended(limits::CLIENT);
            if producer.kind != Kind::Plain {
                let id = Producer::id(producer.kind, producer.partition);
                reader::fence(&self.bootstrap, &id);
            }
        }
    }

    /// The history of what was written and committed.
    pub fn history(&self) -> History {
        let transforming = CAST.iter().filter(|(kind, _)| *kind == Kind::Transform);
        let committed = transforming.map(|(kind, partition)| {
            let place = Place::new(INPUT.name, *partition);
            reader::group_offset(&self.bootstrap, &Producer::id(*kind, *partition), &place)
        });
        History { units: self.units(), committed: committed.collect(), ..History::default() }
    }
}
