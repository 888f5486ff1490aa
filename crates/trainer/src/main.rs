//! Trains a network, dense or pruned on the way: dataset in, checkpoint out.

mod train;

fn main() -> std::process::ExitCode {
    stage::run::<train::Train>()
}
