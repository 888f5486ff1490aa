//! Plans of every kind give the reference's logits.

mod common;

use common::zoo::{self, SMALL};
use common::{cases, close, image, random, reference};
use inference::{Network, Plan, Threads, Unknown, Use};
use proptest::prelude::*;
use seed::stream;

/// Relative error of f32 over all layers; Winograd's algorithm costs a few bits.
const TOLERANCE: f64 = 2e-5;

/// Asserts that `plan` gives the reference's logits for each of `images` images.
#[track_caller]
fn check(network: &Network, plan: &Plan, images: usize) {
    let all: Vec<Vec<f64>> = (0..images as u64).map(|i| image(network, i)).collect();
    let expected = all.iter().flat_map(|image| reference::logits(network, image));
    let expected: Vec<f64> = expected.collect();
    let input: Vec<f32> = all.iter().flatten().map(|v| *v as f32).collect();
    for _ in 0..2 {
        // The second run finds the buffers of the first.
        let found: Vec<f64> = plan.logits(&input).into_iter().map(f64::from).collect();
        close(&found, &expected, TOLERANCE);
    }
}

fn pruned(which: usize, share: f64, seed: u64) -> Network {
    let mut network = zoo::network(SMALL[which], seed);
    zoo::prune_weights(&mut network, share, &mut stream(seed, "test/pruning", 0));
    network
}

proptest! {
    #![proptest_config(cases(30))]

    #[test]
    fn any_split(which in 0..SMALL.len(), at in 0.0..=1.0, images in 1..=35_usize, skip: bool) {
        let network = pruned(which, 0.7, 1);
        let split = (at * (network.layers.len() - 1) as f64) as usize;
        check(&network, &Plan::fixed(&network, (split, images), skip), images);
    }

    #[test]
    fn thin_networks(which in 0..SMALL.len(), share in 0.3..0.9, seed: u64) {
        let mut network = zoo::network(SMALL[which], seed);
        zoo::prune_aligned_rows(&mut network, share, seed);
        let (thin, removed) = network.without_dead_channels();
        prop_assert!(removed.channels > 0);
        check(&thin, &Plan::fixed(&thin, (thin.layers.len() - 1, 1), true), 1);
        check(&thin, &Plan::fixed(&thin, (3, 16), true), 2);
    }
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn random_networks(steps in 1..=14_usize, at in 0.0..=1.0, seed: u64) {
        let network = random::network(steps, seed);
        let (thin, _) = network.clone().without_dead_channels();
        for network in [network, thin] {
            let split = (at * (network.layers.len() - 1) as f64) as usize;
            check(&network, &Plan::fixed(&network, (split, 16), true), 2);
        }
    }
}

#[test]
fn whatever_is_chosen() {
    for which in 0..SMALL.len() {
        let network = pruned(which, 0.8, 2);
        for (batch, skip) in [(1, true), (1, false), (64, true), (64, false)] {
            let how = Use { batch, skip, unknown: Unknown::Guess, threads: Threads::Present };
            check(&network, &Plan::new(&network, how), 3);
        }
    }
}

#[test]
fn every_operation_both_ways() {
    let text = include_str!("../../graph/src/text/every.net");
    let graph = graph::Graph::parse(text, "every", "every.net").expect("a graph");
    let network = zoo::of(&graph, 6);
    for split in 0..network.layers.len() {
        check(&network, &Plan::fixed(&network, (split, 16), true), 3);
    }
}

/// A flattened vector is read where it is, though it may be inside a group.
#[test]
fn vectors_may_be_flattened() {
    for before in ["r = relu(c)", "b = batch-norm(c)\nr = relu(b)", "b = add(c, c)\nr = relu(b)"] {
        let text = format!(
            "secateur-graph 1\nx = input channels=2 height=5 width=5\nc = conv(x) outputs=6 kernel=5\n\
             {before}\nf = flatten(r)\nh = linear(f) outputs=5\nn = batch-norm(h)\n\
             g = gelu(n)\ny = linear(g) outputs=3\n"
        );
        let graph = graph::Graph::parse(&text, "lenet", "lenet.net").expect("a graph");
        let network = zoo::of(&graph, 7);
        for split in 0..network.layers.len() {
            check(&network, &Plan::fixed(&network, (split, 16), true), 3);
        }
    }
}

#[test]
fn more_images_than_go_together() {
    let network = pruned(0, 0.5, 3);
    check(&network, &Plan::fixed(&network, (4, 64), true), 81);
}

#[test]
fn an_image_gets_the_same_bits_in_any_batch() {
    let network = pruned(2, 0.7, 4);
    let input: Vec<f32> = (0..20).flat_map(|i| image(&network, i)).map(|v| v as f32).collect();
    let each = network.layers[0].shape.count();
    for split in [0, 5, network.layers.len() - 1] {
        let plan = Plan::fixed(&network, (split, 64), true);
        let all = plan.logits(&input);
        let one = plan.logits(&input[7 * each..8 * each]);
        assert_eq!(one, all[70..80], "split after layer {split}");
    }
}

#[test]
fn layers_tell_what_they_run_and_how_long() {
    let network = pruned(0, 0.5, 5);
    let plan = Plan::fixed(&network, (4, 64), true);
    let kernels: Vec<&str> = plan.layers().iter().map(|l| l.kernel).collect();
    assert_eq!((kernels[1], kernels[5]), ("sparse, by image", "sparse, by block"));
    assert!(plan.activation_bytes() > 0);
    plan.logits(&vec![0.5; 3 * 16 * 16 * 20]);
    assert!(plan.take_spent()[1..].iter().all(|s| *s > 0.0));
    assert!(plan.take_spent().iter().all(|s| *s == 0.0), "counted from the last time");
}

/// A plan of [`pruned`] that runs one image at a time, an image, and its logits on one thread.
fn one_by_one() -> (Plan, Vec<f32>, Vec<f32>) {
    let network = pruned(2, 0.7, 8);
    let plan = Plan::fixed(&network, (network.layers.len() - 1, 1), true);
    let x: Vec<f32> = image(&network, 1).into_iter().map(|v| v as f32).collect();
    let expected = pool(1).install(|| plan.logits(&x));
    (plan, x, expected)
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads")
}

#[test]
fn several_threads_ask_at_once() {
    let (plan, x, expected) = one_by_one();
    for threads in [2, 4] {
        let pool = pool(threads);
        let (two, both) = ([&x[..], &x[..]].concat(), [&expected[..], &expected[..]].concat());
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        assert_eq!(pool.install(|| plan.logits(&x)), expected);
                        assert_eq!(pool.install(|| plan.logits(&two)), both);
                    }
                });
            }
        });
    }
}

/// An answer does not wait for threads that wait for it.
#[test]
fn another_thread_of_the_pool_may_wait_for_the_answer() {
    let (plan, x, expected) = one_by_one();
    let (send, receive) = std::sync::mpsc::channel();
    let wait = move || receive.recv_timeout(std::time::Duration::from_mins(1));
    let give = || send.send(plan.logits(&x)).expect("somebody waits");
    let ((), found) = pool(2).install(|| rayon::join(give, wait));
    assert_eq!(found.expect("an answer"), expected);
}

#[test]
fn an_answer_comes_after_a_panic() {
    let (plan, x, expected) = one_by_one();
    let pool = pool(2);
    let half = std::panic::AssertUnwindSafe(|| pool.install(|| plan.logits(&x[..x.len() / 2])));
    assert!(std::panic::catch_unwind(half).is_err(), "half an image");
    assert_eq!(pool.install(|| plan.logits(&x)), expected);
}
