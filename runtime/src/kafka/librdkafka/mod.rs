//! The data clients on librdkafka.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`producer`] | one client, one polling thread, receipts by batch |
//! | [`consumer`] | one client a connector, shares of it for tasks |
//! | [`transactions`] | the producer of a `transactional.id` |
//! | `native` | what the safe interface lacks: the only `unsafe` here |
//! | `settings` | from our settings to librdkafka's |

pub mod consumer;
#[cfg(test)]
mod failure_tests;
mod native;
pub mod producer;
mod settings;
pub mod transactions;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

/// Takes librdkafka's log lines into ours.
fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => tracing::error!(facility, "{message}"),
        // A position that was not in the log any more: records may be skipped
        // or read again, which nobody should have to search for.
        RDKafkaLogLevel::Warning if facility == "OFFSET" => {
            tracing::error!(facility, "{message}");
        }
        RDKafkaLogLevel::Warning => tracing::warn!(facility, "{message}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => tracing::info!(facility, "{message}"),
        RDKafkaLogLevel::Debug => tracing::debug!(facility, "{message}"),
    }
}

/// The words of an error that concerns a whole client.
fn log_error(error: &KafkaError, reason: &str) {
    // The client reconnects by itself; what is lost shows in receipts and reads.
    tracing::warn!(%error, "{reason}");
}

/// The context of a consumer: logs only.
struct LogContext;

impl ClientContext for LogContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

impl rdkafka::consumer::ConsumerContext for LogContext {}
