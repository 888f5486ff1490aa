//! Lists, summarises and evaluates networks.

mod bench;
mod command;
mod eval;
mod golden;
mod layers;
mod list;
mod summary;

fn main() -> std::process::ExitCode {
    stage::run::<command::Models>()
}
