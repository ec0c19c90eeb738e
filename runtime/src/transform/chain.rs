//! `transforms` and `predicates` of a connector's configuration, read into the chain
//! that its records go through.

use std::collections::{BTreeMap, BTreeSet};

use super::options::{Given, OptionInfo, Problem};
use super::predicates::Predicate;
use super::registry::{self, Found, PredicateKind, Reads, TransformKind};
use super::{Outcome, Record, Transform, TransformError};

/// The transforms, in their order.
pub const TRANSFORMS: &str = "transforms";
/// The predicates that transforms may name.
pub const PREDICATES: &str = "predicates";
const TYPE: &str = "type";
const PREDICATE: &str = "predicate";
const NEGATE: &str = "negate";

/// The transforms of one connector, in their order.
#[derive(Debug)]
pub struct Chain {
    stages: Vec<Stage>,
    reads: Reads,
}

#[derive(Debug)]
struct Stage {
    alias: String,
    class: &'static str,
    transform: Box<dyn Transform>,
    /// The transform works where this is true; with `true` beside it, where it is not.
    when: Option<(Predicate, bool)>,
}

/// A record that a transform could not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The transform's class.
    pub class: &'static str,
    /// A stable name in kebab-case.
    pub code: &'static str,
    /// What is wrong, and in which transform.
    pub message: String,
}

type Config = BTreeMap<String, String>;

impl Chain {
    /// Reads a connector's options; everything wrong with them at once. Without
    /// `transforms` the chain is empty.
    pub fn read(config: &Config) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let aliases = aliases(config, TRANSFORMS, &mut problems);
        let predicates = aliases_of_predicates(config, &mut problems);
        let mut chain = Self { stages: Vec::new(), reads: Reads::NOTHING };
        for alias in aliases {
            match stage(config, alias, &predicates) {
                Ok((stage, reads)) => {
                    chain.reads = chain.reads.and(reads);
                    chain.stages.push(stage);
                }
                Err(more) => problems.extend(more),
            }
        }
        // A predicate that nobody names is wrong all the same.
        for alias in predicates {
            for problem in predicate(config, alias).err().unwrap_or_default() {
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
        }
        if problems.is_empty() { Ok(chain) } else { Err(problems) }
    }

    /// True without any transform.
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// What of a record is to be read for it; the rest passes as it is.
    pub fn reads(&self) -> Reads {
        self.reads
    }

    /// Sends a record through, until one drops it or cannot take it.
    pub fn apply(&mut self, record: &mut Record) -> Result<Outcome, Failed> {
        for stage in &mut self.stages {
            let outcome = stage.apply(record).map_err(|TransformError { code, message }| {
                let message = format!("the transform `{}`: {message}", stage.alias);
                Failed { class: stage.class, code, message }
            })?;
            if outcome == Outcome::Drop {
                return Ok(outcome);
            }
        }
        Ok(Outcome::Keep)
    }
}

impl Stage {
    fn apply(&mut self, record: &mut Record) -> Result<Outcome, TransformError> {
        if let Some((predicate, negated)) = &mut self.when
            && predicate.test(record)? == *negated
        {
            return Ok(Outcome::Keep);
        }
        self.transform.apply(record)
    }
}

fn aliases<'a>(config: &'a Config, option: &str, problems: &mut Vec<Problem>) -> Vec<&'a str> {
    let named = config.get(option).map_or("", |aliases| aliases.trim());
    let mut aliases: Vec<&str> = Vec::new();
    for alias in named.split(',').map(str::trim).filter(|_| !named.is_empty()) {
        if alias.is_empty() {
            problems.push(Problem::new(option, "has a name that is empty"));
        } else if aliases.contains(&alias) {
            problems.push(Problem::new(option, format!("has `{alias}` twice")));
        } else {
            aliases.push(alias);
        }
    }
    let prefix = format!("{option}.");
    let mut strangers = BTreeSet::new();
    for name in config.keys().filter_map(|name| name.strip_prefix(&prefix)) {
        let is_of = |alias: &&str| name.strip_prefix(*alias).is_some_and(|it| it.starts_with('.'));
        if !aliases.iter().any(is_of) {
            strangers.insert(name);
        }
    }
    for stranger in strangers {
        let message = format!("is of nothing that `{option}` names");
        problems.push(Problem::new(&format!("{prefix}{stranger}"), message));
    }
    aliases
}

fn aliases_of_predicates<'a>(config: &'a Config, problems: &mut Vec<Problem>) -> Vec<&'a str> {
    aliases(config, PREDICATES, problems)
}

/// The options of one alias, without their prefix.
fn options<'a>(config: &'a Config, prefix: &str) -> BTreeMap<&'a str, &'a str> {
    let own = config.iter().filter_map(|(name, value)| Some((name.strip_prefix(prefix)?, value)));
    own.map(|(name, value)| (name, value.as_str())).collect()
}

fn found<K>(
    options: &mut BTreeMap<&str, &str>,
    prefix: &str,
    what: &str,
    all: fn() -> Vec<Found<K>>,
) -> Result<Found<K>, Vec<Problem>> {
    let option = format!("{prefix}{TYPE}");
    let Some(name) = options.remove(TYPE) else {
        return Err(vec![Problem::new(&option, "is missing")]);
    };
    registry::named(name.trim(), all().into_iter()).ok_or_else(|| {
        let known = all().into_iter().map(|found| found.class);
        let hint = match super::options::nearest(name, known) {
            Some(near) => format!("; did you mean `{near}`?"),
            None => String::new(),
        };
        vec![Problem::new(&option, format!("names no {what}: `{name}`{hint}"))]
    })
}

fn under(prefix: &str, problem: Problem) -> Problem {
    Problem { option: format!("{prefix}{}", problem.option), ..problem }
}

fn stage(
    config: &Config,
    alias: &str,
    predicates: &[&str],
) -> Result<(Stage, Reads), Vec<Problem>> {
    let prefix = format!("{TRANSFORMS}.{alias}.");
    let mut own = options(config, &prefix);
    let (named, negate) = (own.remove(PREDICATE), own.remove(NEGATE));
    let mut problems = Vec::new();
    let mut problem = |name: &str, message: String| {
        problems.push(Problem::new(&format!("{prefix}{name}"), message));
    };
    let negated = match negate.map(|negate| negate.trim().to_lowercase()).as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => {
            problem(NEGATE, "must be true or false".to_owned());
            false
        }
    };
    if negate.is_some() && named.is_none() {
        problem(NEGATE, format!("has no `{prefix}{PREDICATE}` to negate"));
    }
    let mut when = None;
    let mut reads = Reads::NOTHING;
    match named.map(str::trim) {
        Some(named) if predicates.contains(&named) => match predicate(config, named) {
            Ok((predicate, more)) => {
                when = Some((predicate, negated));
                reads = more;
            }
            Err(more) => problems.extend(more),
        },
        Some(named) => problem(PREDICATE, format!("`{named}` is none that `{PREDICATES}` names")),
        None => {}
    }
    let all = || registry::transforms().collect();
    let made = found::<TransformKind>(&mut own, &prefix, "transform", all).and_then(|found| {
        reads = reads.and(found.reads);
        let given = Given::read(found.options(), own)
            .map_err(|all| all.into_iter().map(|it| under(&prefix, it)).collect::<Vec<_>>())?;
        let made = (found.kind.make)(found.part, &given);
        Ok((found.class, made.map_err(|problem| vec![under(&prefix, problem)])?))
    });
    match made {
        Ok((class, transform)) if problems.is_empty() => {
            Ok((Stage { alias: alias.to_owned(), class, transform, when }, reads))
        }
        Ok(_) => Err(problems),
        Err(more) => {
            problems.extend(more);
            Err(problems)
        }
    }
}

fn predicate(config: &Config, alias: &str) -> Result<(Predicate, Reads), Vec<Problem>> {
    let prefix = format!("{PREDICATES}.{alias}.");
    let mut own = options(config, &prefix);
    let all = || registry::predicates().collect();
    let found = found::<PredicateKind>(&mut own, &prefix, "predicate", all)?;
    let given = Given::read(found.options(), own)
        .map_err(|all| all.into_iter().map(|it| under(&prefix, it)).collect::<Vec<_>>())?;
    let made = (found.kind.make)(&given).map_err(|problem| vec![under(&prefix, problem)])?;
    Ok((made, found.reads))
}

/// The options that a configuration's `transforms` and `predicates` ask for.
#[derive(Debug, Clone)]
pub struct Section {
    /// Its heading, as Kafka Connect has it.
    pub heading: String,
    /// What the names of its options begin with.
    pub prefix: String,
    /// It is a transform, and no predicate.
    pub is_transform: bool,
    /// The class's options; none while it names no class.
    pub options: &'static [OptionInfo],
}

/// The sections of a configuration, in the order of its chain.
pub fn sections(config: &Config) -> Vec<Section> {
    let mut sections = Vec::new();
    for (option, heading, is_transform) in
        [(TRANSFORMS, "Transforms", true), (PREDICATES, "Predicates", false)]
    {
        for alias in aliases(config, option, &mut Vec::new()) {
            let prefix = format!("{option}.{alias}.");
            let class = config.get(&format!("{prefix}{TYPE}")).map_or("", |class| class.trim());
            sections.push(Section {
                heading: format!("{heading}: {alias}"),
                options: options_of(class, is_transform).unwrap_or_default(),
                prefix,
                is_transform,
            });
        }
    }
    sections
}

fn options_of(class: &str, is_transform: bool) -> Option<&'static [OptionInfo]> {
    match is_transform {
        true => registry::named(class, registry::transforms()).map(|found| found.options()),
        false => registry::named(class, registry::predicates()).map(|found| found.options()),
    }
}
