//! `longshore user`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use longshore_broker::auth::{Mechanism, Secret};

use super::cluster::{Cluster, ClusterArgs};
use super::consent::Consent;
use super::output::{OutputArgs, columns, print};
use super::{CliError, prompt};
use crate::kafka::admin::users::UserCredential;

/// Kafka's bounds (`ScramMechanism`, `ScramControlManager`): fewer can be guessed
/// too cheaply, and clients pay for more at each connection.
const ITERATIONS: std::ops::RangeInclusive<i64> = 4096..=16384;

/// Users that authenticate by SCRAM
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  longshore user set alice
  longshore user set alice --mechanism SCRAM-SHA-256 --password-file alice.password
  longshore user list
  longshore user delete alice --yes")]
pub(super) struct User {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List users with their mechanisms; passwords are never shown
    #[command(after_help = "Example:\n  longshore user list -o json")]
    List {
        /// These users alone
        names: Vec<String>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Give a user a password, or another one
    #[command(after_help = "\
Example:
  longshore user set alice --mechanism SCRAM-SHA-512 --iterations 8192
  longshore user set alice --password-file alice.password
  pass show alice | longshore user set alice

The password is asked for on a terminal, else the first line of stdin is taken. It is salted
here and never sent.")]
    Set {
        /// The user's name, without User:
        name: String,
        /// SCRAM-SHA-256 or SCRAM-SHA-512; may be repeated
        #[arg(long, value_name = "NAME", value_parser = mechanism, default_value = "SCRAM-SHA-512")]
        mechanism: Vec<Mechanism>,
        /// How often the password is hashed; brokers take 4096 to 16384
        #[arg(long, default_value_t = 4096, value_parser = clap::value_parser!(i32).range(ITERATIONS))]
        iterations: i32,
        /// The file whose first line is the password
        #[arg(long, value_name = "FILE", conflicts_with = "password_env")]
        password_file: Option<PathBuf>,
        /// The environment variable that holds the password
        #[arg(long, value_name = "NAME")]
        password_env: Option<String>,
    },
    /// Take a user's passwords away
    #[command(
        after_help = "Example:\n  longshore user delete alice --mechanism SCRAM-SHA-256 --yes"
    )]
    Delete {
        /// The user's name, without User:
        name: String,
        /// That of this mechanism alone; may be repeated
        #[arg(long, value_name = "NAME", value_parser = mechanism)]
        mechanism: Vec<Mechanism>,
        #[command(flatten)]
        consent: Consent,
    },
}

fn mechanism(text: &str) -> Result<Mechanism, String> {
    match text.to_ascii_uppercase().parse() {
        Ok(Mechanism::Plain) | Err(()) => {
            Err("SCRAM-SHA-256 and SCRAM-SHA-512 have credentials in the cluster".to_owned())
        }
        Ok(mechanism) => Ok(mechanism),
    }
}

impl User {
    pub(super) async fn run(self, cluster: &ClusterArgs) -> Result<(), CliError> {
        let cluster = Cluster::new(cluster)?;
        match self.action {
            Action::List { names, output } => {
                let wanted = (!names.is_empty()).then_some(names.as_slice());
                let found = cluster.client().user_credentials(wanted).await?;
                if let Some(name) =
                    names.iter().find(|name| !found.iter().any(|user| user.user == **name))
                {
                    return Err(CliError::failed(format!(
                        "there is no user `{name}` with a SCRAM password"
                    )));
                }
                output.print(&found, |users| table(users))
            }
            Action::Set { name, mechanism, iterations, password_file, password_env } => {
                let password = password(&name, password_file, password_env).await?;
                for mechanism in mechanism {
                    let credential = UserCredential { user: name.clone(), mechanism, iterations };
                    cluster.client().set_password(&credential, &password).await?;
                    print(&format!("set the {mechanism} password of {name}"))?;
                }
                Ok(())
            }
            Action::Delete { name, mechanism, consent } => {
                consent.to(&format!("delete the password of user `{name}`{}", of(&mechanism)))?;
                let known =
                    cluster.client().user_credentials(Some(std::slice::from_ref(&name))).await?;
                let known: Vec<Mechanism> = known.iter().map(|user| user.mechanism).collect();
                let missing = mechanism.iter().find(|wanted| !known.contains(wanted));
                if known.is_empty() || missing.is_some() {
                    let kind = missing.map_or("SCRAM", |mechanism| mechanism.name());
                    let why = format!("there is no user `{name}` with a {kind} password");
                    return Err(CliError::failed(why));
                }
                let taken = if mechanism.is_empty() { known } else { mechanism };
                cluster.client().delete_credentials(&name, &taken).await?;
                let names: Vec<&str> = taken.iter().map(|mechanism| mechanism.name()).collect();
                print(&format!("deleted the {} password of {name}", names.join(" and ")))
            }
        }
    }
}

/// ` for SCRAM-SHA-256`, or nothing when all are meant.
fn of(mechanisms: &[Mechanism]) -> String {
    let names: Vec<&str> = mechanisms.iter().map(|mechanism| mechanism.name()).collect();
    if names.is_empty() { String::new() } else { format!(" for {}", names.join(" and ")) }
}

async fn password(
    user: &str,
    file: Option<PathBuf>,
    variable: Option<String>,
) -> Result<Secret, CliError> {
    let text = match (file, variable) {
        (Some(path), _) => {
            let text = std::fs::read_to_string(&path).map_err(|error| {
                CliError::failed(format!("{} cannot be read: {error}", path.display()))
            })?;
            text.lines().next().unwrap_or_default().to_owned()
        }
        (None, Some(name)) => std::env::var(&name)
            .map_err(|_| CliError::failed(format!("the variable `{name}` is not set")))?,
        (None, None) => prompt::password(user).await?,
    };
    if text.is_empty() {
        return Err(CliError::failed("the password is empty; nothing was changed"));
    }
    Ok(Secret::new(text))
}

fn table(users: &[UserCredential]) -> String {
    let mut rows = vec![["USER", "MECHANISM", "ITERATIONS"].map(str::to_owned).to_vec()];
    for user in users {
        rows.push(vec![user.user.clone(), user.mechanism.to_string(), user.iterations.to_string()]);
    }
    columns(&rows)
}
