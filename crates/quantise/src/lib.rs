//! Which integers stand for the values of a network.
//!
//! [`extents`] and [`calibrate`] run a network on images and find, for the output of each layer, the range of values
//! that eight bits are to stand for. Between the two [`equalise()`] may bring the channels of a layer to like ranges. Layers that only move values or pick some of them share one range with what
//! they read, so that they need no arithmetic. [`without_shift`] takes out of the biases what rounding the weights
//! adds to the mean of each output.

mod equalise;
mod histogram;
mod images;
mod observe;
mod range;
mod shift;
mod ties;

pub use equalise::{Equalised, equalise};
pub use images::batches;
pub use observe::{Calibration, Extents, calibrate, extents};
pub use range::{Range, Rule};
pub use shift::without_shift;
