//! Checkpoints, manifests, digests and atomic commit.
//!
//! An artifact is a folder: data files and a `manifest.yaml` that was written
//! last. This crate knows every file name, every manifest key and every record
//! that stages exchange, and it is the only one that writes files. It ends
//! where a meaning begins: what a network or a mask is, floors above know.

mod begun;
pub mod digest;
mod error;
pub mod file;
pub mod manifest;
pub mod memory;
mod named;
pub mod names;
pub mod nearest;
mod normalisation;
pub mod pattern;
mod printable;
pub mod record;
pub mod size;
mod staging;
pub mod stored;
pub mod tensors;
pub mod timings;
pub mod yaml;

pub use begun::Begun;
pub use error::{Error, Result};
pub use manifest::Manifest;
pub use named::Named;
pub use normalisation::Normalisation;
pub use printable::{printable, printable_lines};
pub use staging::{Finished, Staging};
pub use timings::Timings;
