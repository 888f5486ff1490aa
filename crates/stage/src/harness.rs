//! From the command line to an exit code.

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use artifact::Error;
use clap::Parser;
use tracing_subscriber::filter::LevelFilter;

use crate::{Common, OnlyWith, effect, interrupt, output, recipe};

/// Exit codes, as every `--help` ends.
const CODES: &str = "Exit codes: 0 done or already done, 1 bug, 2 command line, 3 invalid config, \
manifest or data, 4 input missing, 5 integrity (digest, truncation, shape), 6 resource (disk, \
memory, device), 7 diverged, 8 locked by another process, 75 interrupted after a good checkpoint \
(run again to go on).";

/// A binary's command line.
pub trait Command: Parser {
    /// The recipe section of this binary: its name.
    const SECTION: &'static str;
    /// Flags that are refused where they would have no effect.
    const ONLY_WITH: &'static [OnlyWith] = &[];
    /// The shared flags.
    fn common(&self) -> &Common;
    /// Does the work.
    fn run(self) -> anyhow::Result<()>;
}

/// The whole of `main`: parses, runs, prints the error chain, gives the exit code.
pub fn run<C: Command>() -> ExitCode {
    // A bug is exit code 1; the panic's own message and place were printed by then.
    let outcome = catch_unwind(AssertUnwindSafe(attempt::<C>));
    match outcome {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(e)) => report(&e),
        Err(_) => {
            output::tell("error: this is a bug; please report it with the lines above");
            ExitCode::from(1)
        }
    }
}

fn attempt<C: Command>() -> anyhow::Result<()> {
    let command = C::command().after_help(CODES).version(env!("CARGO_PKG_VERSION"));
    let typed: Vec<OsString> = std::env::args_os().collect();
    let arguments = recipe::expand(&command, C::SECTION, typed.clone())?;
    let matches = command.clone().get_matches_from(arguments);
    let parsed = typed_flags::<C>(&matches);
    let common = parsed.common();
    start_log(common);
    effect::check(C::ONLY_WITH, &command, &matches, &typed)?;
    interrupt::install()?;
    rayon::ThreadPoolBuilder::new()
        .num_threads(common.threads)
        .build_global()
        .map_err(|e| Error::Resource(format!("--threads {}: {e}", common.threads)))?;
    parsed.run()
}

/// Worker threads in use.
pub fn threads() -> usize {
    rayon::current_num_threads()
}

/// clap prints usage errors, help and version itself and exits with 2 or 0.
fn typed_flags<C: Command>(matches: &clap::ArgMatches) -> C {
    C::from_arg_matches(matches).unwrap_or_else(|e| e.format(&mut C::command()).exit())
}

fn start_log(common: &Common) {
    let level = match (common.quiet, common.verbose) {
        (true, _) => LevelFilter::WARN,
        (false, 0) => LevelFilter::INFO,
        (false, 1) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(|| output::LogLines)
        .log_internal_errors(false)
        .with_target(false)
        .without_time()
        .with_level(common.verbose > 0)
        .init();
}

fn report(error: &anyhow::Error) -> ExitCode {
    output::tell(&format!("error: {error:#}"));
    let known = error.chain().find_map(|e| e.downcast_ref::<Error>());
    ExitCode::from(known.map_or(1, Error::exit_code))
}
