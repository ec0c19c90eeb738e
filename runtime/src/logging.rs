//! What is logged, and how it is changed while the process runs.
//!
//! Levels are set by namespace, as Kafka's loggers are (KIP-495): a namespace is
//! a module's path, `longshore::task`, and holds for all below it unless they
//! have a level of their own. `root` is everything else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt, reload};

/// The name of everything that has no level of its own.
pub const ROOT: &str = "root";

/// A namespace's level, as `GET /admin/loggers` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LoggerLevel {
    /// `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR`, `FATAL` or `OFF`.
    pub level: String,
    /// When it was changed, in milliseconds since the epoch; null if never.
    pub last_modified: Option<i64>,
}

/// Kafka's name for a level, if it is one; case does not matter.
#[must_use]
pub fn level(name: &str) -> Option<&'static str> {
    const LEVELS: [&str; 8] = ["ALL", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "OFF"];
    LEVELS.into_iter().find(|level| level.eq_ignore_ascii_case(name))
}

/// An error if this is no name of a namespace. In a list of levels other
/// characters would be taken for something else: a second level, a span.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<(), String> {
    let begins = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_name = name.starts_with(begins)
        && name.chars().all(|c| begins(c) || matches!(c, ':' | '.' | '$' | '-'));
    match is_name {
        true => Ok(()),
        false => Err(format!(
            "`{name}` is no name of a logger: it begins with a letter, a digit or `_`, and those, \
             `:`, `.`, `$` and `-` follow, as in `longshore::task`"
        )),
    }
}

type Apply = dyn Fn(&str) -> Result<(), String> + Send + Sync;

/// The levels of one process.
pub struct Loggers {
    levels: Mutex<BTreeMap<String, LoggerLevel>>,
    /// What stands in `--log` beside levels of namespaces: kept as it is.
    others: Vec<String>,
    apply: Box<Apply>,
}

impl Default for Loggers {
    /// Levels that are kept and change nothing: the program that embeds the
    /// worker logs as it likes.
    fn default() -> Self {
        Self::new("info", Box::new(|_| Ok(())))
    }
}

impl std::fmt::Debug for Loggers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Loggers").finish_non_exhaustive()
    }
}

impl Loggers {
    /// The levels that `directives` stand for, as in `info,longshore::task=debug`.
    fn new(directives: &str, apply: Box<Apply>) -> Self {
        let mut levels = BTreeMap::new();
        let mut others = Vec::new();
        let known = |level: &str| LoggerLevel { level: level.to_owned(), last_modified: None };
        levels.insert(ROOT.to_owned(), known("ERROR"));
        for directive in directives.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            let (namespace, name) = directive.split_once('=').unwrap_or((ROOT, directive));
            match level(name) {
                Some(level) if check_name(namespace).is_ok() => {
                    levels.insert(namespace.to_owned(), known(level));
                }
                _ => others.push(directive.to_owned()),
            }
        }
        Self { levels: Mutex::new(levels), others, apply }
    }

    /// All namespaces that have a level.
    pub fn all(&self) -> BTreeMap<String, LoggerLevel> {
        self.levels.lock().expect("no holder panics").clone()
    }

    /// Sets the level of a namespace and of all below it; answers with the names
    /// of those that had another, sorted. `level` is one of [`level`]'s.
    ///
    /// # Errors
    /// Why all levels stay as they were.
    pub fn set(&self, namespace: &str, level: &str) -> Result<Vec<String>, String> {
        check_name(namespace)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let set =
            LoggerLevel { level: level.to_owned(), last_modified: Some(now.as_millis() as i64) };
        let mut known = self.levels.lock().expect("no holder panics");
        let mut levels = known.clone();
        let is_root = namespace.eq_ignore_ascii_case(ROOT);
        let namespace = if is_root { ROOT } else { namespace };
        let mut changed = Vec::new();
        if !levels.contains_key(namespace) {
            levels.insert(namespace.to_owned(), set.clone());
            changed.push(namespace.to_owned());
        }
        for (name, level) in &mut levels {
            if (is_root || name.starts_with(namespace)) && level.level != set.level {
                *level = set.clone();
                changed.push(name.clone());
            }
        }
        changed.sort_unstable();
        (self.apply)(&self.directives(&levels))?;
        *known = levels;
        Ok(changed)
    }

    /// The levels as `tracing-subscriber` reads them.
    fn directives(&self, levels: &BTreeMap<String, LoggerLevel>) -> String {
        let mut all: Vec<String> = self.others.clone();
        for (namespace, LoggerLevel { level, .. }) in levels {
            let level = match level.as_str() {
                "ALL" => "trace",
                "FATAL" => "error",
                other => other,
            };
            match namespace.as_str() {
                ROOT => all.push(level.to_lowercase()),
                name => all.push(format!("{name}={}", level.to_lowercase())),
            }
        }
        all.join(",")
    }
}

/// Whether a line may hold a secret, and is never logged: what AWS's SDK tells of its
/// requests has the tokens that they are signed with.
fn shows_secrets(target: &str, level: &tracing::Level) -> bool {
    target.starts_with("aws_") && *level > tracing::Level::WARN
}

static PROCESS: OnceLock<Arc<Loggers>> = OnceLock::new();

/// The levels of this process.
pub fn loggers() -> Arc<Loggers> {
    PROCESS.get_or_init(Arc::default).clone()
}

/// Logs to stderr from now on, in colours if asked to. Once a process.
///
/// # Errors
/// What is wrong with `directives`.
pub fn to_stderr(directives: &str, ansi: bool) -> Result<(), String> {
    let filter = EnvFilter::try_new(directives).map_err(|error| error.to_string())?;
    let (filter, handle) = reload::Layer::new(filter);
    let text = fmt::layer().with_writer(std::io::stderr).with_ansi(ansi);
    let quiet = filter_fn(|event| !shows_secrets(event.target(), event.level()));
    tracing_subscriber::registry().with(quiet).with(filter).with(text).init();
    let apply = move |directives: &str| {
        let filter = EnvFilter::try_new(directives).map_err(|error| error.to_string())?;
        handle.reload(filter).map_err(|error| error.to_string())
    };
    // Whoever asked for levels before there was a log has the default's.
    let _ = PROCESS.set(Arc::new(Loggers::new(directives, Box::new(apply))));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loggers(directives: &str) -> (Loggers, Arc<Mutex<String>>) {
        let applied = Arc::new(Mutex::new(String::new()));
        let sink = applied.clone();
        let apply = move |text: &str| {
            EnvFilter::try_new(text).map_err(|error| error.to_string())?;
            *sink.lock().unwrap() = text.to_owned();
            Ok(())
        };
        (Loggers::new(directives, Box::new(apply)), applied)
    }

    #[test]
    fn a_namespace_takes_all_below_it_along_and_the_others_stay() {
        let (loggers, applied) = loggers("warn,longshore::task=info,longshore::task::sink=debug");
        let named = loggers.set("longshore::task", "TRACE").unwrap();
        assert_eq!(named, ["longshore::task", "longshore::task::sink"]);
        assert_eq!(
            *applied.lock().unwrap(),
            "longshore::task=trace,longshore::task::sink=trace,warn"
        );
        let all = loggers.all();
        assert_eq!(all[ROOT], LoggerLevel { level: "WARN".to_owned(), last_modified: None });
        assert!(all["longshore::task"].last_modified.is_some());
    }

    #[test]
    fn root_is_everything_and_a_filter_by_span_outlives_a_change() {
        let (loggers, applied) = loggers("info,[request]=debug,a=warn");
        assert_eq!(loggers.set("ROOT", "FATAL").unwrap(), ["a", "root"]);
        assert_eq!(*applied.lock().unwrap(), "[request]=debug,a=error,error");
    }

    #[test]
    fn a_level_that_is_set_already_keeps_its_time() {
        let (loggers, _) = loggers("info");
        assert!(loggers.set(ROOT, "INFO").unwrap().is_empty());
        assert_eq!(loggers.set("x", "INFO").unwrap(), ["x"]);
        assert_eq!(loggers.all()[ROOT].last_modified, None);
    }

    #[test]
    fn what_is_no_name_changes_nothing_and_the_next_change_is_made() {
        let (loggers, applied) = loggers("info");
        for name in ["", "*", ".a", "-a", "a,b=trace,c", "a[b]", "a=trace", "a b", "ä"] {
            let refused = loggers.set(name, "DEBUG");
            assert!(refused.is_err_and(|why| why.contains("name of a logger")), "{name}");
        }
        assert_eq!(loggers.all().len(), 1);
        for name in ["org.apache.kafka", "a::b", "a$b", "a-b", "_a", "7"] {
            assert_eq!(loggers.set(name, "DEBUG").unwrap(), [name]);
        }
        let all = "7=debug,_a=debug,a$b=debug,a-b=debug,a::b=debug,org.apache.kafka=debug,info";
        assert_eq!(*applied.lock().unwrap(), all);
    }

    #[test]
    fn levels_that_were_not_applied_are_not_told() {
        let refuse = |_: &str| Err("not now".to_owned());
        let loggers = Loggers::new("info", Box::new(refuse));
        assert_eq!(loggers.set("a", "DEBUG"), Err("not now".to_owned()));
        assert_eq!(loggers.set(ROOT, "DEBUG"), Err("not now".to_owned()));
        assert_eq!(loggers.all().len(), 1);
        assert_eq!(loggers.all()[ROOT].level, "INFO");
    }

    #[test]
    fn what_a_sdk_tells_of_its_requests_is_not_logged_at_any_level() {
        use tracing::Level;
        assert!(shows_secrets("aws_sigv4::http_request", &Level::TRACE));
        assert!(shows_secrets("aws_smithy_runtime::client::orchestrator", &Level::DEBUG));
        assert!(!shows_secrets("aws_smithy_runtime::client::retries", &Level::WARN));
        assert!(!shows_secrets("longshore::task", &Level::TRACE));
    }

    #[test]
    fn levels_are_kafkas() {
        assert_eq!(level("debug"), Some("DEBUG"));
        assert_eq!(level("verbose"), None);
    }
}
