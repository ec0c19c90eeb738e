//! Apicurio Registry, which is real, for tests of the second tier.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Registry, RegistrySettings};

/// A registry on a port of its own, until the test ends.
pub(crate) struct Apicurio {
    child: Child,
    pub(crate) url: String,
}

impl Apicurio {
    pub(crate) async fn start() -> Self {
        let installer = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/systems/install.sh");
        let installed = Command::new(installer).arg("registry").status().unwrap();
        assert!(installed.success(), "Apicurio Registry cannot be installed");
        let own = std::env::var_os("LONGSHORE_CACHE").map(PathBuf::from);
        let home = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/longshore");
        let jar = std::fs::read_dir(own.unwrap_or_else(home).join("registry"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.to_string_lossy().ends_with("-runner.jar"))
            .expect("the archive has a runner");
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let child = Command::new("java")
            .args(["-Xmx400m", &format!("-Dquarkus.http.port={port}"), "-jar"])
            .arg(jar)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Self { child, url: format!("http://127.0.0.1:{port}/apis/ccompat/v7") };
        let client = started.client();
        let deadline = Instant::now() + Duration::from_secs(120);
        while client.schema(1).await.is_err_and(|error| error.may_pass()) {
            assert!(Instant::now() < deadline, "Apicurio Registry does not answer");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        started
    }

    pub(crate) fn client(&self) -> Registry {
        Registry::new(RegistrySettings::at(&self.url).unwrap()).unwrap()
    }
}

impl Drop for Apicurio {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
