//! Stages that feed each other never drain.

use super::Stage;
use crate::yaml::Problem;

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    New,
    OnPath,
    Finished,
}

pub(super) fn check(stages: &[Stage<'_>]) -> Vec<Problem> {
    let mut walk =
        Walk { stages, marks: vec![Mark::New; stages.len()], path: Vec::new(), found: Vec::new() };
    for at in 0..stages.len() {
        walk.visit(at);
    }
    walk.found
}

struct Walk<'a> {
    stages: &'a [Stage<'a>],
    marks: Vec<Mark>,
    /// The stages on the way here.
    path: Vec<usize>,
    found: Vec<Problem>,
}

impl Walk<'_> {
    /// Recursion is as deep as the longest chain of stages, and a file's size
    /// bounds how many there are.
    fn visit(&mut self, at: usize) {
        match self.marks[at] {
            Mark::Finished => return,
            Mark::OnPath => {
                let problem = self.cycle(at);
                self.found.push(problem);
                return;
            }
            Mark::New => {}
        }
        self.marks[at] = Mark::OnPath;
        self.path.push(at);
        for next in 0..self.stages.len() {
            if link(&self.stages[at], &self.stages[next]).is_some() {
                self.visit(next);
            }
        }
        self.path.pop();
        self.marks[at] = Mark::Finished;
    }

    fn cycle(&self, start: usize) -> Problem {
        let from = self.path.iter().position(|at| *at == start).expect("it is on the path");
        let members = &self.path[from..];
        let mut told = String::new();
        for (step, at) in members.iter().enumerate() {
            let next = members[(step + 1) % members.len()];
            let topic = link(&self.stages[*at], &self.stages[next]).expect("they are linked");
            told.push_str(&format!("{} → ({topic}) → ", self.stages[*at].key.text));
        }
        let first = &self.stages[start];
        told.push_str(&first.key.text);
        Problem::new(
            first.path(),
            &first.key.origin,
            format!("a cycle: {told}"),
            "it reads what it writes",
        )
        .help("let one of them write to another topic: what goes in a circle never ends".to_owned())
    }
}

/// The topic through which one stage feeds another.
fn link<'a>(from: &Stage<'a>, to: &Stage<'_>) -> Option<&'a str> {
    from.outputs
        .iter()
        .map(|output| output.name)
        .find(|output| to.inputs.iter().any(|input| input.name == *output))
}
