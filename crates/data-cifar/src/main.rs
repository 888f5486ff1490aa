//! `data-cifar`: makes dataset artifacts and shows them.

mod cli;
mod fetch;
mod inspect;
mod make;
mod preview;
mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    stage::run::<cli::Cli>()
}
