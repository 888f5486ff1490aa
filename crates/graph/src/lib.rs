//! Networks as data.
//!
//! A [`Graph`] is a list of nodes in topological order. A [`Builder`] computes each node's shape as it
//! is added and is the only way to one, so that an ill-shaped network cannot exist. A graph has a
//! canonical text, which is its identity: it lies in every checkpoint and packed file, and a person can
//! read and write it ([`Graph::parse`]). All else is a walk over the list: the parameter table, the work
//! of each layer, initial values, the operations that are computed together, norms folded into weights.
//! What is known of an operation stands in [`op`]. How a network is run is the business of higher floors.

mod builder;
mod fixed;
pub mod fold;
mod format1;
pub mod group;
mod head;
mod init;
mod initial;
mod network;
mod node;
mod normed;
pub mod op;
mod params;
mod shape;
pub mod source;
mod spec;
mod text;
mod work;
mod zoo;

pub use builder::Builder;
pub use fixed::Fixed;
pub use init::{Init, LinearInit};
pub use initial::{initial, initial_of};
pub use network::Graph;
pub use node::Node;
pub use normed::Normed;
pub use op::{Activation, AdaptiveAverage, Conv, Linear, Op};
pub use params::{Param, Role};
pub use shape::Shape;
pub use spec::Spec;
pub use zoo::{TorchvisionNames, about, names, usual_side};
