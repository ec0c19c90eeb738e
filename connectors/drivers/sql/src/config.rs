//! A connection's settings.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Which database, and as whom.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SqlConfig {
    /// PostgreSQL.
    Postgresql(Server),
    /// MySQL.
    Mysql(Server),
    /// MariaDB, which is spoken to as MySQL is.
    Mariadb(Server),
    /// A file of SQLite.
    Sqlite {
        /// The folder that the file is in.
        root: PathBuf,
        /// The file's name in it. One that does not exist is made when the connection
        /// may write.
        file: String,
    },
}

/// A database of a server.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Server {
    /// Its name or address.
    pub host: String,
    /// Its port; the system's own unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Port>,
    /// The database's name.
    pub database: String,
    /// The user.
    pub user: String,
    /// The user's password, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Whether, and how, the server proves who it is.
    #[serde(default)]
    pub tls: Tls,
    /// A file of certificates (PEM) that the server's may be signed by, beside those of
    /// public authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

/// A port, as a number or as the text that a reference resolves to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Port {
    /// The number.
    Number(u16),
    /// Its text.
    Text(String),
}

impl Server {
    /// The port, or the system's own; `None` for what is no number.
    pub(crate) fn port_or(&self, own: u16) -> Option<u16> {
        match &self.port {
            None => Some(own),
            Some(Port::Number(port)) => Some(*port),
            Some(Port::Text(text)) => text.trim().parse().ok(),
        }
    }
}

/// How a connection is protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// Not at all.
    Disable,
    /// Encrypted if the server can; whoever answers is believed.
    #[default]
    Prefer,
    /// Encrypted; whoever answers is believed.
    Require,
    /// Encrypted, and the certificate is signed by an authority that is trusted.
    VerifyCa,
    /// And it is the host's.
    VerifyFull,
}

impl std::fmt::Debug for SqlConfig {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Postgresql(it) => write!(f, "postgresql {}/{}", it.host, it.database),
            Self::Mysql(it) | Self::Mariadb(it) => write!(f, "mysql {}/{}", it.host, it.database),
            Self::Sqlite { root, file } => write!(f, "sqlite {}/{file}", root.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_read_and_misspelt_settings_are_refused() {
        let read = |json: &str| serde_json::from_str::<SqlConfig>(json);
        let server = r#""host":"db","database":"shop","user":"me""#;
        for kind in ["postgresql", "mysql", "mariadb"] {
            let more = r#""port":"5433","password":"secret","tls":"verify-full","ca":"/ca.pem""#;
            let config = read(&format!(r#"{{"kind":"{kind}",{server},{more}}}"#)).unwrap();
            assert!(!format!("{config:?}").contains("secret"));
            assert!(read(&format!(r#"{{"kind":"{kind}",{server},"pasword":"x"}}"#)).is_err());
            assert!(read(&format!(r#"{{"kind":"{kind}","host":"db"}}"#)).is_err());
        }
        let SqlConfig::Mysql(own) = read(&format!(r#"{{"kind":"mysql",{server}}}"#)).unwrap()
        else {
            panic!("another kind")
        };
        assert_eq!((own.port_or(3306), own.tls), (Some(3306), Tls::Prefer));
        assert!(read(r#"{"kind":"sqlite","root":"/data","file":"a.db"}"#).is_ok());
        assert!(read(r#"{"kind":"sqlite","root":"/data"}"#).is_err());
        assert!(read(r#"{"kind":"oracle"}"#).is_err());
    }
}
