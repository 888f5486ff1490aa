//! A fault: what is done to a run, or to a file that it reads.

use std::path::PathBuf;
use std::time::Duration;

use crate::damage::Damage;
use crate::process::Run;
use crate::shim::Set;

/// The exit codes with which a damaged file is refused.
pub const DAMAGED: &[i32] = &[3, 4, 5];

/// What stands at `--out` and beside it before the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Start {
    /// Nothing.
    Empty,
    /// Another artifact, which `--fresh` replaces.
    Replace,
    /// What a kill in the middle of the work left.
    Unfinished,
    /// What a kill just before the last rename left.
    Uncommitted,
    /// The artifact, finished.
    Finished,
}

/// A fault.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The process is killed at its `at`-th call that changes the disk.
    KilledAt(usize),
    /// The process is killed after this time.
    KilledAfter(Duration),
    /// The `at`-th call of a set fails.
    Call {
        /// Which calls are counted.
        set: Set,
        /// Which of them fails, counted from 1.
        at: usize,
        /// How.
        errno: &'static str,
        /// Whether all after it fail too.
        stays: bool,
    },
    /// A disk with room for this many more bytes.
    Full(u64),
    /// A flag of `prlimit`.
    Limit(String),
    /// A file, named from the desk, is damaged before the run.
    Damaged(PathBuf, Damage),
}

impl Fault {
    /// Puts the fault to `run`, of which the library counts calls below `under`.
    pub fn put_to(&self, run: &mut Run, shim: &str, under: &str) {
        let mut set = |more: Vec<(&'static str, String)>| {
            run.variables.push(("LD_PRELOAD", shim.to_owned()));
            run.variables.push(("FAULT_UNDER", under.to_owned()));
            run.variables.extend(more);
        };
        match self {
            Self::KilledAt(at) => set(vec![
                ("FAULT_SET", Set::Change.name().into()),
                ("FAULT_AT", at.to_string()),
                ("FAULT_DO", "kill".into()),
            ]),
            Self::Call { set: of, at, errno, stays } => {
                let mut all = vec![
                    ("FAULT_SET", of.name().to_owned()),
                    ("FAULT_AT", at.to_string()),
                    ("FAULT_DO", (*errno).to_owned()),
                ];
                all.extend(stays.then(|| ("FAULT_STAY", "1".to_owned())));
                set(all);
            }
            Self::Full(bytes) => set(vec![("FAULT_BYTES", bytes.to_string())]),
            Self::KilledAfter(after) => run.killed_after = Some(*after),
            Self::Limit(flag) => run.limit = Some(flag.clone()),
            Self::Damaged(..) => {}
        }
    }

    /// Whether it ends the process by a signal of ours.
    pub fn kills(&self) -> bool {
        matches!(self, Self::KilledAt(_) | Self::KilledAfter(_))
    }

    /// The exit codes with which a stage may refuse to go on.
    pub fn codes(&self) -> &'static [i32] {
        match self {
            Self::Call { set: Set::Look, .. } => &[4, 6],
            Self::Damaged(..) => DAMAGED,
            _ => &[6],
        }
    }
}
