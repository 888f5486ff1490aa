//! Trains a dense network: dataset in, checkpoint out.

mod train;

fn main() -> std::process::ExitCode {
    stage::run::<train::Train>()
}
