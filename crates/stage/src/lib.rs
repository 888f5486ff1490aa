//! The harness of every binary.
//!
//! A binary declares its flags as a clap type, implements [`Command`] and calls
//! [`run`]. The harness owns what all binaries share: recipes, logs, threads,
//! signals, printed errors and exit codes. A command that makes an artifact
//! opens a [`Job`], which owns the staging folder, provenance and commit.
//! Numbers and networks are not its business.

mod effect;
mod flags;
mod harness;
pub mod interrupt;
mod job;
pub mod memory;
mod named;
mod output;
mod progress;
mod recipe;

pub use artifact::nearest;
pub use effect::{OnlyWith, Values};
pub use flags::{Common, Produce};
pub use harness::{Command, run, threads};
pub use job::{Job, apart};
pub use named::named;
pub use output::{print, print_json};
pub use progress::Progress;
