//! The harness of the end-to-end tests: it starts the `longshore` binary as a
//! process of its own, drives it with clients that others wrote, kills it, and
//! starts it again. The tests themselves are in `tests/`.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`node`] | [`Node`]: a `longshore server` process, its port, its folders, its kills and restarts |
//! | [`fleet`] | several workers on one broker: killed, frozen, started again, joined by others |
//! | [`cli`] | any other command of the binary: `run`, `lint`, `topic`, … |
//! | [`wordcount`] | the word count: its folders, its run, its result, and the independent count |
//! | [`sink_files`] | what a file sink wrote |
//! | [`audit`] | what the log of a word count must hold after kills |
//! | [`text`] | texts to count, the same for the same seed |
//! | [`rest`] | requests to a worker's REST listener |
//! | [`process`] | [`Process`]: any child process, its output captured and waited on line by line |
//! | [`workers`] | workers with one node file, each at an address of its own |
//! | [`chart`] | the Helm chart, rendered by Helm and checked against Kubernetes' schemas |
//! | [`canaries`] | secrets that are planted, and what shows them |
//! | [`client`] | confluent-kafka, kafkajs, Kafka's Java tools and kcat, behind one vocabulary of events |
//! | [`s3`] | servers of S3 that others wrote, and boto3 |
//! | [`http`] | an HTTP server that others wrote, which fails as it is told |
//! | [`sqs`] | a server of SQS that others wrote, and boto3 |
//! | [`https_front`] | a web server that asks for a name and a password, before another |
//! | [`opensearch`] | a node of OpenSearch, and what is in its indices |
//! | [`registry`] | a schema registry that others wrote, and Confluent's client |
//! | [`guest_memory`] | the memories of the plugins that a process runs |
//! | [`kills`] | kills of a pipeline's worker and server at seeded moments |
//! | [`databases`] | PostgreSQL and MariaDB, their servers and their clients |
//! | [`kafka_connect`] | Kafka Connect's own worker |
//! | [`history`] | what producers and readers did and saw, and what in it exactly-once forbids |
//! | [`schedules`] | seeded schedules of faults, run and judged |
//! | [`exactly_once`] | schedules of kills of broker and producers, ending in a verdict |
//! | [`wire`] | [`wire::Connection`]: Kafka requests written to a socket by hand, whole or broken |
//! | [`writer`] | an idempotent writer that outlives the broker's deaths and knows what was acknowledged |
//! | [`verify`] | what a log must hold after everything that happened |
//! | [`paths`] | where the binary, the installed clients and the repository are |
//! | [`ports`] | addresses for servers to listen on |
//! | [`wait`] | waiting on a condition with a deadline |
//! | [`beside`] | work of which some runs beside each other |
//! | [`background`] | a thread that works until it is told to end |
//! | [`random`] | seeded random numbers whose seed is printed |
//! | [`limits`] | the deadlines |
//!
//! Everything here panics when something is missing or late: a test that
//! cannot run has failed, it is never skipped. A panicking test prints the
//! output of each process that it started.
//!
//! A test that takes minutes is marked `#[ignore = "second tier"]`, which puts
//! it in `make test-all`, and in `make test-slice` of some commits.

pub mod audit;
pub mod background;
pub mod beside;
pub mod canaries;
pub mod chart;
pub mod cli;
pub mod client;
pub mod databases;
pub mod exactly_once;
pub mod fleet;
pub mod guest_memory;
pub mod history;
pub mod http;
pub mod https_front;
pub mod kafka_connect;
pub mod kills;
pub mod limits;
pub mod node;
pub mod opensearch;
pub mod paths;
pub mod ports;
pub mod process;
pub mod random;
pub mod registry;
pub mod rest;
pub mod s3;
pub mod schedules;
pub mod sink_files;
pub mod sqs;
pub mod text;
pub mod verify;
pub mod wait;
pub mod wire;
pub mod wordcount;
pub mod workers;
pub mod writer;

pub use node::Node;
pub use process::Process;
