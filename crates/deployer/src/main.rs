//! Packs a pruned checkpoint, runs it, verifies and times it.

#![allow(clippy::doc_markdown, reason = "flags' texts are read in a terminal, without backticks")]

mod bench;
mod calibrate;
mod command;
mod deploy;
mod inspect;
mod pack;
mod predict;
mod text;
mod unpack;
mod verify;

fn main() -> std::process::ExitCode {
    stage::run::<command::Deployer>()
}
