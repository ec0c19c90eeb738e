//! TLS of a listener: its settings, its certificates, and their replacement
//! while the broker runs.
//!
//! ```text
//! settings.rs  what the properties say
//! load.rs      PEM text to a rustls configuration
//! reload.rs    the configuration in force; files that change are loaded anew
//! ```

mod load;
mod reload;
mod settings;

pub use load::{TlsError, certificates, private_key};
pub use reload::TlsListener;
pub use settings::{ClientAuth, PemSource, TlsSettings, TlsVersions};
