//! What is pruned, how it is chosen and how it is counted.
//!
//! A [`Mask`] says which values of one parameter are kept; [`Masks`] holds those of a network and
//! [`Checkpoint`] binds them to weights that obey them. What is pruned follows from three kinds, each a file an entry: a
//! [`Score`] ranks, a [`Structure`] says what goes together, an [`Allocation`] how much of each layer. A [`Method`] is one of
//! each with its settings. [`select`] takes exactly k, a [`Plan`] says how many, a [`Schedule`] when, and [`count()`] tells
//! what is left.
//! Running a masked network is the engine's business, one floor up.

pub mod allocation;
mod biases;
mod checkpoint;
mod count;
mod exclude;
mod mask;
mod masks;
mod method;
mod plan;
mod ratio;
pub mod schedule;
pub mod score;
pub mod select;
mod sound;
mod structure;

pub use allocation::Allocation;
pub use biases::prune_biases;
pub use checkpoint::{Checkpoint, History};
pub use count::{count, layers};
pub use exclude::excluded;
pub use mask::Mask;
pub use masks::Masks;
pub use method::{Choice, Current, Floors, Method, Ranking};
pub use plan::Plan;
pub use ratio::weights;
pub use schedule::Schedule;
pub use score::{Score, magnitude, random};
pub use sound::{check_sound, check_values};
pub use structure::{BLOCK, Nm, Structure, Units};
