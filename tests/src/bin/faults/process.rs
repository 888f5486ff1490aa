//! One run of a binary: its environment, its limits, its end.

use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Longer than any of the tiny runs takes, on a slow machine too.
const PATIENCE: Duration = Duration::from_secs(90);

/// A command to be run.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// The binary's name and its arguments.
    pub line: String,
    /// Environment variables.
    pub variables: Vec<(&'static str, String)>,
    /// A flag of `prlimit`.
    pub limit: Option<String>,
    /// When to kill it, if it still runs.
    pub killed_after: Option<Duration>,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct End {
    /// Its exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether it had to be ended here.
    pub hung: bool,
    /// What it said on stderr.
    pub err: String,
    /// How long it ran.
    pub took: Duration,
}

impl End {
    /// Whether the machine's loader refused the program before it began.
    pub fn never_began(&self) -> bool {
        self.code == Some(127) && self.err.contains("error while loading shared libraries")
    }
}

impl Run {
    /// `line` without a fault.
    pub fn of(line: &str) -> Self {
        Self { line: line.to_owned(), ..Self::default() }
    }

    /// Runs it in `desk` with the binaries in `bin`.
    pub fn end(&self, bin: &Path, desk: &Path) -> End {
        let begun = Instant::now();
        let mut child = self.command(bin, desk).spawn().expect("the binary starts");
        let mut stderr = child.stderr.take().expect("it is piped");
        let said = std::thread::spawn(move || {
            let mut bytes = vec![];
            let _ = stderr.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let (status, hung) = self.wait(&mut child, begun);
        let err = said.join().expect("a reader does not panic");
        let (code, signal) = (status.code(), status.signal());
        End { code, signal, hung, err, took: begun.elapsed() }
    }

    fn command(&self, bin: &Path, desk: &Path) -> Command {
        let mut words = self.line.split_whitespace();
        let program = bin.join(words.next().expect("a binary's name"));
        let mut command = match &self.limit {
            None => Command::new(program),
            Some(limit) => {
                let mut command = Command::new("prlimit");
                command.arg(limit).arg(program);
                command
            }
        };
        command.args(words).current_dir(desk).envs(self.variables.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    fn wait(&self, child: &mut Child, begun: Instant) -> (ExitStatus, bool) {
        let mut killed = false;
        loop {
            if let Some(status) = child.try_wait().expect("its state is known") {
                return (status, false);
            }
            if !killed && self.killed_after.is_some_and(|after| begun.elapsed() >= after) {
                let _ = child.kill();
                killed = true;
            }
            if begun.elapsed() > PATIENCE {
                let _ = child.kill();
                return (child.wait().expect("its end is seen"), true);
            }
            std::thread::sleep(Duration::from_micros(500));
        }
    }
}
