//! One thing wrong with a file, and the report of all of them.

use std::sync::Arc;

use miette::{Diagnostic, NamedSource, SourceSpan};
use serde::Serialize;

use super::limits::PROBLEMS_MAX;
use super::secrets::hidden;
use super::{Document, Origin};

/// One thing wrong, not yet tied to the text that holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Dotted path of what is wrong, for machines.
    pub path: String,
    /// Where it stands.
    pub origin: Origin,
    /// What is wrong, on what.
    pub message: String,
    /// A word or two under the marked text.
    pub label: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Problem {
    /// A problem at a place.
    pub fn new(
        path: impl Into<String>,
        origin: &Origin,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        Self {
            path: path.into(),
            origin: origin.clone(),
            message: message.into(),
            label: label.into(),
            help: None,
        }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<Option<String>>) -> Self {
        self.help = help.into();
        self
    }
}

/// A problem with its line and column: what `--output json` prints and what
/// miette draws.
#[derive(Debug, Clone, Serialize)]
pub struct Spot {
    /// The file as the user named it.
    pub file: String,
    /// From 1; absent for what stands on the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// From 1, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// Dotted path of what is wrong.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What the marked text is.
    pub label: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    #[serde(skip)]
    source: Option<NamedSource<Arc<str>>>,
    #[serde(skip)]
    span: Option<SourceSpan>,
}

impl std::fmt::Display for Spot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Spot {}

impl Diagnostic for Spot {
    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn std::fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.source.as_ref().map(|source| source as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        let span = self.span?;
        let label = miette::LabeledSpan::new_with_span(Some(self.label.clone()), span);
        Some(Box::new(std::iter::once(label)))
    }
}

/// All that is wrong with one file.
#[derive(Debug, Clone)]
pub struct Report {
    /// The file as the user named it.
    pub file: String,
    /// In the order of the file; at most [`PROBLEMS_MAX`].
    pub spots: Vec<Spot>,
    /// How many there are.
    pub count: usize,
}

impl Report {
    /// Ties problems to the document they are about. `None` when there are none.
    #[must_use]
    pub fn of(document: &Document, mut problems: Vec<Problem>) -> Option<Self> {
        if problems.is_empty() {
            return None;
        }
        problems.sort_by_key(|problem| match &problem.origin {
            Origin::Text(range) => (0, range.start),
            Origin::Argument(_) => (1, 0),
        });
        problems.dedup();
        let count = problems.len();
        let spots = problems
            .into_iter()
            .take(PROBLEMS_MAX)
            .map(|problem| spot(document, problem))
            .collect();
        Some(Self { file: document.name.clone(), spots, count })
    }
}

fn spot(document: &Document, problem: Problem) -> Spot {
    let Problem { path, origin, message, label, help } = problem;
    match origin {
        Origin::Text(range) => {
            let (line, column) = document.line_and_column(range.start);
            Spot {
                file: document.name.clone(),
                line: Some(line),
                column: Some(column),
                path,
                message,
                label,
                help,
                source: Some(NamedSource::new(&document.name, hidden(&document.text))),
                span: Some(SourceSpan::from(range)),
            }
        }
        Origin::Argument(argument) => Spot {
            file: document.name.clone(),
            line: None,
            column: None,
            path,
            message: format!("--set {argument}: {message}"),
            label,
            help,
            source: None,
            span: None,
        },
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let noun = if self.count == 1 { "problem" } else { "problems" };
        write!(formatter, "{}: {} {noun}", self.file, self.count)?;
        if self.count > self.spots.len() {
            write!(formatter, ", the first {} shown", self.spots.len())?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}

impl Diagnostic for Report {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.spots.iter().map(|spot| spot as &dyn Diagnostic)))
    }
}
