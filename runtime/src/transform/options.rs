//! The options of transforms and predicates, in the terms of Kafka's `ConfigDef`.

use std::collections::BTreeMap;

/// Kinds of options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionKind {
    /// Text.
    String,
    /// Texts, separated by commas.
    List,
    /// `true` or `false`.
    Boolean,
    /// A whole number of 32 bits.
    Int,
}

impl OptionKind {
    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "STRING",
            Self::List => "LIST",
            Self::Boolean => "BOOLEAN",
            Self::Int => "INT",
        }
    }
}

/// One option.
#[derive(Debug, Clone, Copy)]
pub struct OptionInfo {
    /// Its name, behind the transform's own prefix.
    pub name: &'static str,
    /// What it is.
    pub kind: OptionKind,
    /// What it is when it is not given; `None` for nothing at all.
    pub default: Option<&'static str>,
    /// It must be given.
    pub required: bool,
    /// All that it may be; empty for anything.
    pub choices: &'static [&'static str],
    /// `HIGH`, `MEDIUM` or `LOW`.
    pub importance: &'static str,
    /// What it does.
    pub doc: &'static str,
}

impl OptionInfo {
    /// An option that must be given.
    pub(super) const fn required(
        name: &'static str,
        kind: OptionKind,
        importance: &'static str,
        doc: &'static str,
    ) -> Self {
        Self { name, kind, default: None, required: true, choices: &[], importance, doc }
    }

    /// An option that need not be given.
    pub(super) const fn optional(
        name: &'static str,
        kind: OptionKind,
        default: Option<&'static str>,
        importance: &'static str,
        doc: &'static str,
    ) -> Self {
        Self { name, kind, default, required: false, choices: &[], importance, doc }
    }

    /// The same with all that it may be.
    pub(super) const fn one_of(self, choices: &'static [&'static str]) -> Self {
        Self { choices, ..self }
    }

    /// What is wrong with a value of it, if anything is.
    pub fn wrong(&self, value: &str) -> Option<String> {
        let trimmed = value.trim();
        match self.kind {
            OptionKind::Boolean if flag(trimmed).is_none() => {
                Some("must be true or false".to_owned())
            }
            OptionKind::Int if trimmed.parse::<i32>().is_err() => {
                Some("must be a whole number of 32 bits".to_owned())
            }
            OptionKind::List if self.required && list(value).is_empty() => {
                Some("must not be empty".to_owned())
            }
            _ if !self.choices.is_empty() && !self.choices.contains(&value) => {
                Some(format!("must be one of {}", self.choices.join(", ")))
            }
            _ => None,
        }
    }
}

/// `replace.null.with.default`, which many have.
pub(super) const NULL_IS_DEFAULT: OptionInfo = OptionInfo::optional(
    "replace.null.with.default",
    OptionKind::Boolean,
    Some("true"),
    "MEDIUM",
    "Whether a null in a field that has a default stands for the default.",
);

fn flag(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn list(text: &str) -> Vec<&str> {
    match text.trim() {
        "" => Vec::new(),
        text => text.split(',').map(str::trim).collect(),
    }
}

/// The name that was probably meant.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.map(|known| (strsim::jaro_winkler(name, known), known));
    let best = scored.max_by(|left, right| left.0.total_cmp(&right.0))?;
    (best.0 >= 0.85).then_some(best.1)
}

/// What is wrong with one option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The option.
    pub option: String,
    /// What is wrong with it.
    pub message: String,
}

impl Problem {
    pub(super) fn new(option: &str, message: impl Into<String>) -> Self {
        Self { option: option.to_owned(), message: message.into() }
    }
}

/// The options that one transform or predicate was given, each of which is right for
/// its kind.
#[derive(Debug)]
pub struct Given<'a> {
    infos: &'static [OptionInfo],
    values: BTreeMap<&'a str, &'a str>,
}

impl<'a> Given<'a> {
    /// Checks what was given; all that is wrong at once.
    pub(super) fn read(
        infos: &'static [OptionInfo],
        values: BTreeMap<&'a str, &'a str>,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        for info in infos {
            match values.get(info.name) {
                None if info.required => {
                    problems.push(Problem::new(info.name, "is missing"));
                }
                None => {}
                Some(value) => {
                    problems.extend(info.wrong(value).map(|why| Problem::new(info.name, why)));
                }
            }
        }
        for name in values.keys() {
            if infos.iter().any(|info| info.name == *name) {
                continue;
            }
            let known = infos.iter().map(|info| info.name);
            let message = match nearest(name, known) {
                Some(near) => format!("is no option of it; did you mean `{near}`?"),
                None => "is no option of it".to_owned(),
            };
            problems.push(Problem::new(name, message));
        }
        if problems.is_empty() { Ok(Self { infos, values }) } else { Err(problems) }
    }

    /// An option's text, its default if it is not given.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        let default = || self.infos.iter().find(|info| info.name == name)?.default;
        self.values.get(name).copied().or_else(default)
    }

    /// The text of an option that must be given or has a default.
    pub(super) fn needed(&self, name: &str) -> &'a str {
        self.text(name).expect("it is required, or has a default")
    }

    /// The elements of a list.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        list(self.text(name).unwrap_or_default()).into_iter().map(str::to_owned).collect()
    }

    /// True or false.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.text(name).and_then(|text| flag(text.trim())).unwrap_or_default()
    }

    /// A whole number.
    pub(super) fn int(&self, name: &str) -> Option<i32> {
        self.text(name)?.trim().parse().ok()
    }

    /// [`NULL_IS_DEFAULT`].
    pub(super) fn null_is_default(&self) -> bool {
        self.flag(NULL_IS_DEFAULT.name)
    }
}
