//! Connectors and stages share one space of names: all become connectors.

use super::Stage;
use crate::yaml::Problem;

pub(super) fn check(stages: &[Stage<'_>]) -> Vec<Problem> {
    let twice = stages.iter().filter(|stage| stage.section == "streams").filter(|stage| {
        stages.iter().any(|other| other.section == "connectors" && other.key.text == stage.key.text)
    });
    twice
        .map(|stage| {
            let name = &stage.key.text;
            Problem::new(
                stage.path(),
                &stage.key.origin,
                format!("`{name}` is the name of a connector and of a stream stage"),
                "the same name again",
            )
            .help("both become connectors of the worker: rename one".to_owned())
        })
        .collect()
}
