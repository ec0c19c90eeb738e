//! The image's Dockerfile, looked over; `image_run.rs` builds and runs it.
#![allow(missing_docs, reason = "tests")]

use std::process::{Command, Stdio};

use longshore_e2e::{Process, paths};

fn dockerfile() -> String {
    let file = paths::repository().join("deploy/Dockerfile");
    std::fs::read_to_string(file).expect("there is a Dockerfile")
}

#[test]
#[ignore = "second tier"]
fn hadolint_finds_nothing_wrong_with_the_dockerfile() {
    let mut hadolint = Command::new(paths::install("hadolint").join("bin/hadolint"));
    hadolint.arg("--failure-threshold=style").stdin(Stdio::null());
    hadolint.arg(paths::repository().join("deploy/Dockerfile"));
    Process::run("hadolint", &mut hadolint);
}

#[test]
fn what_is_copied_into_the_image_is_there_and_its_bases_are_pinned() {
    let text = dockerfile();
    for line in text.lines().filter(|line| line.starts_with("COPY deploy/")) {
        let source = line.split_whitespace().nth(1).expect("COPY has a source");
        assert!(paths::repository().join(source).is_file(), "{line}");
    }
    let bases: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("ARG ")).collect();
    assert_eq!(bases.len(), 2, "{bases:?}");
    for base in bases {
        assert!(base.contains(|c: char| c.is_ascii_digit()) && !base.contains("latest"), "{base}");
    }
}

/// The chart and the image agree on the user, so that volumes belong to it.
#[test]
fn the_image_runs_as_the_user_that_the_chart_says() {
    let values = paths::repository().join("deploy/helm/longshore/values.yaml");
    let values = std::fs::read_to_string(values).expect("the chart has values");
    let user = values.lines().find_map(|line| line.trim().strip_prefix("runAsUser: "));
    let user = user.expect("the chart says which user");
    let text = dockerfile();
    assert!(text.lines().any(|line| line == format!("USER {user}:{user}")), "not {user}");
    assert!(text.contains(&format!("--uid {user}")) && text.contains(&format!("--gid {user}")));
}
