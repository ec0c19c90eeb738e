//! The file connector: `file-source` and `file-sink`
