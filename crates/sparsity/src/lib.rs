//! What is pruned, how it is chosen and how it is counted.
//!
//! A [`Mask`] says which values of one parameter are kept; [`Masks`] holds those of a network and
//! [`Checkpoint`] binds them to weights that obey them. Scores rank weights, [`select`] takes
//! exactly k of them, a [`Plan`] and [`schedule`] say how many, and [`count()`] tells what is left.
//! Running a masked network is the engine's business, one floor up.

mod allocation;
mod checkpoint;
mod count;
mod mask;
mod masks;
mod plan;
pub mod schedule;
mod score;
pub mod select;
mod sound;
mod structure;

pub use allocation::weights;
pub use checkpoint::Checkpoint;
pub use count::{count, layers};
pub use mask::Mask;
pub use masks::Masks;
pub use plan::Plan;
pub use score::{magnitude, random};
pub use sound::{check_sound, check_values};
pub use structure::{BLOCK, Structure, Units};
