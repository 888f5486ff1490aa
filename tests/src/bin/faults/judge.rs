//! The one judge: a trial is run, and what came of it is held to what was promised.
#![allow(clippy::disallowed_methods, reason = "tests look at the disk as it is")]

use std::fmt;
use std::path::Path;

use artifact::{file, names};

use crate::baseline::Baseline;
use crate::content::{self, Content};
use crate::damage::Damage;
use crate::desk::{Desk, copy};
use crate::fault::{DAMAGED, Fault, Start};
use crate::process::{End, Run};
use crate::stages::Stage;

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// Exit code 0 with other bytes than the undisturbed run's.
    Success,
    /// A panic, or an error without a class: exit code 1.
    Panic,
    /// A signal that was not ours.
    Signal,
    /// It had to be ended.
    Hang,
    /// Neither the old nor the new artifact stands whole at its name.
    Lost,
    /// Running the command again did not lead to the undisturbed run's bytes.
    Again,
    /// An exit code that says something else, or no message.
    Code,
    /// A message with control characters.
    Control,
    /// After going on, something is left beside the artifact.
    Left,
}

impl Wrong {
    /// All, in the order of the table.
    pub const ALL: [Self; 9] = [
        Self::Success,
        Self::Panic,
        Self::Signal,
        Self::Hang,
        Self::Lost,
        Self::Again,
        Self::Code,
        Self::Control,
        Self::Left,
    ];
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(match self {
            Self::Success => "wrong success",
            Self::Panic => "panic",
            Self::Signal => "signal",
            Self::Hang => "hang",
            Self::Lost => "artifact lost",
            Self::Again => "other bytes after going on",
            Self::Code => "exit code",
            Self::Control => "control characters",
            Self::Left => "left behind",
        })
    }
}

/// What went wrong, and what was seen.
pub type Failure = (Wrong, String);

/// Where runs are made and with what.
pub struct Bench<'a> {
    /// The binaries.
    pub bin: &'a Path,
    /// The library that makes calls fail.
    pub shim: &'a Path,
    /// The cache of measurements.
    pub cache: &'a Path,
    /// The folder to work in.
    pub desk: &'a Desk,
}

impl Bench<'_> {
    /// Runs `line`, with `fault` if there is one.
    pub fn run(&self, line: &str, fault: Option<&Fault>) -> End {
        let mut run = Run::of(line);
        let text = |p: &Path| p.to_string_lossy().into_owned();
        run.variables.push(("SECATEUR_CACHE", text(self.cache)));
        if let Some(fault) = fault {
            fault.put_to(&mut run, &text(self.shim), &text(&self.desk.folder));
        }
        run.end(self.bin, &self.desk.folder)
    }

    /// What `stage` left at its place.
    pub fn made(&self, stage: &Stage) -> Option<Content> {
        content::of(&self.desk.path(stage.out))
    }

    /// Runs `stage` from `start` under `fault`, and judges.
    pub fn judge(&self, baseline: &Baseline, start: Start, fault: &Fault) -> Result<(), Failure> {
        self.desk.sweep();
        baseline.put(start, self.desk);
        let line = baseline.line(start);
        if let Fault::Damaged(path, damage) = fault {
            return self.damaged(baseline, start, (path, damage));
        }
        let end = self.run(&line, Some(fault));
        self.after_fault(baseline, (start, fault), &end)?;
        self.goes_on(baseline, &line)
    }

    fn damaged(
        &self,
        baseline: &Baseline,
        start: Start,
        (path, damage): (&Path, &Damage),
    ) -> Result<(), Failure> {
        let path = self.desk.folder.join(path);
        let whole = file::read(&path).expect("the state holds it");
        file::write(&path, &damage.done_to(&whole)).expect("writes");
        let end = self.run(&baseline.line(start), None);
        let judged = self.after_damage(baseline, start, &end);
        // An input is whole again for the next trial; all else is swept.
        if path.exists() {
            file::write(&path, &whole).expect("writes");
        }
        judged
    }

    fn after_damage(&self, base: &Baseline, start: Start, end: &End) -> Result<(), Failure> {
        check_end(end, DAMAGED)?;
        let made = self.made(base.stage);
        if end.code == Some(0) {
            let made = made.unwrap_or_default();
            let (made, whole) =
                (content::without_inputs(&made), content::without_inputs(&base.new));
            return match content::difference(&made, &whole) {
                Some(file) => Err((Wrong::Success, format!("exit code 0, {file} differs"))),
                None => Ok(()),
            };
        }
        match (start, made) {
            (Start::Finished, _) | (_, None) => Ok(()),
            (_, Some(_)) => Err((Wrong::Lost, "refused, and yet something stands at --out".into())),
        }
    }

    fn after_fault(
        &self,
        base: &Baseline,
        (start, fault): (Start, &Fault),
        end: &End,
    ) -> Result<(), Failure> {
        if !(end.never_began() || fault.kills() && end.signal == Some(9)) {
            check_end(end, fault.codes())?;
        }
        let mut made = self.made(base.stage);
        if let Some(made) = made.as_mut().filter(|_| end.code != Some(0)) {
            // The mark by which a commit cut short behind its rename is known; going on removes it.
            made.remove(names::RUN);
        }
        let new = made.as_ref().map(|m| content::difference(m, &base.new));
        if end.code == Some(0) {
            return match new {
                Some(None) => Ok(()),
                Some(Some(file)) => Err((Wrong::Success, format!("exit code 0, {file} differs"))),
                None => Err((Wrong::Success, "exit code 0 and nothing at --out".into())),
            };
        }
        match (start, new) {
            (_, Some(None)) => Ok(()),
            (Start::Replace, _) => match made.map(|m| content::difference(&m, &base.old)) {
                Some(None) => Ok(()),
                Some(Some(file)) => Err((Wrong::Lost, format!("{file} is neither old nor new"))),
                None => Err((Wrong::Lost, "the old artifact is not at its name".into())),
            },
            (_, None) => Ok(()),
            (_, Some(Some(file))) => Err((Wrong::Lost, format!("half an artifact: {file}"))),
        }
    }

    fn goes_on(&self, base: &Baseline, line: &str) -> Result<(), Failure> {
        // A single file that stands is never written again; without --fresh that is refused.
        if base.stage.makes_a_file() && self.made(base.stage).as_ref() == Some(&base.new) {
            return Ok(());
        }
        let end = self.run(line, None);
        if end.code != Some(0) {
            return Err((Wrong::Again, format!("{:?}: {}", end.code, last_line(&end.err))));
        }
        let made = self.made(base.stage).unwrap_or_default();
        if let Some(file) = content::difference(&made, &base.new) {
            return Err((Wrong::Again, format!("{file} differs")));
        }
        match self.desk.left().into_iter().find(|n| n != base.stage.out) {
            Some(name) => Err((Wrong::Left, name)),
            None => Ok(()),
        }
    }
}

/// Keeps a copy of the desk where it failed.
pub fn keep(desk: &Desk, to: &Path) {
    copy(&desk.folder, to);
}

/// An end is 0, or one of `codes` with a printable message.
pub fn check_end(end: &End, codes: &[i32]) -> Result<(), Failure> {
    let said = last_line(&end.err);
    if end.hung {
        return Err((Wrong::Hang, said));
    }
    match (end.code, end.signal) {
        (None, signal) => return Err((Wrong::Signal, format!("signal {signal:?}: {said}"))),
        (Some(1 | 101), _) => return Err((Wrong::Panic, said)),
        (Some(0), _) => {}
        (Some(code), _) if !codes.contains(&code) => {
            return Err((Wrong::Code, format!("exit code {code}: {said}")));
        }
        _ if !end.err.contains("error: ") => return Err((Wrong::Code, "no message".into())),
        _ => {}
    }
    match end.err.chars().find(|c| c.is_control() && *c != '\n' && *c != '\t') {
        Some(c) => Err((Wrong::Control, format!("{c:?} in {:?}", end.err))),
        None => Ok(()),
    }
}

fn last_line(text: &str) -> String {
    let line = text.lines().rfind(|l| l.contains("error: ")).or(text.lines().last());
    line.unwrap_or_default().chars().take(300).collect()
}
