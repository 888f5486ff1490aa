//! Which integers stand for the values of a network.
//!
//! [`calibrate`] runs a network on images and finds, for the output of each layer, the range of values that
//! eight bits are to stand for. Layers that only move values or pick some of them share one range with what
//! they read, so that they need no arithmetic. [`without_shift`] takes out of the biases what rounding the weights
//! adds to the mean of each output.

mod histogram;
mod images;
mod observe;
mod range;
mod shift;
mod ties;

pub use images::batches;
pub use observe::{Calibration, calibrate};
pub use range::{Range, Rule};
pub use shift::without_shift;
