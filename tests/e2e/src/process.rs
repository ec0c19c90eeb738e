//! A child process whose output is captured and can be waited on.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::limits;
use crate::wait::until;

/// Which stream a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// One line of output, without its end.
#[derive(Debug, Clone)]
pub struct Line {
    /// Where it was written.
    pub stream: Stream,
    /// What was written; bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// A child process. It is killed when dropped, and its output is printed when
/// the test that holds it fails.
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Output>,
}

/// What a process has written so far, shared with the threads that read it.
#[derive(Default)]
struct Output {
    state: Mutex<Written>,
    changed: Condvar,
}

#[derive(Default)]
struct Written {
    lines: Vec<Line>,
    streams_open: u8,
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, Written> {
        self.state.lock().expect("no reader panics")
    }

    fn read(self: &Arc<Self>, stream: Stream, pipe: impl Read + Send + 'static) {
        self.lock().streams_open += 1;
        let output = Arc::clone(self);
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut bytes = Vec::new();
            while matches!(pipe.read_until(b'\n', &mut bytes), Ok(1..)) {
                let text =
                    String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned();
                bytes.clear();
                output.lock().lines.push(Line { stream, text });
                output.changed.notify_all();
            }
            output.lock().streams_open -= 1;
            output.changed.notify_all();
        });
    }
}

/// A command whose process is killed when the thread that started it ends, so
/// that a test runner which is killed itself leaves nothing behind.
pub fn tied_command(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

impl Process {
    /// Starts `command` with both streams captured and no standard input,
    /// unless the command was given one. `name` stands in messages.
    pub fn spawn(name: &str, command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("cannot start {name} ({:?}): {error}", command.get_program())
        });
        let output = Arc::new(Output::default());
        output.read(Stream::Out, child.stdout.take().expect("stdout is piped"));
        output.read(Stream::Err, child.stderr.take().expect("stderr is piped"));
        Self { name: name.to_owned(), child, output }
    }

    /// Starts `command`, waits until it has ended, and gives its standard output.
    ///
    /// # Panics
    /// When it fails, or has not ended within [`limits::CLIENT`].
    pub fn run(name: &str, command: &mut Command) -> Vec<String> {
        let mut process = Self::spawn(name, command.stdin(Stdio::null()));
        let status = process.ended(limits::CLIENT);
        assert!(status.success(), "{name} ended with {status}");
        process.lines(Stream::Out)
    }

    /// The id of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Standard input, when the command was given a pipe for it.
    pub fn stdin(&mut self) -> Option<std::process::ChildStdin> {
        self.child.stdin.take()
    }

    /// The lines that a stream has had so far.
    pub fn lines(&self, stream: Stream) -> Vec<String> {
        let written = self.output.lock();
        let lines = written.lines.iter().filter(|line| line.stream == stream);
        lines.map(|line| line.text.clone()).collect()
    }

    /// Waits for a line in which `find` finds something, from the first line on.
    ///
    /// # Panics
    /// When the process closed its output without it, or `deadline` passed.
    pub fn wait_for<T>(
        &self,
        what: &str,
        deadline: Duration,
        mut find: impl FnMut(&Line) -> Option<T>,
    ) -> T {
        let started = Instant::now();
        let mut seen = 0;
        let mut written = self.output.lock();
        loop {
            if let Some(found) = written.lines[seen..].iter().find_map(&mut find) {
                return found;
            }
            seen = written.lines.len();
            let open = written.streams_open > 0;
            let left = deadline.checked_sub(started.elapsed());
            let Some(left) = left.filter(|_| open) else {
                // A panic must not poison what Drop prints from.
                drop(written);
                let why = if open { "in time" } else { "before it ended" };
                panic!("{}: no {what} {why} ({:?})", self.name, started.elapsed());
            };
            written = self.output.changed.wait_timeout(written, left).expect("no reader panics").0;
        }
    }

    /// The exit status, if the process has ended.
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Waits until the process has ended and its output was read to the end.
    ///
    /// # Panics
    /// When `deadline` passes first.
    pub fn ended(&mut self, deadline: Duration) -> ExitStatus {
        let what = format!("end of {}", self.name);
        let status =
            until(&what, deadline, || self.child.try_wait().expect("a child can be waited for"));
        until(&what, deadline, || (self.output.lock().streams_open == 0).then_some(()));
        status
    }

    /// Asks the process to end (SIGTERM) and waits until it has.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended(limits::STOP)
    }

    /// Ends the process as a power failure would (SIGKILL).
    pub fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.ended(limits::STOP);
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id() as i32).expect("a child's id is positive");
        kill_process(pid, signal)
            .unwrap_or_else(|error| panic!("cannot signal {}: {error}", self.name));
    }

    /// The lines of both streams so far: those of standard output, then those of standard
    /// error.
    pub fn all_lines(&self) -> Vec<String> {
        [self.lines(Stream::Out), self.lines(Stream::Err)].concat()
    }

    /// Bytes of memory that the process has in use now (`VmRSS`).
    pub fn resident_bytes(&self) -> u64 {
        self.memory("VmRSS:").expect("the process runs")
    }

    /// The most bytes of memory that the process ever had in use (`VmHWM`).
    pub fn resident_bytes_max(&self) -> u64 {
        self.memory("VmHWM:").expect("the process runs")
    }

    /// The same, or nothing when the process has ended meanwhile.
    pub fn resident_bytes_max_if_alive(&self) -> Option<u64> {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with(field))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both may fail because it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("{self}");
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for stream in [Stream::Out, Stream::Err] {
            let lines = self.lines(stream);
            let left_out = lines.len().saturating_sub(limits::PRINTED_LINES_MAX);
            writeln!(out, "--- {} ({stream:?}, {left_out} earlier lines left out)", self.name)?;
            for line in &lines[left_out..] {
                writeln!(out, "{line}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Process").field("name", &self.name).field("id", &self.id()).finish()
    }
}
