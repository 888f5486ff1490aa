//! The whole run: inputs, baselines, trials on all cores, the table.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use artifact::file;
use seed::stream;

use crate::baseline::Baseline;
use crate::desk::Desk;
use crate::flags::Flags;
use crate::judge::{self, Bench, Failure, Wrong};
use crate::parsers::{INPUTS as MUTATED, PARSERS, Parser};
use crate::process::Run;
use crate::stages::{INPUTS, STAGES, Stage};
use crate::table::{Outcome, Table};
use crate::trials::{self, Trial};
use crate::{shim, sources};

/// Trials of each stage and kind in a quick run, and mutated inputs of each parser.
const QUICK: usize = 1;
const QUICK_MUTATED: usize = 4;

/// Failures of one kind at one place of the table that are shown.
const EXAMPLES: usize = 5;

/// Folders and files that all trials share.
struct Shared {
    bin: PathBuf,
    root: PathBuf,
    shim: PathBuf,
}

/// What is tried.
enum Task<'a> {
    Stage(&'a Baseline, Trial),
    Parser(&'static Parser, u64),
}

/// Runs the trials that `flags` ask for.
pub fn run(flags: &Flags) -> ExitCode {
    let begun = Instant::now();
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let shared = Shared::new(flags, scratch.path());
    let baselines = shared.baselines(flags);
    eprintln!("{} stages ready after {:.0} s", baselines.len(), begun.elapsed().as_secs_f64());
    let tasks = tasks(flags, &shared, &baselines);
    let outcomes = shared.all(flags, &tasks);
    let table = Table::of(outcomes);
    println!("{}", table.text());
    println!("{} trials in {:.0} s", table.trials(), begun.elapsed().as_secs_f64());
    if table.trials() == 0 {
        eprintln!("error: nothing was tried; --only names no trial");
        return ExitCode::from(2);
    }
    if table.failures() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Shared {
    fn new(flags: &Flags, scratch: &Path) -> Self {
        let bin = flags.bin.canonicalize().expect("--bin: the folder of the binaries");
        let root = scratch.canonicalize().expect("it was made");
        let shared = Self { shim: shim::compile(&root), bin, root };
        let inputs = shared.root.join("inputs");
        file::make_folder(&inputs).expect("makes the folder");
        for line in INPUTS {
            let mut run = Run::of(&format!("{line} -q --threads 2"));
            run.variables = vec![("SECATEUR_CACHE", shared.cache().to_string_lossy().into_owned())];
            let end = run.end(&shared.bin, &inputs);
            assert_eq!(end.code, Some(0), "{line}: {}", end.err);
        }
        sources::write(&inputs);
        shared
    }

    fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    fn desk(&self, name: &str) -> Desk {
        Desk::new(&self.root.join("inputs"), self.root.join(name))
    }

    fn on<R>(&self, desk: &Desk, f: impl FnOnce(&Bench) -> R) -> R {
        f(&Bench { bin: &self.bin, shim: &self.shim, cache: &self.cache(), desk })
    }

    fn baselines(&self, flags: &Flags) -> Vec<Baseline> {
        let desk = self.desk("first");
        // A trial by its full name needs its own stage alone.
        let named = |s: &Stage| flags.only.as_ref().is_some_and(|o| o.starts_with(s.name));
        let none = flags.only.as_ref().is_some_and(|o| o.starts_with("parsers"));
        let any = STAGES.iter().any(named);
        let asked = STAGES.iter().filter(|s| !none && (!any || named(s)));
        let of = |stage: &'static Stage| {
            desk.sweep();
            let states = self.root.join("states").join(stage.name.replace(' ', "-"));
            self.on(&desk, |bench| Baseline::of(stage, bench, states))
        };
        asked.map(of).collect()
    }

    /// The outcomes of `tasks`, in their order.
    fn all(&self, flags: &Flags, tasks: &[Task]) -> Vec<Outcome> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let jobs = if flags.jobs == 0 { cores } else { flags.jobs };
        let (next, done) = (AtomicUsize::new(0), Mutex::new(vec![]));
        let told = Mutex::new(Told::default());
        let worker = |number: usize| {
            let desk = self.desk(&format!("desk{number}"));
            while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                let failure = self.on(&desk, |bench| task.judge(bench, flags.seed));
                if let Some(found) = &failure {
                    told.lock().expect("no worker panicked").tell(task, found);
                    if let Some(to) = &flags.keep {
                        judge::keep(&desk, &to.join(task.name().replace(['/', ' '], "_")));
                    }
                }
                let (row, column) = task.place();
                let outcome = Outcome { row, column, failure: failure.map(|f| f.0) };
                done.lock().expect("no worker panicked").push(outcome);
            }
        };
        let ended = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| watch(&next, tasks.len(), &ended));
            let workers: Vec<_> = (0..jobs).map(|n| scope.spawn(move || worker(n))).collect();
            for worker in workers {
                worker.join().expect("a worker does not panic");
            }
            ended.store(true, Ordering::Relaxed);
        });
        done.into_inner().expect("no worker panicked")
    }
}

fn tasks<'a>(flags: &Flags, shared: &Shared, baselines: &'a [Baseline]) -> Vec<Task<'a>> {
    let mut all = vec![];
    for base in baselines {
        let mut random = stream(flags.seed, &format!("faults/{}", base.stage.name), 0);
        let tasks = trials::all(base, &mut random).into_iter().map(|t| Task::Stage(base, t));
        all.extend(tasks.filter(|t| flags.wants(&t.name())));
    }
    let desk = shared.desk("parsers");
    for parser in &PARSERS {
        let count = if flags.quick { QUICK_MUTATED as u64 } else { MUTATED };
        let tasks: Vec<Task> = (0..count)
            .map(|number| Task::Parser(parser, number))
            .filter(|t| flags.wants(&t.name()))
            .collect();
        if !tasks.is_empty() && !shared.on(&desk, |bench| parser.reads(bench)) {
            eprintln!("{}: this program does not read it; left out", parser.name);
            continue;
        }
        all.extend(tasks);
    }
    if flags.quick { sampled(all, flags.seed) } else { all }
}

/// Some trials of each place in the table, chosen by `seed`.
fn sampled(tasks: Vec<Task<'_>>, seed: u64) -> Vec<Task<'_>> {
    let mut random = stream(seed, "faults/quick", 0);
    let mut by_place = BTreeMap::<_, Vec<Task>>::new();
    for task in tasks {
        by_place.entry(task.place()).or_default().push(task);
    }
    let mut chosen = vec![];
    for mut of_place in by_place.into_values() {
        let parser = matches!(of_place[0], Task::Parser(..));
        for _ in 0..if parser { QUICK_MUTATED } else { QUICK }.min(of_place.len()) {
            chosen.push(of_place.swap_remove(random.below(of_place.len())));
        }
    }
    chosen
}

impl Task<'_> {
    fn name(&self) -> String {
        match self {
            Self::Stage(base, trial) => trial.name(base.stage.name),
            Self::Parser(parser, number) => format!("parsers/{}/{number}", parser.name),
        }
    }

    /// Row and column in the table.
    fn place(&self) -> (&'static str, &'static str) {
        match self {
            Self::Stage(base, trial) => (base.stage.name, trial.kind),
            Self::Parser(parser, _) => (parser.name, "input mutated"),
        }
    }

    fn judge(&self, bench: &Bench, seed: u64) -> Option<Failure> {
        match self {
            Self::Stage(base, trial) => bench.judge(base, trial.start, &trial.fault).err(),
            Self::Parser(parser, number) => parser.judge(bench, seed, *number).err(),
        }
    }
}

/// How often each way to fail was seen at each place of the table.
#[derive(Default)]
struct Told(BTreeMap<((&'static str, &'static str), Wrong), usize>);

impl Told {
    /// Says what failed, the first few times.
    fn tell(&mut self, task: &Task, (wrong, what): &Failure) {
        let count = self.0.entry((task.place(), *wrong)).or_default();
        *count += 1;
        match *count {
            n if n < EXAMPLES => eprintln!("FAILED {}: {wrong}: {what}", task.name()),
            EXAMPLES => eprintln!("FAILED {}: {wrong}: {what} (more are counted)", task.name()),
            _ => {}
        }
    }
}

/// Says now and then how far the trials are.
fn watch(next: &AtomicUsize, all: usize, ended: &std::sync::atomic::AtomicBool) {
    let mut told = Instant::now();
    while !ended.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(100));
        if told.elapsed() > Duration::from_secs(20) {
            eprintln!("{} of {all} trials", next.load(Ordering::Relaxed).min(all));
            told = Instant::now();
        }
    }
}
