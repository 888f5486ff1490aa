//! Networks as data.
//!
//! A [`Graph`] is a list of nodes in topological order; [`Graph::build`] computes
//! each node's shape as it adds it and is the only way to make one, so that an
//! ill-shaped network cannot exist. All else is a walk over the list: the parameter table,
//! the work of each layer, initial values, the operations that are computed together, norms folded
//! into weights, the printed form and its digest.
//! How a network is run is the engine's business, one floor up and more.

pub mod fold;
pub mod group;
mod initial;
mod network;
mod node;
mod params;
mod shape;
mod spec;
mod work;
mod zoo;

pub use initial::initial;
pub use network::Graph;
pub use node::{BATCH_NORM_EPS, BATCH_NORM_MOMENTUM, Conv, Linear, Node, Op, Pool};
pub use params::{Param, Role};
pub use shape::Shape;
pub use spec::Spec;
pub use zoo::{about, names, usual_side};
