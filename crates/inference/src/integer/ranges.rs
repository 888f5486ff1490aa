//! What a packed file says of the integers of each layer.

use std::collections::BTreeMap;

use kernels::integer::Rounding;
use packed::Range;

use super::Roundings;
use crate::Network;

/// What the integers of each layer of `network` stand for, by the ranges of a packed file.
///
/// # Errors
/// In words, where there is none for a layer.
pub fn roundings(network: &Network, ranges: &BTreeMap<String, Range>) -> Result<Roundings, String> {
    let of = |layer: &crate::Layer| match ranges.get(&layer.name) {
        Some(Range { scale, zero, .. }) => Ok(Rounding { scale: *scale, zero: *zero }),
        None => Err(format!("there is no range for the output of layer {}", layer.name)),
    };
    network.layers.iter().map(of).collect()
}
