//! Apache's web server before another one: TLS, and a name and password.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use tempfile::TempDir;

use crate::ports::free_address;
use crate::process::tied_command;
use crate::wait::until;
use crate::{Process, limits, paths};

/// Where Debian's package `apache2-bin` has it.
const PROGRAM: &str = "/usr/sbin/apache2";
/// Who is let in.
pub const USER: &str = "longshore";
/// The user's password.
pub const PASSWORD: &str = "canary-password-of-the-registry";
/// The same as a file of users has it.
const HASHED: &str = "longshore:{SHA}TzqUdRXbCC+VX/9CCWZ56g/kzaA=\n";

/// A running web server. It is killed when dropped.
pub struct HttpsFront {
    _process: Process,
    _folder: TempDir,
    address: SocketAddr,
}

impl HttpsFront {
    /// Starts one that passes on to `upstream`, `http://host:port`; `certificate` and `key` are
    /// PEM files.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(upstream: &str, certificate: &Path, key: &Path) -> Self {
        paths::set_up("httpd");
        let folder = TempDir::with_prefix("longshore-httpd-").expect("a temporary folder");
        let address = free_address();
        let place = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(place("users"), HASHED).expect("a file can be written");
        let modules = [
            "mpm_event",
            "authn_core",
            "authn_file",
            "authz_core",
            "authz_user",
            "auth_basic",
            "proxy",
            "proxy_http",
            "ssl",
            "socache_shmcb",
        ];
        let modules =
            modules.map(|name| format!("LoadModule {name}_module modules/mod_{name}.so\n"));
        let text = format!(
            "ServerName 127.0.0.1\n\
             ServerRoot /usr/lib/apache2\n\
             PidFile {pid}\n\
             ErrorLog /dev/stderr\n\
             Listen {address}\n\
             {modules}\
             SSLEngine on\n\
             SSLCertificateFile {certificate}\n\
             SSLCertificateKeyFile {key}\n\
             AllowEncodedSlashes NoDecode\n\
             <Location \"/\">\n\
             AuthType Basic\n\
             AuthName registry\n\
             AuthUserFile {users}\n\
             Require valid-user\n\
             ProxyPass \"{upstream}/\" nocanon\n\
             </Location>\n",
            pid = place("pid"),
            modules = modules.concat(),
            certificate = certificate.display(),
            key = key.display(),
            users = place("users"),
        );
        std::fs::write(place("httpd.conf"), text).expect("a file can be written");
        let mut command = tied_command(Path::new(PROGRAM));
        // One process, which leaves no other behind when it is killed.
        command.args(["-X", "-f", &place("httpd.conf")]);
        let mut process = Process::spawn("httpd", &mut command);
        until("httpd listens", limits::READY, || {
            assert_eq!(process.status(), None, "httpd ended");
            TcpStream::connect(address).ok()
        });
        Self { _process: process, _folder: folder, address }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }
}
