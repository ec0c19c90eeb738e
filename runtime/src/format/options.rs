//! A format's name and options, checked.

use serde::Deserialize;

/// The file formats there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A row is a record's value, its bytes as they are, ended by a line feed.
    Lines,
    /// A row is a JSON value, ended by a line feed.
    JsonLines,
}

/// What is wrong with a format's name or options.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// No format of that name.
    #[error("there is no format `{0}`; the formats are lines and json-lines")]
    Unknown(String),
    /// The options are not what the format takes.
    #[error("the options of the format `{format}` are wrong: {reason}")]
    Options {
        /// The format's name.
        format: &'static str,
        /// What the parser said.
        reason: String,
    },
}

impl Format {
    /// The format's name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lines => "lines",
            Self::JsonLines => "json-lines",
        }
    }

    /// The format of that name.
    pub fn named(name: &str) -> Result<Self, FormatError> {
        match name {
            "lines" => Ok(Self::Lines),
            "json-lines" => Ok(Self::JsonLines),
            other => Err(FormatError::Unknown(other.to_owned())),
        }
    }

    pub(crate) fn options<'a, T: Deserialize<'a>>(self, json: &'a str) -> Result<T, FormatError> {
        serde_json::from_str(json).map_err(|error| FormatError::Options {
            format: self.name(),
            reason: error.to_string(),
        })
    }
}

/// Options of decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DecodeOptions {
    /// A carriage return before the line feed belongs to the terminator.
    pub strip_cr: bool,
    /// A longer row, its terminator not counted, ends the decoding. Bytes, at
    /// most [`ROW_BYTES_CEILING`].
    #[serde(deserialize_with = "row_bytes")]
    pub max_row_bytes: usize,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self { strip_cr: true, max_row_bytes: MAX_ROW_BYTES }
    }
}

/// The longest row unless the options say otherwise, in bytes: what fits a
/// record under Kafka's default `max.message.bytes`, with room for its framing.
pub const MAX_ROW_BYTES: usize = (1 << 20) - 1024;

/// The longest row that any option may allow, in bytes: a row without an end
/// is held in the host's memory up to it.
pub const ROW_BYTES_CEILING: usize = 128 << 20;

fn row_bytes<'a, D: serde::Deserializer<'a>>(number: D) -> Result<usize, D::Error> {
    let bytes = usize::deserialize(number)?;
    if bytes > ROW_BYTES_CEILING {
        let reason = format!("`max-row-bytes` is {bytes}, and may be {ROW_BYTES_CEILING} at most");
        return Err(serde::de::Error::custom(reason));
    }
    Ok(bytes)
}

/// Options of encoding: none so far, so that a misspelt one is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EncodeOptions {}
