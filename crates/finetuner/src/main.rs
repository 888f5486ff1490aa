//! Trains a pruned network under its masks: pruned checkpoint in, tuned checkpoint out.

mod quantise;
mod start;
mod tune;

fn main() -> std::process::ExitCode {
    stage::run::<tune::Tune>()
}
