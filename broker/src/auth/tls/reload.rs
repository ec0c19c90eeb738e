//! The configuration in force on a listener. Files that change are loaded anew
//! when the next client comes; connections that are there go on as they are.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use rustls::{ServerConfig, ServerConnection};

use super::{TlsError, TlsSettings, load::load};
use crate::auth::{Principal, distinguished_name};

/// How often files are looked at, at most.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// What tells that a file is another one: an editor writes it in place, an
/// operator renames over it, Kubernetes turns a symbolic link.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    path: PathBuf,
    file: Option<(SystemTime, u64, u64)>,
}

/// A TLS listener.
#[derive(Debug)]
pub struct TlsListener {
    settings: TlsSettings,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    current: Arc<ServerConfig>,
    /// Of the files last loaded, well or not: a bad file is told once.
    stamps: Vec<Stamp>,
    checked: Instant,
}

/// Why a client's certificate yields no principal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("the client's certificate cannot be read: {0}")]
    Unreadable(#[from] x509_cert::der::Error),
    #[error("no rule of ssl.principal.mapping.rules matches the subject `{subject}`")]
    NoRule { subject: String },
}

impl TlsListener {
    /// Loads the certificates. Blocks on files.
    pub fn open(settings: TlsSettings) -> Result<Self, TlsError> {
        // Before the files: what changes in between is loaded again.
        let stamps = stamps(&settings);
        let current = load(&settings)?;
        let state = State { current, stamps, checked: Instant::now() };
        Ok(Self { settings, state: Mutex::new(state) })
    }

    /// The configuration for a client that comes now.
    pub async fn current(self: &Arc<Self>) -> Arc<ServerConfig> {
        if !self.is_check_due() {
            return self.lock().current.clone();
        }
        let listener = Arc::clone(self);
        // Files may be slow; the check goes on if this client goes away.
        if let Err(error) = tokio::task::spawn_blocking(move || listener.check()).await {
            tracing::error!(%error, "the certificates' check ended early");
        }
        self.lock().current.clone()
    }

    fn is_check_due(&self) -> bool {
        let mut state = self.lock();
        let due = state.checked.elapsed() >= CHECK_INTERVAL;
        if due {
            state.checked = Instant::now();
        }
        due
    }

    fn check(&self) {
        let stamps = stamps(&self.settings);
        if self.lock().stamps == stamps {
            return;
        }
        let loaded = load(&self.settings);
        let files = stamps.iter().map(|stamp| stamp.path.display().to_string());
        let files = files.collect::<Vec<_>>().join(", ");
        let mut state = self.lock();
        state.stamps = stamps;
        match loaded {
            Ok(config) => {
                state.current = config;
                tracing::info!(files, "certificates changed and were loaded");
            }
            Err(error) => {
                tracing::error!(files, %error, "certificates changed and cannot be used: the old ones stay");
            }
        }
    }

    /// Who a client is by its certificate; anonymous without one.
    pub(crate) fn principal(
        &self,
        connection: &ServerConnection,
    ) -> Result<Principal, CertificateError> {
        let certificates = connection.peer_certificates().unwrap_or_default();
        let Some(leaf) = certificates.first() else { return Ok(Principal::anonymous()) };
        let subject = distinguished_name::subject(leaf)?;
        match self.settings.mapping.name(&subject) {
            Some(name) => Ok(Principal::user(name)),
            None => Err(CertificateError::NoRule { subject }),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // What is in it is whole after each statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamps(settings: &TlsSettings) -> Vec<Stamp> {
    let stamp = |path: PathBuf| {
        let metadata = fs::metadata(&path).ok();
        let file = metadata
            .and_then(|metadata| Some((metadata.modified().ok()?, metadata.len(), metadata.ino())));
        Stamp { path, file }
    };
    settings.files().into_iter().map(stamp).collect()
}
