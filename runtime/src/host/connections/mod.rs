//! Named uses of drivers, and who may use them.
//!
//! A connection is an operator's: plugins ask for it by name. Some are defined in
//! the worker's own file, the others in the fleet's config topic; of two by one
//! name the worker's own counts. References to secrets are resolved when a
//! connection is opened, on the worker that opens it, and nowhere else.
//!
//! | file | what it is |
//! | --- | --- |
//! | `definition` | what an owner writes, and what can be wrong with it |
//! | `references` | `${env:}`, `${file:}`, `${dir:}`, and what hides their values |
//! | `http` | connections with an HTTP server |
//! | `search` | connections with a search engine |
//! | `registries` | connections with a schema registry |
//! | `sns` | connections with topics of SNS |
//! | `sqs` | connections with queues of SQS |
//! | `reach` | what of the machine those from requests may name, and nobody |
//! | `users` | who has which open, to open it again when it changes |

mod definition;
mod http;
mod reach;
mod references;
mod registries;
#[cfg(feature = "search")]
mod search;
#[cfg(feature = "sns")]
mod sns;
#[cfg(feature = "sqs")]
mod sqs;
mod users;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, RwLock};

use async_trait::async_trait;
use longshore_driver_common::Access;
use longshore_driver_objects::{Bucket, Class, ObjectsConfig, ObjectsError};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

pub use definition::{Allow, ConnectionConfig, Verb};
pub use reach::{Allowed, AllowedPaths, Pattern, Reach};
pub(crate) use references::{Secrets, resolve_text};
#[cfg(feature = "sqs")]
pub(super) use sqs::fault as sqs_fault;

use self::references::{Resolver, Unresolved};
use self::users::{Digest, Users};
use super::error::Fault;
use super::plugin::OpenContext;
use crate::registry::RegistrySettings;
use crate::task::error::TaskError;
use crate::worker::herder::{Object, TaskId};
use crate::worker::plugin as asked;

/// What is wrong with a connection's definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("connection `{connection}`: {reason}")]
pub struct ConnectionError {
    /// Its name.
    pub connection: String,
    /// What is wrong, without any resolved value.
    pub reason: String,
}

type Definitions = BTreeMap<String, Arc<ConnectionConfig>>;

/// The connections of a worker, by name.
#[derive(Debug, Default)]
pub struct Connections {
    own: Definitions,
    fleet: RwLock<Definitions>,
    reach: Arc<Reach>,
    users: Users,
}

/// A connection's settings with their references resolved. It is shown nowhere.
struct Resolved {
    settings: Value,
    secrets: Secrets,
    digest: Digest,
}

impl Connections {
    /// Checks every definition of the worker's own; all that is wrong is told at
    /// once. References are resolved later, on use: a missing one costs the tasks
    /// that need it.
    pub fn new(
        definitions: BTreeMap<String, ConnectionConfig>,
        reach: Reach,
    ) -> Result<Self, Vec<ConnectionError>> {
        let errors: Vec<_> = definitions
            .iter()
            .flat_map(|(name, definition)| {
                let connection = name.clone();
                definition
                    .wrong()
                    .into_iter()
                    .map(move |reason| ConnectionError { connection: connection.clone(), reason })
            })
            .collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        for (connection, definition) in &definitions {
            for setting in definition.clear_secrets() {
                tracing::warn!(
                    connection,
                    "`{setting}` holds a secret in clear: write a reference to it, such as \
                     ${{env:NAME}} or ${{file:PATH}}"
                );
            }
        }
        let own = definitions.into_iter().map(|(name, it)| (name, Arc::new(it))).collect();
        Ok(Self { own, reach: Arc::new(reach), ..Self::default() })
    }

    /// The settings of a connection that a task was granted, resolved, with the most that
    /// it may do and what must not be shown.
    async fn settings<T: DeserializeOwned>(
        &self,
        name: &str,
        driver: &str,
        context: &OpenContext,
    ) -> Result<(T, Verb, Secrets), Fault> {
        let (definition, verb) = self.granted(name, &context.id.connector)?;
        if definition.driver != driver {
            return Err(config(
                "connection-of-another-kind",
                format!(
                    "the connection `{name}` is of the driver `{}`, not {driver}",
                    definition.driver
                ),
            ));
        }
        let resolved = self.resolved(name, &definition, &context.id, &context.reopen).await?;
        let settings = serde_json::from_value(resolved.settings).map_err(|_| {
            // The parser's words could quote a resolved secret.
            let reason = "its settings, once resolved, are not what the driver takes";
            config("connection-invalid", format!("the connection `{name}`: {reason}"))
        })?;
        Ok((settings, verb, resolved.secrets))
    }

    /// Opens an object store for a task, with what must not be shown of it.
    pub(crate) async fn objects(
        &self,
        name: &str,
        context: &OpenContext,
    ) -> Result<(Bucket, Secrets), Fault> {
        let (settings, verb, secrets) =
            self.settings::<ObjectsConfig>(name, "objects", context).await?;
        let access = access(verb, context);
        let is_own = self.own.contains_key(name);
        let bucket = within(&self.reach, is_own, &settings, access).await;
        match bucket {
            Ok(bucket) => Ok((bucket, secrets)),
            Err(fault) => Err(fault.hiding(&secrets)),
        }
    }

    /// Opens a database for a task, with what must not be shown of it.
    #[cfg(feature = "sql")]
    pub(crate) async fn sql(
        &self,
        name: &str,
        context: &OpenContext,
    ) -> Result<(longshore_driver_sql::Database, Secrets), Fault> {
        use longshore_driver_sql::{Database, SqlConfig};

        let (settings, verb, secrets) = self.settings::<SqlConfig>(name, "sql", context).await?;
        let (reach, looked_at) = (Arc::clone(&self.reach), settings.clone());
        let is_own = self.own.contains_key(name);
        let looking = tokio::task::spawn_blocking(move || match &looked_at {
            SqlConfig::Sqlite { root, .. } => reach.refuses_root(root, is_own),
            SqlConfig::Postgresql(server)
            | SqlConfig::Mysql(server)
            | SqlConfig::Mariadb(server) => {
                server.ca.as_deref().and_then(|ca| reach.refuses_file(ca, is_own))
            }
        });
        let refused = looking.await.unwrap_or_else(|error| Some(error.to_string()));
        if let Some(reason) = refused {
            return Err(config("connection-not-allowed", reason).hiding(&secrets));
        }
        let access = access(verb, context);
        match Database::open(&settings, access).await {
            Ok(database) => Ok((database, secrets)),
            Err(error) => Err(super::imports::sql::sql_fault(&error).hiding(&secrets)),
        }
    }

    /// Resolves a definition for a task, which is noted as its user.
    async fn resolved(
        &self,
        name: &str,
        definition: &Arc<ConnectionConfig>,
        id: &TaskId,
        reopen: &CancellationToken,
    ) -> Result<Resolved, Fault> {
        let resolving = resolve(definition.clone(), self.reach_of(name));
        let resolved = resolving.await.map_err(|unresolved| {
            let code = "connection-unresolved".to_owned();
            let told = |reason| format!("the connection `{name}`: {reason}");
            match unresolved {
                Unresolved::Wrong(reason) => Fault::Config { code, message: told(reason) },
                // Who mounts secrets may be slower than who creates connectors.
                Unresolved::Missing(reason) => {
                    Fault::Retry { code, message: told(reason), after: None }
                }
            }
        })?;
        self.users.opens(name, resolved.digest, id, reopen.clone());
        // Whoever redefines it from here on finds this user.
        if !self.definition(name).is_some_and(|now| Arc::ptr_eq(&now, definition)) {
            reopen.cancel();
        }
        Ok(resolved)
    }

    /// What bounds a connection's references; none of the worker's own.
    fn reach_of(&self, name: &str) -> Option<Arc<Reach>> {
        (!self.own.contains_key(name)).then(|| Arc::clone(&self.reach))
    }

    fn definition(&self, name: &str) -> Option<Arc<ConnectionConfig>> {
        if let Some(own) = self.own.get(name) {
            return Some(own.clone());
        }
        self.fleet.read().expect("no holder panics").get(name).cloned()
    }

    /// The definition, and the most that the connector may do with it.
    fn granted(&self, name: &str, connector: &str) -> Result<(Arc<ConnectionConfig>, Verb), Fault> {
        let definition = self.definition(name).ok_or_else(|| {
            config("connection-unknown", format!("there is no connection `{name}`"))
        })?;
        match definition.allow.most(connector) {
            Some(verb) => Ok((definition, verb)),
            None => Err(config(
                "connection-not-granted",
                format!(
                    "the connection `{name}` does not allow the connector `{connector}`; \
                     its owner names connectors and verbs under `allow`"
                ),
            )),
        }
    }
}

#[async_trait]
impl asked::Connections for Connections {
    fn check(&self, definition: &Object) -> Vec<String> {
        let definition = match read(definition) {
            Ok(definition) => definition,
            Err(reason) => return vec![reason],
        };
        let clear = definition.clear_secrets().into_iter().map(|setting| {
            format!(
                "`{setting}` holds a secret in clear, which every reader of the config topic would \
                 see: write a reference to it, such as ${{env:NAME}}, ${{file:PATH}} or \
                 ${{dir:FOLDER:FILE}}"
            )
        });
        let mut reasons: Vec<String> = clear.collect();
        reasons.extend(definition.wrong());
        reasons.extend(definition.refused(&self.reach));
        reasons
    }

    fn allows(&self, definition: &Object, connector: &str) -> bool {
        // One that cannot be read is opened by nobody.
        read(definition).is_ok_and(|definition| definition.allow.most(connector).is_some())
    }

    fn own(&self) -> BTreeMap<String, Object> {
        self.own.iter().map(|(name, it)| (name.clone(), object(&it.masked()))).collect()
    }

    fn shown(&self, definition: &Object) -> Object {
        read(definition).map_or_else(|_| Object::new(), |it| object(&it.masked()))
    }

    fn set(&self, name: &str, definition: Option<&Object>) {
        let definition = definition.and_then(|definition| match read(definition) {
            Ok(definition) => Some(Arc::new(definition)),
            Err(reason) => {
                tracing::warn!(connection = name, "cannot be used by this worker: {reason}");
                None
            }
        });
        {
            let mut fleet = self.fleet.write().expect("no holder panics");
            let before = match &definition {
                Some(definition) => fleet.insert(name.to_owned(), definition.clone()),
                None => fleet.remove(name),
            };
            if before.as_deref() == definition.as_deref() {
                return;
            }
        }
        if !self.own.contains_key(name) {
            self.users.redefined(name);
        }
    }

    async fn registry(
        &self,
        name: &str,
        context: &asked::TaskContext,
    ) -> Result<RegistrySettings, TaskError> {
        Ok(self.registry_settings(name, context).await?)
    }

    async fn look(&self) -> Vec<String> {
        for name in self.users.known() {
            let Some(definition) = self.definition(&name) else { continue };
            match resolve(definition, self.reach_of(&name)).await {
                Ok(resolved) => self.users.looked(&name, resolved.digest),
                // Those who have it open go on with what they have.
                Err(unresolved) => {
                    let reason = unresolved.reason();
                    tracing::warn!(connection = name, "cannot be resolved any more: {reason}");
                }
            }
        }
        self.users.take_changed().into_iter().collect()
    }
}

/// Reads a definition; the error quotes no value.
fn read(definition: &Object) -> Result<ConnectionConfig, String> {
    serde_json::from_value(Value::Object(definition.clone()))
        .map_err(|error| format!("it is no connection: {error}"))
}

fn object(definition: &ConnectionConfig) -> Object {
    match serde_json::to_value(definition) {
        Ok(Value::Object(object)) => object,
        _ => Object::new(),
    }
}

/// Resolves a definition's references, off the async threads: a file may be on a
/// slow mount.
async fn resolve(
    definition: Arc<ConnectionConfig>,
    reach: Option<Arc<Reach>>,
) -> Result<Resolved, Unresolved> {
    let resolving = tokio::task::spawn_blocking(move || {
        let env = |name: &str| std::env::var(name).ok();
        let mut resolver = Resolver::new(&env, reach.as_deref().map(|reach| &reach.allowed));
        let settings = Value::Object(definition.settings.clone().into_iter().collect());
        let settings = resolver.value(&settings)?;
        let digest = Sha256::digest(settings.to_string()).into();
        Ok(Resolved { settings, secrets: resolver.secrets, digest })
    });
    resolving.await.unwrap_or_else(|error| Err(Unresolved::Missing(error.to_string())))
}

/// Opens a bucket; one of local files where the worker's reach has it begin.
async fn within(
    reach: &Arc<Reach>,
    is_own: bool,
    settings: &ObjectsConfig,
    access: Access,
) -> Result<Bucket, Fault> {
    let allowed = |refused: Option<String>| match refused {
        Some(reason) => Err(config("connection-not-allowed", reason)),
        None => Ok(()),
    };
    if let ObjectsConfig::Local { root } = settings {
        let (looking, root) = (Arc::clone(reach), root.clone());
        let looked = tokio::task::spawn_blocking(move || looking.refuses_root(&root, is_own));
        allowed(looked.await.unwrap_or_else(|error| Some(error.to_string())))?;
    }
    let failed = |error| objects_fault(&error);
    let bucket = Bucket::open(settings, access).await.map_err(failed)?;
    // What was opened is asked, not its name: a link may lead elsewhere by now.
    if let Some(folder) = bucket.folder().map_err(failed)? {
        allowed(reach.refuses_real_root(&folder, is_own))?;
    }
    Ok(bucket)
}

/// What a task may do: as long as its lease lasts, where it may write.
fn access(verb: Verb, context: &OpenContext) -> Access {
    match verb {
        Verb::Read => Access::Read,
        Verb::Write => {
            let lease = context.lease.clone();
            Access::Write(Arc::new(move || lease.is_valid()))
        }
    }
}

fn config(code: &str, message: impl fmt::Display) -> Fault {
    Fault::Config { code: code.to_owned(), message: message.to_string() }
}

impl Fault {
    /// The same without the secrets that its words may hold.
    pub(super) fn hiding(mut self, secrets: &Secrets) -> Self {
        let (Self::Retry { message, .. }
        | Self::Config { message, .. }
        | Self::Fatal { message, .. }) = &mut self;
        *message = secrets.hide(std::mem::take(message));
        self
    }
}

/// A driver's error as the contract's fault.
pub(super) fn objects_fault(error: &ObjectsError) -> Fault {
    let (code, message) = (error.code().to_owned(), error.to_string());
    match error.class() {
        Class::Retry => Fault::Retry { code, message, after: None },
        Class::Config => Fault::Config { code, message },
        Class::Fatal => Fault::Fatal { code, message },
    }
}

#[cfg(test)]
mod tests;
