//! An iterative schedule on weights that change between rounds, as fine-tuning changes them.

use proptest::prelude::*;
use sparsity::select::{Candidates, global};
use sparsity::{Mask, magnitude, random, schedule, weights};

/// The masks of two layers after one more round, with their weights drawn anew.
fn round(masks: &[Mask; 2], k: u64, seed: u64) -> [Mask; 2] {
    let scores = |i: usize| {
        let mut values = random(["a", "b"][i], masks[i].len(), seed);
        masks[i].apply(&mut values);
        // Coarse, so that ties abound.
        for v in &mut values {
            *v = (*v * 8.0).floor();
        }
        magnitude(&values)
    };
    let (a, b) = (scores(0), scores(1));
    let layers = [("a", &a, &masks[0]), ("b", &b, &masks[1])]
        .map(|(name, scores, before)| Candidates::new(name, scores, Some(before)));
    global(&layers, k).expect("possible").try_into().expect("two layers")
}

proptest! {
    #[test]
    fn masks_only_grow_and_the_last_round_hits_exactly(
        sizes in (1_usize..200, 1_usize..200),
        rate in 0.05..0.6_f64,
        last in 0.05..0.95_f64,
        seed in 0_u64..1000,
    ) {
        let mut masks = [sizes.0, sizes.1].map(|len| Mask::new(vec![true; len]));
        let total = (sizes.0 + sizes.1) as u64;
        for number in 0..schedule::rounds(rate, last) {
            let pruned = masks.iter().map(Mask::pruned).sum();
            let k = schedule::next_target(pruned, total, rate, last);
            let next = round(&masks, k, seed + number);
            for (now, then) in next.iter().zip(&masks) {
                prop_assert!(now.kept().iter().zip(then.kept()).all(|(n, t)| *t || !n));
            }
            prop_assert_eq!(next.iter().map(Mask::pruned).sum::<u64>(), k);
            masks = next;
        }
        prop_assert_eq!(masks.iter().map(Mask::pruned).sum::<u64>(), weights(last, total));
    }
}
