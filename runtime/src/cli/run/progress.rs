//! A line while a run works: rewritten on a terminal, else a new one every 2 s.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use super::summary::thousands;
use crate::pipeline::Rendered;
use crate::worker::herder::Herder;

const TERMINAL_INTERVAL: Duration = Duration::from_millis(200);
const LINE_INTERVAL: Duration = Duration::from_secs(2);

/// The line, until it is finished.
pub(super) struct Progress {
    showing: JoinHandle<()>,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Shows the numbers of the pipeline's connectors on stderr.
    pub(super) fn start(herder: Arc<dyn Herder>, rendered: &Rendered, started: Instant) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {wide_msg}");
            ProgressBar::new_spinner().with_style(style.expect("the template is right"))
        });
        let names = rendered.connectors.iter().map(|connector| connector.name.clone()).collect();
        let mut view = View { herder, names, prefix: format!("{}-", rendered.name), last: None };
        let shown = bar.clone();
        let showing = tokio::spawn(async move {
            let interval = if shown.is_some() { TERMINAL_INTERVAL } else { LINE_INTERVAL };
            let mut ticks =
                tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
            loop {
                ticks.tick().await;
                let line = view.line(started.elapsed());
                match &shown {
                    Some(bar) => {
                        bar.set_message(line);
                        bar.tick();
                    }
                    None => eprintln!("{line}"),
                }
            }
        });
        Self { showing, bar }
    }

    /// Takes the line away.
    pub(super) fn finish(self) {
        self.showing.abort();
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

struct View {
    herder: Arc<dyn Herder>,
    names: Vec<String>,
    prefix: String,
    /// When the last line was, and the bytes read until then.
    last: Option<(Duration, u64)>,
}

impl View {
    /// `4.0s  read 12,000 rows, 3.1 MB/s  split lag 40  write lag 2`.
    fn line(&mut self, elapsed: Duration) -> String {
        let mut line = format!("{:.1}s", elapsed.as_secs_f64());
        let (mut bytes, mut parts) = (0, Vec::new());
        for name in &self.names {
            let Ok(progress) = self.herder.progress(name) else { continue };
            let Ok(info) = self.herder.connector(name) else { continue };
            let short = name.strip_prefix(&self.prefix).unwrap_or(name);
            if info.kind == Some(crate::worker::herder::ConnectorKind::Source) {
                bytes += progress.bytes_in;
                parts.insert(0, format!("{short} {} rows", thousands(progress.records_in)));
            } else {
                parts.push(format!("{short} lag {}", thousands(progress.lag)));
            }
        }
        let (then, before) = self.last.unwrap_or_default();
        let seconds = elapsed.saturating_sub(then).as_secs_f64().max(0.001);
        let megabytes = bytes.saturating_sub(before) as f64 / 1e6 / seconds;
        line.push_str(&format!("  {megabytes:.1} MB/s"));
        self.last = Some((elapsed, bytes));
        for part in parts {
            line.push_str("  ");
            line.push_str(&part);
        }
        line
    }
}
