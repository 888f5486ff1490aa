//! Mixup: each image of a batch mixed with another (Zhang et al. 2017).

use crate::Batch;

/// How images are mixed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mixup {
    /// Both parameters of the Beta distribution that a batch's share is drawn from; over 0.
    pub alpha: f64,
}

/// What a batch was mixed with.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixed {
    /// The part, 0 to 1, that each image has of itself.
    pub share: f32,
    /// The class of what the rest of each image is of.
    pub labels: Vec<u8>,
}

impl Mixup {
    /// Mixes the images of `batch`, that of `step` in `epoch`, with those of a permutation of it.
    /// One share and one permutation a batch, pure functions of `seed`, `epoch` and `step`.
    pub fn apply(self, batch: &mut Batch, seed: u64, (epoch, step): (usize, usize)) -> Mixed {
        let both = (epoch as u64) << 32 | step as u64;
        let mut random = seed::stream(seed, "train/mixup", both);
        let share = random.beta(self.alpha, self.alpha) as f32;
        let mut others: Vec<usize> = (0..batch.labels.len()).collect();
        random.shuffle(&mut others);
        mix(batch, share, &others)
    }
}

fn mix(batch: &mut Batch, share: f32, others: &[usize]) -> Mixed {
    let own = batch.images.clone();
    let size = own.len() / others.len().max(1);
    for (image, &other) in batch.images.chunks_mut(size.max(1)).zip(others) {
        let other = &own[size * other..size * (other + 1)];
        image.iter_mut().zip(other).for_each(|(v, o)| *v = share * *v + (1.0 - share) * o);
    }
    Mixed { share, labels: others.iter().map(|&o| batch.labels[o]).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Images of one pixel, all of whose channels are their label.
    fn batch(n: usize) -> Batch {
        let labels: Vec<u8> = (0..n as u8).collect();
        let images = labels.iter().flat_map(|l| [f32::from(*l); 3]).collect();
        Batch { images, labels, side: 1 }
    }

    #[test]
    fn each_image_is_mixed_with_its_other() {
        let mut found = batch(3);
        let mixed = mix(&mut found, 0.75, &[2, 1, 0]);
        assert_eq!(mixed, Mixed { share: 0.75, labels: vec![2, 1, 0] });
        assert_eq!(found.images, [[0.5; 3], [1.0; 3], [1.5; 3]].concat());
        assert_eq!(found.labels, [0, 1, 2]);
    }

    #[test]
    fn shares_and_others_change_from_step_to_step() {
        let of = |seed, epoch, step| {
            let mut found = batch(100);
            let mixed = Mixup { alpha: 1.0 }.apply(&mut found, seed, (epoch, step));
            let sorted = |mut labels: Vec<u8>| {
                labels.sort_unstable();
                labels
            };
            assert_eq!(sorted(mixed.labels.clone()), found.labels);
            assert!((0.0..=1.0).contains(&mixed.share));
            mixed
        };
        assert_eq!(of(1, 2, 3), of(1, 2, 3));
        for other in [of(2, 2, 3), of(1, 3, 2), of(1, 2, 4)] {
            assert_ne!(of(1, 2, 3).share, other.share);
            assert_ne!(of(1, 2, 3).labels, other.labels);
        }
    }
}
