//! Networks of random layers, pruned at random.

use inference::{Kind, Network, Source};
use proptest::prelude::*;

use crate::check;
use crate::common::{cases, random};

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn any_network(steps in 1..=14_usize, seed: u64) {
        let network = random::network(steps, seed);
        let (thin, removed) = check(&network, seed);
        prop_assert!(thin.layers.len() <= network.layers.len());
        let lost = removed.layers.iter().map(|(_, before, after)| before - after);
        prop_assert_eq!(lost.sum::<usize>(), removed.channels);
    }
}

/// Channels of all lists, and how many of them are known values.
fn listed(network: &Network) -> [usize; 2] {
    let lists = network.layers.iter().filter_map(|l| match &l.kind {
        Kind::Gather(sources) => Some(sources),
        _ => None,
    });
    let sources: Vec<&Source> = lists.flatten().collect();
    [sources.len(), sources.iter().filter(|s| matches!(s, Source::Value(_))).count()]
}

/// What the property would not show, were it never so.
#[test]
fn lists_lose_channels_and_get_values() {
    let found = (0..100).map(|seed| {
        let network = random::network(14, seed);
        [&network, &network.clone().without_dead_channels().0].map(listed)
    });
    let found: Vec<[[usize; 2]; 2]> = found.collect();
    let share = |of: &dyn Fn([usize; 2], [usize; 2]) -> bool| {
        found.iter().filter(|[before, after]| of(*before, *after)).count()
    };
    let lost = share(&|before, after| after[0] < before[0]);
    let valued = share(&|before, after| after[1] > before[1]);
    assert!(lost > 50 && valued > 10, "{lost} lose any, {valued} get values");
}
