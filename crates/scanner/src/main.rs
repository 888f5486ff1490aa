//! Sensitivity scan: each layer alone pruned at a series of ratios, accuracy each time.

mod command;
mod points;
mod scan;
mod scores;

fn main() -> std::process::ExitCode {
    stage::run::<command::Scanner>()
}
