//! Which faults are tried on a stage.

use std::path::{Path, PathBuf};

use artifact::names;
use seed::Stream;

use crate::baseline::{Baseline, name};
use crate::damage::Damage;
use crate::fault::{Fault, Start};
use crate::shim::{Call, Set};

/// Kills a stage.
const KILLS: usize = 50;
/// Of these, at calls from each of the two starts.
const KILLS_AT_CALLS: usize = 20;
/// Sizes of a full disk.
const SIZES: usize = 25;
/// Calls of a set that fail, one a trial; more are spread over all of them.
const MOST_CALLS: usize = 100;
const MOST_LOOKS: usize = 40;
/// Limits on a process's memory, MiB.
const MEMORY: [u64; 14] = [16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536];
/// Turned bits a stage, over the files of one state.
const FLIPS: usize = 160;

/// One trial.
pub struct Trial {
    /// In the table: the column.
    pub kind: &'static str,
    /// Where it starts.
    pub start: Start,
    /// What is done.
    pub fault: Fault,
    /// In words, for its name.
    detail: String,
}

impl Trial {
    fn new(kind: &'static str, start: Start, fault: Fault, detail: String) -> Self {
        Self { kind, start, fault, detail }
    }

    /// Its name, by which it is run again.
    pub fn name(&self, stage: &str) -> String {
        format!("{stage}/{}/{}/{}", self.kind, name(self.start), self.detail)
    }
}

/// All trials of a stage.
pub fn all(base: &Baseline, stream: &mut Stream) -> Vec<Trial> {
    let mut all = kills(base);
    for start in [Start::Empty, Start::Replace] {
        calls(base, start, &mut all);
    }
    full(base, &mut all);
    limits(base, &mut all);
    damages(base, stream, &mut all);
    all
}

/// `most` of the numbers 1 to `all`, evenly spread; all of them where they are no more.
fn spread(all: usize, most: usize) -> Vec<usize> {
    let count = all.min(most);
    (0..count).map(|i| 1 + i * all / count).collect()
}

fn of(base: &Baseline, start: Start, set: Set) -> Vec<&Call> {
    let calls = if start == Start::Replace { &base.replacing } else { &base.calls };
    calls.iter().filter(|c| c.set == set).collect()
}

fn kills(base: &Baseline) -> Vec<Trial> {
    let mut all = vec![];
    for start in [Start::Empty, Start::Replace] {
        let changes = of(base, start, Set::Change);
        for at in spread(changes.len(), KILLS_AT_CALLS) {
            let detail = format!("{at}-{}", changes[at - 1].kind);
            all.push(Trial::new("kill", start, Fault::KilledAt(at), detail));
        }
    }
    let left = KILLS.saturating_sub(all.len());
    for i in 0..left {
        let share = (i as f64 + 0.5) / left as f64;
        let fault = Fault::KilledAfter(base.took.mul_f64(share));
        all.push(Trial::new("kill", Start::Empty, fault, format!("at-{:.0}%", share * 100.0)));
    }
    all
}

fn calls(base: &Baseline, start: Start, all: &mut Vec<Trial>) {
    let mut add = |kind, set, most, (errno, stays): (&'static str, bool)| {
        let calls = of(base, start, set);
        for at in spread(calls.len(), most) {
            let call = calls[at - 1];
            let file = Path::new(&call.path).file_name().unwrap_or_default().to_string_lossy();
            let detail =
                format!("{at}-{}-{file}-{errno}{}", call.kind, if stays { "-on" } else { "" });
            all.push(Trial::new(kind, start, Fault::Call { set, at, errno, stays }, detail));
        }
    };
    add("write fails", Set::Change, MOST_CALLS, ("EIO", false));
    add("write fails", Set::Change, MOST_CALLS, ("ENOSPC", true));
    add("read fails", Set::Look, MOST_LOOKS, ("EIO", false));
    if start == Start::Empty {
        add("no thread", Set::Thread, MOST_CALLS, ("EAGAIN", false));
        add("no thread", Set::Thread, MOST_CALLS, ("EAGAIN", true));
    }
}

fn full(base: &Baseline, all: &mut Vec<Trial>) {
    for i in 0..SIZES {
        let bytes = base.bytes * i as u64 / SIZES as u64;
        let start = if i % 2 == 0 { Start::Empty } else { Start::Replace };
        all.push(Trial::new("disk full", start, Fault::Full(bytes), format!("{bytes}-bytes")));
    }
}

fn limits(base: &Baseline, all: &mut Vec<Trial>) {
    let largest = base.new.values().map(Vec::len).max().unwrap_or(0);
    let mut add = |flag: String| {
        let detail = flag.trim_start_matches("--").to_owned();
        all.push(Trial::new("limit", Start::Empty, Fault::Limit(flag), detail));
    };
    for eighth in 0..8 {
        add(format!("--fsize={}", largest * eighth / 8));
    }
    for files in 3..16 {
        add(format!("--nofile={files}"));
    }
    for mib in MEMORY {
        add(format!("--as={}", mib << 20));
    }
}

fn damages(base: &Baseline, stream: &mut Stream, all: &mut Vec<Trial>) {
    let mut add = |kind, start, files: &[PathBuf]| {
        let most = (FLIPS / files.len().max(1)).clamp(6, 40);
        // Times are not guarded: no digest covers them, and nothing but the report's times follows from them.
        for file in files.iter().filter(|f| !f.ends_with(names::TIMINGS)) {
            let lines = file.extension().is_some_and(|e| e == "jsonl");
            // An ONNX file carries no check sums: a turned bit is another weight.
            let flips = if file.extension().is_some_and(|e| e == "onnx") { 0 } else { most };
            for damage in Damage::all(flips, lines, stream) {
                let detail = format!("{}-{damage}", file.display()).replace('/', "_");
                all.push(Trial::new(kind, start, Fault::Damaged(file.clone(), damage), detail));
            }
        }
    };
    add("input damaged", Start::Empty, &base.reads);
    add("state damaged", Start::Unfinished, &base.files(Start::Unfinished));
    add("state damaged", Start::Uncommitted, &base.files(Start::Uncommitted));
    add("state damaged", Start::Finished, &base.reads_finished);
}
