//! What the tests of the house as a whole share: a scratch folder, and the binaries run in it.
//!
//! The tests themselves stand in `tests/`; nothing here knows what a binary does.

mod place;
mod tamper;

pub use place::{Child, Place, Said, binaries, text_of};
pub use tamper::{copy, resealed, tamper, with_digests};
