//! Mixup: each image of a batch mixed with another (Zhang et al. 2017).

use crate::Batch;

/// How images are mixed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mixup {
    /// Both parameters of the Beta distribution that a batch's share is drawn from; over 0.
    pub alpha: f64,
}

/// With what a batch's images are mixed.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixed {
    /// The part, 0 to 1, that each image has of itself.
    pub share: f32,
    /// For each image the one that the rest is of.
    pub others: Vec<usize>,
}

impl Mixup {
    /// The mixture of `step` in `epoch`, a batch of so many `images`: one share and one permutation of
    /// them, pure functions of `seed`, `epoch` and `step`.
    pub fn draw(self, images: usize, seed: u64, (epoch, step): (usize, usize)) -> Mixed {
        let both = (epoch as u64) << 32 | step as u64;
        let mut random = seed::stream(seed, "train/mixup", both);
        let share = random.beta(self.alpha, self.alpha) as f32;
        let mut others: Vec<usize> = (0..images).collect();
        random.shuffle(&mut others);
        Mixed { share, others }
    }
}

impl Mixed {
    /// Mixes the images of `batch`.
    pub fn apply(&self, batch: &mut Batch) {
        let own = batch.images.clone();
        let (size, share) = (own.len() / self.others.len().max(1), self.share);
        for (image, &other) in batch.images.chunks_mut(size.max(1)).zip(&self.others) {
            let other = &own[size * other..size * (other + 1)];
            image.iter_mut().zip(other).for_each(|(v, o)| *v = share * *v + (1.0 - share) * o);
        }
    }

    /// The class of what the rest of each image is of.
    pub fn labels(&self, own: &[u16]) -> Vec<u16> {
        self.others.iter().map(|&o| own[o]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use artifact::record::ImageShape;

    /// Images of one pixel, all of whose channels are their label.
    fn batch(n: usize) -> Batch {
        let labels: Vec<u16> = (0..n as u16).collect();
        let images = labels.iter().flat_map(|l| [f32::from(*l); 3]).collect();
        Batch { images, labels, shape: ImageShape::square(1) }
    }

    #[test]
    fn each_image_is_mixed_with_its_other() {
        let (mut found, mixed) = (batch(3), Mixed { share: 0.75, others: vec![2, 1, 0] });
        mixed.apply(&mut found);
        assert_eq!(found.images, [[0.5; 3], [1.0; 3], [1.5; 3]].concat());
        assert_eq!(mixed.labels(&found.labels), [2, 1, 0]);
        assert_eq!(found.labels, [0, 1, 2]);
    }

    #[test]
    fn shares_and_others_change_from_step_to_step() {
        let of = |seed, epoch, step| {
            let mixed = Mixup { alpha: 1.0 }.draw(100, seed, (epoch, step));
            let mut sorted = mixed.others.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..100).collect::<Vec<_>>());
            assert!((0.0..=1.0).contains(&mixed.share));
            mixed
        };
        assert_eq!(of(1, 2, 3), of(1, 2, 3));
        for other in [of(2, 2, 3), of(1, 3, 2), of(1, 2, 4)] {
            assert_ne!(of(1, 2, 3).share, other.share);
            assert_ne!(of(1, 2, 3).others, other.others);
        }
    }
}
