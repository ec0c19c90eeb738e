//! What a connector asks for when something fails: KIP-298's options by Kafka
//! Connect's names, and those of the automatic restart, which Kafka Connect leaves to
//! others.

use std::time::Duration;

use super::config::WorkerConfig;
use super::herder::{ConnectorConfig, ConnectorKind};
use super::options::Inputs;
use super::plugin::ConfigProblem;
use super::restarts::RestartPolicy;
use crate::task::failures::{DeadLetterTopic, ErrorPolicy};

const TOLERANCE: &str = "errors.tolerance";
const RETRY_TIMEOUT: &str = "errors.retry.timeout";
const RETRY_DELAY_MAX: &str = "errors.retry.delay.max.ms";
const LOG: &str = "errors.log.enable";
const LOG_MESSAGES: &str = "errors.log.include.messages";
/// The dead-letter topic's name.
pub const LETTERS: &str = "errors.deadletterqueue.topic.name";
const LETTERS_REPLICATION: &str = "errors.deadletterqueue.topic.replication.factor";
const LETTERS_HEADERS: &str = "errors.deadletterqueue.context.headers.enable";
const RESTART_MAX: &str = "errors.restart.max";
const RESTART_DELAY: &str = "errors.restart.delay.ms";
const RESTART_DELAY_MAX: &str = "errors.restart.delay.max.ms";

/// Pauses are no shorter, whatever is asked for: without them a task that fails would
/// keep a processor busy.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// The options' names.
pub const OPTIONS: [&str; 11] = [
    TOLERANCE,
    RETRY_TIMEOUT,
    RETRY_DELAY_MAX,
    LOG,
    LOG_MESSAGES,
    LETTERS,
    LETTERS_REPLICATION,
    LETTERS_HEADERS,
    RESTART_MAX,
    RESTART_DELAY,
    RESTART_DELAY_MAX,
];

/// Reads a connector's options; what is wrong with them goes to `problems`.
pub fn read(
    config: &ConnectorConfig,
    problems: &mut Vec<ConfigProblem>,
) -> (ErrorPolicy, RestartPolicy) {
    let mut reader = Reader { config, problems };
    let tolerant = reader.choice(TOLERANCE, "none", "all", false);
    let policy = ErrorPolicy {
        tolerant,
        log: reader.choice(LOG, "false", "true", false),
        log_messages: reader.choice(LOG_MESSAGES, "false", "true", false),
        dead_letters: reader.dead_letters(),
        retry_timeout: reader.or_endless(RETRY_TIMEOUT, None).map(Duration::from_millis),
        retry_delay_max: reader.pause(RETRY_DELAY_MAX),
    };
    let own = RestartPolicy::default();
    let restarts = RestartPolicy {
        max: reader.or_endless(RESTART_MAX, own.max),
        delay: reader.pause(RESTART_DELAY).unwrap_or(own.delay),
        delay_max: reader.pause(RESTART_DELAY_MAX).unwrap_or(own.delay_max),
    };
    (policy, restarts)
}

/// What a dead-letter topic must not be: one that the connector reads
/// (`SinkConnectorConfig.validate`), or one of the cluster's or the workers' own. That it
/// is no processor's either is checked by whoever runs the task.
pub fn misplaced(
    kind: ConnectorKind,
    policy: &ErrorPolicy,
    inputs: Option<&Inputs>,
    worker: &WorkerConfig,
) -> Option<ConfigProblem> {
    let name = &policy.dead_letters.as_ref()?.name;
    let problem = |message: String| ConfigProblem { option: LETTERS.to_owned(), message };
    if name.starts_with("__") {
        return Some(problem(format!("`{name}` is a topic of the cluster's own")));
    }
    if worker.state_topics().contains(&name.as_str()) {
        return Some(problem(format!("`{name}` holds the state of the workers")));
    }
    let reads = kind != ConnectorKind::Source && inputs.is_some_and(|it| it.contain(name, false));
    reads.then(|| {
        problem(format!(
            "`{name}` is a topic that the connector reads: its dead letters would come back"
        ))
    })
}

struct Reader<'a> {
    config: &'a ConnectorConfig,
    problems: &'a mut Vec<ConfigProblem>,
}

impl<'a> Reader<'a> {
    fn text(&self, option: &str) -> Option<&'a str> {
        self.config.get(option).map(|value| value.trim())
    }

    fn wrong(&mut self, option: &str, message: String) {
        self.problems.push(ConfigProblem { option: option.to_owned(), message });
    }

    /// True for the second word.
    fn choice(&mut self, option: &str, no: &str, yes: &str, default: bool) -> bool {
        match self.text(option) {
            None => default,
            Some(text) if text == no => false,
            Some(text) if text == yes => true,
            Some(other) => {
                let message = format!("must be `{no}` or `{yes}`, not `{other}`");
                self.wrong(option, message);
                default
            }
        }
    }

    fn pause(&mut self, option: &str) -> Option<Duration> {
        match self.text(option)?.parse() {
            Ok(millis) => Some(Duration::from_millis(millis).max(PAUSE_MIN)),
            Err(_) => {
                self.wrong(option, "must be a number of milliseconds".to_owned());
                None
            }
        }
    }

    /// A number, or -1 for no end.
    fn or_endless<N: std::str::FromStr>(&mut self, option: &str, default: Option<N>) -> Option<N> {
        match self.text(option).map(|text| (text == "-1", text.parse())) {
            None => default,
            Some((true, _)) => None,
            Some((false, Ok(number))) => Some(number),
            Some((false, Err(_))) => {
                self.wrong(option, "must be a whole number, or -1 for no limit".to_owned());
                default
            }
        }
    }

    fn dead_letters(&mut self) -> Option<DeadLetterTopic> {
        let replication_factor = match self.text(LETTERS_REPLICATION).map(str::parse::<i16>) {
            None | Some(Ok(-1)) => None,
            Some(Ok(factor)) if factor > 0 => Some(factor),
            Some(_) => {
                let message = "must be a number of replicas, or -1 for the broker's default";
                self.wrong(LETTERS_REPLICATION, message.to_owned());
                None
            }
        };
        let context_headers = self.choice(LETTERS_HEADERS, "false", "true", true);
        let name = self.text(LETTERS).filter(|name| !name.is_empty())?.to_owned();
        Some(DeadLetterTopic { name, replication_factor, context_headers })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn of(pairs: &[(&str, &str)]) -> (ErrorPolicy, RestartPolicy, Vec<String>) {
        let config = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let mut problems = Vec::new();
        let (policy, restarts) = read(&config.collect(), &mut problems);
        (policy, restarts, problems.into_iter().map(|problem| problem.option).collect())
    }

    #[test]
    fn a_connector_that_asks_for_nothing_tolerates_nothing_and_is_tried_for_ever() {
        let (policy, restarts, problems) = of(&[]);
        assert_eq!(policy, ErrorPolicy::default());
        assert_eq!((policy.retry_timeout, restarts), (None, RestartPolicy::default()));
        assert!(problems.is_empty());
    }

    #[test]
    fn every_option_is_read() {
        let (policy, restarts, problems) = of(&[
            (TOLERANCE, "all"),
            (RETRY_TIMEOUT, "5000"),
            (RETRY_DELAY_MAX, "500"),
            (LOG, "true"),
            (LOG_MESSAGES, "true"),
            (LETTERS, "dead"),
            (LETTERS_REPLICATION, "3"),
            (LETTERS_HEADERS, "false"),
            (RESTART_MAX, "7"),
            (RESTART_DELAY, "200"),
            (RESTART_DELAY_MAX, "300"),
        ]);
        let dead_letters = DeadLetterTopic {
            name: "dead".into(),
            replication_factor: Some(3),
            context_headers: false,
        };
        let read = ErrorPolicy {
            tolerant: true,
            log: true,
            log_messages: true,
            dead_letters: Some(dead_letters),
            retry_timeout: Some(Duration::from_secs(5)),
            retry_delay_max: Some(Duration::from_millis(500)),
        };
        assert_eq!(policy, read);
        let millis = Duration::from_millis;
        let own = RestartPolicy { max: Some(7), delay: millis(200), delay_max: millis(300) };
        assert_eq!((restarts, problems), (own, Vec::new()));
    }

    #[test]
    fn minus_one_is_no_limit_and_zero_is_none_at_all() {
        let (policy, restarts, _) = of(&[(RETRY_TIMEOUT, "-1"), (RESTART_MAX, "-1")]);
        assert_eq!((policy.retry_timeout, restarts.max), (None, None));
        let (policy, restarts, _) = of(&[(RETRY_TIMEOUT, "0"), (RESTART_MAX, "0")]);
        assert_eq!((policy.retry_timeout, restarts.max), (Some(Duration::ZERO), Some(0)));
    }

    #[test]
    fn no_pause_is_so_short_that_failures_keep_a_processor_busy() {
        let none = [(RETRY_DELAY_MAX, "0"), (RESTART_DELAY, "0"), (RESTART_DELAY_MAX, "1")];
        let (policy, restarts, problems) = of(&none);
        assert_eq!((policy.retry_delay_max, problems.len()), (Some(PAUSE_MIN), 0));
        assert_eq!((restarts.delay, restarts.delay_max), (PAUSE_MIN, PAUSE_MIN));
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        for option in OPTIONS.into_iter().filter(|option| *option != LETTERS) {
            assert_eq!(of(&[(option, "-2"), ("name", "x")]).2, [option]);
        }
        assert_eq!(of(&[(LETTERS_REPLICATION, "0"), (LOG, "yes")]).2.len(), 2);
    }

    #[test]
    fn dead_letters_do_not_come_back_and_are_no_ones_state() {
        let (policy, ..) = of(&[(LETTERS, "logs-dead")]);
        let inputs = |pattern| {
            let pattern = regex::Regex::new(pattern).unwrap();
            Inputs::Pattern { pattern, except: BTreeSet::new() }
        };
        let worker = WorkerConfig::new("", "fleet", "w1:8083");
        let misplaced = |kind, policy: &ErrorPolicy, inputs: Option<&Inputs>| {
            super::misplaced(kind, policy, inputs, &worker)
        };
        let sink = ConnectorKind::Sink;
        let told = misplaced(sink, &policy, Some(&inputs("^logs-.*$"))).unwrap();
        assert!(told.option == LETTERS && told.message.contains("come back"));
        assert!(misplaced(sink, &policy, Some(&inputs("^rows$"))).is_none());
        assert!(misplaced(ConnectorKind::Source, &policy, None).is_none());
        for topic in ["__consumer_offsets", "connect-configs"] {
            let (policy, ..) = of(&[(LETTERS, topic)]);
            assert!(misplaced(sink, &policy, None).is_some(), "{topic}");
        }
    }
}
