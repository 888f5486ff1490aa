//! A scratch folder and the binaries that run in it.
#![allow(clippy::disallowed_methods, reason = "tests look at the disk as it is")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use artifact::{Manifest, file};
use tempfile::TempDir;

/// Our binaries.
const NAMES: [&str; 8] =
    ["data-cifar", "trainer", "scanner", "pruner", "finetuner", "models", "deployer", "reporter"];

/// A folder that is removed at the test's end.
pub struct Place(TempDir);

/// How a process ended and what it said.
#[derive(Debug)]
pub struct Said {
    /// Exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// stdout.
    pub out: String,
    /// stderr.
    pub err: String,
}

/// A running binary. Dropping it kills it.
pub struct Child(Option<std::process::Child>);

/// The folder of the binaries: that of the profile under which the tests were built.
///
/// # Panics
/// If they were not built yet.
pub fn binaries() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let folder = test.parent().and_then(Path::parent).expect("target/PROFILE/deps/TEST");
    for name in NAMES {
        let path = folder.join(name);
        assert!(
            path.exists(),
            "{}: not built; `cargo build --release` comes before \
             `cargo test --release` (make test does both)",
            path.display()
        );
    }
    folder.to_owned()
}

/// The bytes that a process wrote, as text.
pub fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Place {
    /// A new, empty folder.
    #[allow(clippy::new_without_default, reason = "a default that makes a folder surprises")]
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        self.0.path()
    }

    /// `name` in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// The manifest of the artifact `name`.
    pub fn manifest(&self, name: &str) -> Manifest {
        Manifest::read(&self.path(name)).expect("a complete artifact")
    }

    /// The bytes of the file `name`.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        file::read(&self.path(name)).expect("the file is there")
    }

    /// Writes the file `name` and the folders above it.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        file::make_folder(path.parent().expect("below the root")).expect("makes folders");
        file::write(&path, bytes).expect("writes");
    }

    /// Every file and folder here, hidden or not, in order.
    pub fn listing(&self) -> Vec<PathBuf> {
        let (mut found, mut open) = (vec![], vec![self.root().to_owned()]);
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(&folder).expect("lists").map(|e| e.expect("an entry")) {
                if entry.file_type().expect("a type").is_dir() {
                    open.push(entry.path());
                }
                found.push(entry.path());
            }
        }
        found.sort();
        found
    }

    /// The command `line`, its first word a binary of ours, to be run here.
    pub fn command(&self, line: &str) -> Command {
        let mut words = line.split_whitespace();
        let binaries = binaries();
        let mut command = Command::new(binaries.join(words.next().expect("a binary's name")));
        command.args(words).current_dir(self.root()).stdin(Stdio::null());
        // One for all tests, and not the user's.
        command.env("SECATEUR_CACHE", binaries.join("test-cache"));
        command
    }

    /// Runs the command `line` to its end.
    pub fn run(&self, line: &str) -> Said {
        self.command(line).output().expect("the binary starts").into()
    }

    /// Runs the command `line` with these environment variables besides.
    pub fn run_with(&self, line: &str, variables: &[(&str, &str)]) -> Said {
        let variables = variables.iter().copied();
        self.command(line).envs(variables).output().expect("the binary starts").into()
    }

    /// Runs the command `line`, which must succeed.
    pub fn succeeds(&self, line: &str) -> Said {
        let said = self.run(line);
        assert_eq!(said.code, Some(0), "{line}: {}", said.err);
        said
    }

    /// Runs the command `line`, which must end with this exit code.
    pub fn fails(&self, line: &str, code: i32) -> Said {
        let said = self.run(line);
        assert_eq!(said.code, Some(code), "{line}: {}", said.err);
        said
    }

    /// Starts the command `line`.
    pub fn start(&self, line: &str) -> Child {
        let mut command = self.command(line);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Child(Some(command.spawn().expect("the binary starts")))
    }

    /// Runs the command `line`, which must fail with `code`, say `expected`, and leave nothing.
    pub fn refuses(&self, line: &str, code: i32, expected: &str) {
        let before = self.listing();
        let said = self.run(line);
        assert!(said.err.contains(expected), "{line}: {:?} lacks {expected:?}", said.err);
        assert_eq!((said.code, said.out.as_str()), (Some(code), ""), "{line}: {}", said.err);
        assert_eq!(self.listing(), before, "{line}: something was left behind");
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let (out, err) = (text_of(&output.stdout), text_of(&output.stderr));
        Self { code: output.status.code(), out, err }
    }
}

impl Child {
    /// Sends the signal `name` (INT, KILL); a process that has ended already gets none.
    pub fn signal(&self, name: &str) {
        let id = self.0.as_ref().expect("it runs until waited for").id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).output();
        sent.expect("every Unix has kill");
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        let child = self.0.as_mut().expect("it runs until waited for");
        child.try_wait().expect("its state is known").is_none()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Said {
        let child = self.0.take().expect("it runs until waited for");
        child.wait_with_output().expect("its end is seen").into()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
