//! What of an upload is too small to go, on disk.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

/// Bytes in a file without a name, in the system's folder for temporary files
/// (`TMPDIR`): whatever ends the process removes it.
#[derive(Debug, Clone, Default)]
pub(super) struct Scratch {
    file: Option<Arc<File>>,
    len: u64,
}

impl Scratch {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Adds bytes at the end; all or, after an error, none.
    pub(super) async fn append(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let (known, at, more) = (self.file.clone(), self.len, bytes.len() as u64);
        let file = blocking(move || {
            let file = match known {
                Some(file) => file,
                None => Arc::new(tempfile::tempfile()?),
            };
            // What an earlier attempt wrote beyond its end is written over.
            file.write_all_at(&bytes, at)?;
            Ok(file)
        })
        .await?;
        self.file = Some(file);
        self.len += more;
        Ok(())
    }

    /// All of it.
    pub(super) async fn read(&self) -> io::Result<Vec<u8>> {
        let Some(file) = self.file.clone() else { return Ok(Vec::new()) };
        let len = usize::try_from(self.len).map_err(io::Error::other)?;
        blocking(move || {
            let mut bytes = vec![0; len];
            file.read_exact_at(&mut bytes, 0)?;
            Ok(bytes)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
