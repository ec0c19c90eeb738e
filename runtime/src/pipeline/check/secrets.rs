//! References to secrets stand in connections and nowhere else: everything
//! else of a pipeline is shown by REST and stored in topics.

use crate::pipeline::set::is_reference;
use crate::yaml::{Node, Problem};

pub(super) fn check(root: &Node) -> Vec<Problem> {
    let mut problems = Vec::new();
    for section in root.entries().iter().filter(|entry| entry.key.text != "connections") {
        section.node.each_string(&section.key.text, &mut |path, node, text| {
            if is_reference(text) {
                problems.push(
                    Problem::new(
                        path,
                        &node.origin,
                        "a reference to a secret outside `connections`",
                        "shown by REST and stored in topics as it stands",
                    )
                    .help("define a connection with it, and name the connection here".to_owned()),
                );
            }
        });
    }
    problems
}
