//! From text to the tree.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use saphyr::Scalar;
use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::limits::{DEPTH_MAX, FILE_BYTES_MAX, NODES_MAX};
use super::tree::join;
use super::{Entry, Key, Node, Origin, Problem, Value};

/// A parsed file.
#[derive(Debug, Clone)]
pub struct Document {
    /// The file as the user named it.
    pub name: String,
    /// Its text.
    pub text: Arc<str>,
    /// Its tree.
    pub root: Node,
}

/// Why a file could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The system refused.
    #[error("cannot read {file}: {source}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// Beyond [`FILE_BYTES_MAX`].
    #[error("{file} has {bytes} bytes; a YAML file here may have {FILE_BYTES_MAX}")]
    TooLarge {
        /// The file.
        file: String,
        /// Its size.
        bytes: u64,
    },
    /// Not text.
    #[error("{file} is not UTF-8 text: byte {at} is wrong")]
    NotText {
        /// The file.
        file: String,
        /// Offset of the first bad byte.
        at: usize,
    },
}

/// Reads and parses a file. Whatever is wrong with the YAML comes as problems
/// beside a tree of what could be read.
pub fn read(path: &Path) -> Result<(Document, Vec<Problem>), LoadError> {
    let file = path.display().to_string();
    let failed = |source| LoadError::Read { file: file.clone(), source };
    let bytes_at_hand = std::fs::metadata(path).map_err(failed)?.len();
    if bytes_at_hand > FILE_BYTES_MAX as u64 {
        return Err(LoadError::TooLarge { file, bytes: bytes_at_hand });
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    let text = String::from_utf8(bytes).map_err(|error| LoadError::NotText {
        file: file.clone(),
        at: error.utf8_error().valid_up_to(),
    })?;
    Ok(Document::parse(&file, &text))
}

impl Document {
    /// Parses text. A syntax error leaves an empty tree beside its problem.
    #[must_use]
    pub fn parse(name: &str, text: &str) -> (Self, Vec<Problem>) {
        let mut builder = Builder::new(text);
        let root = builder.run(text).unwrap_or_else(|problem| {
            builder.problems.push(problem);
            Node { origin: Origin::Text(0..0), value: Value::Mapping(Vec::new()) }
        });
        (Self { name: name.to_owned(), text: text.into(), root }, builder.problems)
    }

    /// Line and column (in characters) of a byte, both from 1.
    #[must_use]
    pub fn line_and_column(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (line, before[start..].chars().count() + 1)
    }
}

/// An unfinished collection.
struct Open {
    origin: Range<usize>,
    anchor: usize,
    path: String,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    /// The key whose value comes next, when it has been read.
    Mapping(Vec<Entry>, Option<Key>),
}

struct Builder {
    /// Byte offset of each character, for the parser counts characters.
    bytes: Vec<usize>,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    problems: Vec<Problem>,
    root: Option<Node>,
}

impl Builder {
    fn new(text: &str) -> Self {
        let mut bytes: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        bytes.push(text.len());
        Self {
            bytes,
            open: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            problems: Vec::new(),
            root: None,
        }
    }

    fn range(&self, span: Span) -> Range<usize> {
        let last = self.bytes.len() - 1;
        let start = self.bytes[span.start.index().min(last)];
        start..self.bytes[span.end.index().min(last)].max(start)
    }

    fn run(&mut self, text: &str) -> Result<Node, Problem> {
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| {
                let at = self.bytes[error.marker().index().min(self.bytes.len() - 1)];
                Problem::new("", &Origin::Text(at..at), "this is not YAML", error.info())
            })?;
            let origin = self.range(span);
            match event {
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
                Event::DocumentStart(_) if self.root.is_some() => {
                    return Err(Problem::new(
                        "",
                        &Origin::Text(origin),
                        "a second document in one file",
                        "starts here",
                    )
                    .help("write one pipeline or node a file".to_owned()));
                }
                Event::DocumentStart(_) => {}
                Event::Alias(anchor) => self.alias(anchor, origin)?,
                Event::Scalar(text, style, anchor, tag) => {
                    let text = text.into_owned();
                    self.scalar(text, style, anchor, tag.as_deref(), origin)?;
                }
                Event::SequenceStart(anchor, _) => {
                    self.begin(origin, anchor, Content::Sequence(Vec::new()))?;
                }
                Event::MappingStart(anchor, _) => {
                    self.begin(origin, anchor, Content::Mapping(Vec::new(), None))?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.end(&origin)?,
            }
        }
        Ok(self
            .root
            .take()
            .unwrap_or(Node { origin: Origin::Text(0..0), value: Value::Mapping(Vec::new()) }))
    }

    fn path(&self) -> String {
        match self.open.last() {
            None => String::new(),
            Some(open) => match &open.content {
                Content::Sequence(items) => format!("{}[{}]", open.path, items.len()),
                Content::Mapping(_, Some(key)) => join(&open.path, &key.text),
                Content::Mapping(_, None) => open.path.clone(),
            },
        }
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { content: Content::Mapping(_, None), .. }))
    }

    fn begin(
        &mut self,
        origin: Range<usize>,
        anchor: usize,
        content: Content,
    ) -> Result<(), Problem> {
        let path = self.path();
        if self.awaits_key() {
            let message = "a key must be a plain word, not a list or a mapping";
            return Err(Problem::new(path, &Origin::Text(origin), message, "this key"));
        }
        if self.open.len() >= DEPTH_MAX {
            let message = format!("nested deeper than {DEPTH_MAX} levels");
            return Err(Problem::new(path, &Origin::Text(origin), message, "one level too many"));
        }
        self.open.push(Open { origin, anchor, path, content });
        Ok(())
    }

    fn end(&mut self, origin: &Range<usize>) -> Result<(), Problem> {
        let open = self.open.pop().expect("the parser closes only what it opened");
        let value = match open.content {
            Content::Sequence(items) => Value::Sequence(items),
            Content::Mapping(entries, _) => Value::Mapping(entries),
        };
        // A block's end event stands at the start of what follows it: mark the first line.
        let end = if open.origin.is_empty() { open.origin.end } else { origin.end };
        let node = Node { origin: Origin::Text(open.origin.start..end), value };
        self.place(node, open.anchor)
    }

    fn alias(&mut self, anchor: usize, origin: Range<usize>) -> Result<(), Problem> {
        let Some((node, count)) = self.anchors.get(&anchor) else {
            let message = "an alias inside the very thing that it repeats";
            return Err(Problem::new(self.path(), &Origin::Text(origin), message, "here"));
        };
        let node = node.clone();
        self.count(*count, &origin)?;
        self.place(node, 0)
    }

    fn scalar(
        &mut self,
        text: String,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        origin: Range<usize>,
    ) -> Result<(), Problem> {
        if self.awaits_key() {
            let key = Key { text, origin: Origin::Text(origin) };
            return self.key(key);
        }
        let tag = tag.map(|tag| std::borrow::Cow::Owned(tag.clone()));
        let Some(scalar) =
            Scalar::parse_from_cow_and_metadata(text.clone().into(), style, tag.as_ref())
        else {
            let message = format!("`{text}` is not what its tag says");
            return Err(Problem::new(self.path(), &Origin::Text(origin), message, "this value"));
        };
        let node = Node { origin: Origin::Text(origin), value: resolved(scalar) };
        self.place(node, anchor)
    }

    fn key(&mut self, key: Key) -> Result<(), Problem> {
        let open = self.open.last_mut().expect("a key stands in a mapping");
        let Content::Mapping(entries, awaited) = &mut open.content else {
            unreachable!("a key stands in a mapping")
        };
        if entries.iter().any(|entry| entry.key.text == key.text) {
            let path = join(&open.path, &key.text);
            let message = format!("`{}` is defined twice", key.text);
            let problem = Problem::new(path, &key.origin, message, "the second time");
            self.problems.push(
                problem.help("rename or remove one of the two, nothing is merged".to_owned()),
            );
        }
        *awaited = Some(key);
        Ok(())
    }

    fn count(&mut self, nodes: usize, origin: &Range<usize>) -> Result<(), Problem> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODES_MAX {
            let message = format!("more than {NODES_MAX} values, aliases counted each time");
            return Err(Problem::new(
                self.path(),
                &Origin::Text(origin.clone()),
                message,
                "one too many",
            ));
        }
        Ok(())
    }

    fn place(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        let Origin::Text(origin) = &node.origin else { unreachable!("parsed from text") };
        self.count(1, &origin.clone())?;
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), size(&node)));
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::Sequence(items)) => items.push(node),
            Some(Content::Mapping(entries, awaited)) => {
                let Some(key) = awaited.take() else {
                    let message = "a key must be a plain word, not an alias";
                    return Err(Problem::new(self.path(), &node.origin, message, "this key"));
                };
                // Of two with one name the first is kept; the second was told.
                if !entries.iter().any(|entry| entry.key.text == key.text) {
                    entries.push(Entry { key, node });
                }
            }
        }
        Ok(())
    }
}

fn size(node: &Node) -> usize {
    1 + node.items().iter().map(size).sum::<usize>()
        + node.entries().iter().map(|entry| size(&entry.node)).sum::<usize>()
}

/// A plain scalar by YAML's core schema: what `--set` values are read with.
pub(crate) fn plain_scalar(text: &str) -> Value {
    resolved(Scalar::parse_from_cow(text.into()))
}

fn resolved(scalar: Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => Value::Boolean(value),
        Scalar::Integer(value) => Value::Integer(value),
        Scalar::FloatingPoint(value) => Value::Float(value.into_inner()),
        Scalar::String(text) => Value::String(text.into_owned()),
    }
}
