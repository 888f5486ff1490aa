//! The networks of the zoo, pruned at random.

use proptest::prelude::*;
use seed::stream;

use crate::check;
use crate::common::cases;
use crate::common::zoo::{self, SMALL};

/// Outputs of all convolutions and linear layers.
fn channels(network: &inference::Network) -> usize {
    let conv = |layer: &inference::Layer| matches!(layer.kind, inference::Kind::Conv(_));
    network.layers.iter().filter(|l| conv(l)).map(|l| l.shape.c).sum()
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn nothing_goes_where_nothing_is_dead(which in 0..SMALL.len(), seed: u64) {
        let network = zoo::network(SMALL[which], seed);
        let (thin, removed) = network.clone().without_dead_channels();
        prop_assert!(thin == network);
        prop_assert_eq!((removed.channels, removed.layers), (0, vec![]));
        prop_assert_eq!(removed.of, channels(&network));
    }

    #[test]
    fn any_pruning(which in 0..SMALL.len(), shares in [0.0..0.9, 0.0..0.5, 0.0..0.5], seed: u64) {
        let mut network = zoo::network(SMALL[which], seed);
        let mut random = stream(seed, "test/pruning", 0);
        zoo::prune_weights(&mut network, shares[0], &mut random);
        zoo::prune_rows(&mut network, shares[1], &mut random);
        zoo::prune_columns(&mut network, shares[2], &mut random);
        check(&network, seed);
    }

    #[test]
    fn channels_dead_in_all_layers_go(which in 0..SMALL.len(), share in 0.3..0.9, seed: u64) {
        let mut network = zoo::network(SMALL[which], seed);
        zoo::prune_aligned_rows(&mut network, share, seed);
        let (thin, removed) = check(&network, seed);
        prop_assert!(removed.channels > 0);
        prop_assert_eq!(removed.channels, channels(&network) - channels(&thin));
        let lost = removed.layers.iter().map(|(_, before, after)| before - after);
        prop_assert_eq!(lost.sum::<usize>(), removed.channels);
        prop_assert!(thin.macs().0 < network.macs().0);
    }
}
