//! What a stage does when nothing disturbs it, and the states that a kill leaves of it.
#![allow(clippy::disallowed_methods, reason = "tests look at the disk as it is")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use artifact::file;

use crate::content::Content;
use crate::desk::{Desk, copy};
use crate::fault::{Fault, Start};
use crate::judge::Bench;
use crate::process::Run;
use crate::shim::{self, Call, Set};
use crate::stages::Stage;

/// An undisturbed stage.
pub struct Baseline {
    /// The stage.
    pub stage: &'static Stage,
    /// What it makes.
    pub new: Content,
    /// What it replaces where it replaces something.
    pub old: Content,
    /// Its calls, from nothing.
    pub calls: Vec<Call>,
    /// Its calls while it replaces an artifact.
    pub replacing: Vec<Call>,
    /// Bytes that it writes.
    pub bytes: u64,
    /// How long it takes.
    pub took: Duration,
    /// Input files that it reads, from the desk.
    pub reads: Vec<PathBuf>,
    /// What it reads to see that it is finished.
    pub reads_finished: Vec<PathBuf>,
    states: PathBuf,
}

impl Baseline {
    /// Runs `stage` on the desk of `bench`, keeping its states in the new folder `states`.
    pub fn of(stage: &'static Stage, bench: &Bench, states: PathBuf) -> Self {
        let empty = Content::new();
        file::make_folder(&states).expect("makes the folder");
        let mut base = Self {
            stage,
            new: empty.clone(),
            old: empty,
            calls: vec![],
            replacing: vec![],
            bytes: 0,
            took: Duration::ZERO,
            reads: vec![],
            reads_finished: vec![],
            states,
        };
        base.succeeds(bench, &format!("{} {}", base.words(false), stage.other));
        base.old = bench.made(stage).expect("made");
        base.save(Start::Replace, bench.desk);
        (base.replacing, _, _) = base.logged(bench, &base.words(true));
        bench.desk.sweep();
        // Twice: measurements of the first run are not part of its time.
        base.succeeds(bench, &base.words(false));
        bench.desk.sweep();
        (base.calls, base.bytes, base.took) = base.logged(bench, &base.words(false));
        base.new = bench.made(stage).expect("made");
        base.save(Start::Finished, bench.desk);
        base.reads = Self::read(&base.calls, bench.desk, |name| !name.contains(stage.out));
        let (again, ..) = base.logged(bench, &base.words(stage.makes_a_file()));
        base.reads_finished = Self::read(&again, bench.desk, |name| name.starts_with("out/"));
        base.killed(bench, Start::Unfinished, |calls| calls.len() * 6 / 10);
        base.killed(bench, Start::Uncommitted, |calls| {
            calls.iter().rposition(|c| c.kind == "rename").map_or(calls.len(), |at| at + 1)
        });
        base
    }

    /// The command for a trial.
    pub fn line(&self, start: Start) -> String {
        self.words(start == Start::Replace)
    }

    /// Puts the state `start` on `desk`.
    pub fn put(&self, start: Start, desk: &Desk) {
        let saved = self.states.join(name(start));
        if start != Start::Empty && saved.exists() {
            copy(&saved, &desk.folder);
        }
    }

    /// The files of the state `start`, as seen from the desk.
    pub fn files(&self, start: Start) -> Vec<PathBuf> {
        let (root, mut found) = (self.states.join(name(start)), vec![]);
        let mut open = vec![root.clone()];
        while let Some(folder) = open.pop() {
            for path in std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|e| e.path())
            {
                if path.is_dir() {
                    open.push(path);
                } else {
                    found.push(path.strip_prefix(&root).expect("below it").to_owned());
                }
            }
        }
        found.sort();
        found
    }

    fn words(&self, fresh: bool) -> String {
        let fresh = if fresh { " --fresh" } else { "" };
        format!("{} --out {} --threads 2 -q{fresh}", self.stage.line, self.stage.out)
    }

    fn succeeds(&self, bench: &Bench, line: &str) {
        let end = bench.run(line, None);
        assert_eq!(end.code, Some(0), "{}: {line}: {}", self.stage.name, end.err);
    }

    /// Runs `line` to its end and returns its calls, the bytes it wrote and how long it took.
    fn logged(&self, bench: &Bench, line: &str) -> (Vec<Call>, u64, Duration) {
        let log = self.states.join("log");
        let _ = std::fs::remove_file(&log);
        let mut run = Run::of(line);
        let text = |p: &Path| p.to_string_lossy().into_owned();
        run.variables = vec![
            ("SECATEUR_CACHE", text(bench.cache)),
            ("LD_PRELOAD", text(bench.shim)),
            ("FAULT_UNDER", text(&bench.desk.folder)),
            ("FAULT_LOG", text(&log)),
        ];
        let end = run.end(bench.bin, &bench.desk.folder);
        assert_eq!(end.code, Some(0), "{}: {line}: {}", self.stage.name, end.err);
        let (calls, bytes) = shim::log(&log);
        (calls, bytes, end.took)
    }

    /// The files below the desk that `calls` opened and whose names fit.
    fn read(calls: &[Call], desk: &Desk, fits: impl Fn(&str) -> bool) -> Vec<PathBuf> {
        let opened = calls.iter().filter(|c| c.set == Set::Look && c.kind == "open");
        let below = |call: &Call| {
            let path = Path::new(&call.path);
            path.strip_prefix(&desk.folder).unwrap_or(path).to_owned()
        };
        let paths: BTreeSet<PathBuf> = opened.map(below).collect();
        let plain = |p: &PathBuf| desk.path(&p.to_string_lossy()).is_file();
        paths.into_iter().filter(|p| fits(&p.to_string_lossy())).filter(plain).collect()
    }

    /// Saves what a kill leaves at the call that `choose` chooses (counted from 1) of those that
    /// change the disk.
    fn killed(&self, bench: &Bench, start: Start, choose: impl Fn(&[Call]) -> usize) {
        let changes: Vec<Call> =
            self.calls.iter().filter(|c| c.set == Set::Change).cloned().collect();
        bench.desk.sweep();
        bench.run(&self.words(false), Some(&Fault::KilledAt(choose(&changes))));
        self.save(start, bench.desk);
    }

    fn save(&self, start: Start, desk: &Desk) {
        let folder = self.states.join(name(start));
        file::make_folder(&folder).expect("makes the folder");
        for left in desk.left() {
            copy(&desk.path(&left), &folder.join(left));
        }
    }
}

/// The name of a start in trials and folders.
pub fn name(start: Start) -> &'static str {
    match start {
        Start::Empty => "empty",
        Start::Replace => "replace",
        Start::Unfinished => "unfinished",
        Start::Uncommitted => "uncommitted",
        Start::Finished => "finished",
    }
}
