//! Lists, summarises, evaluates, imports and exports networks.

#![allow(clippy::doc_markdown, reason = "flags' texts are read in a terminal, without backticks")]

mod bench;
mod command;
mod conformance;
mod diff;
mod eval;
mod export;
mod foreign;
mod golden;
mod import;
mod layers;
mod list;
mod metadata;
mod norms;
mod npz;
mod onnx_file;
mod predict;
mod show;
mod summary;

fn main() -> std::process::ExitCode {
    stage::run::<command::Models>()
}
