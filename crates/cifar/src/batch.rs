//! Batches: normalised, augmented, in a shuffled order.

use artifact::record;

use crate::augment::{Augment, Pose};
use crate::dataset::Part;
use crate::patch::Patch;
use crate::resize::Resize;

/// Mean and deviation that pixels are normalised by, channels R, G, B, pixels in `[0, 1]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalise {
    /// Mean of each channel.
    pub mean: [f32; 3],
    /// Standard deviation of each channel.
    pub std: [f32; 3],
}

/// Images ready for a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// n x 3 x side x side: (pixel / 255 - mean) / std.
    pub images: Vec<f32>,
    /// n class numbers.
    pub labels: Vec<u16>,
    /// Height and width in pixels.
    pub side: usize,
}

/// How an image is shown, for those who crop and blank it themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Which one it is among those of [`Part::pixels`].
    pub image: usize,
    /// Where it is cropped, and whether it is flipped.
    pub pose: Pose,
    /// What is then set to 0, the normalised mean.
    pub patches: Vec<Patch>,
}

/// # Panics
/// If mean or deviation are not of three channels; an opened dataset's are.
impl From<&record::Dataset> for Normalise {
    fn from(info: &record::Dataset) -> Self {
        Self {
            mean: [0, 1, 2].map(|c| info.mean[c] as f32),
            std: [0, 1, 2].map(|c| info.std[c] as f32),
        }
    }
}

impl Normalise {
    /// The normalised value of every byte, channel by channel.
    pub fn table(&self) -> [[f32; 256]; 3] {
        let value = |c: usize, byte: usize| (byte as f32 / 255.0 - self.mean[c]) / self.std[c];
        [0, 1, 2].map(|c| std::array::from_fn(|byte| value(c, byte)))
    }
}

impl Batch {
    /// The same images, each flipped left to right.
    #[must_use]
    pub fn mirrored(&self) -> Self {
        let mut images = self.images.clone();
        images.chunks_mut(self.side.max(1)).for_each(<[f32]>::reverse);
        Self { images, labels: self.labels.clone(), side: self.side }
    }
}

/// The shuffled order of `epoch` over `n` images.
pub fn order(seed: u64, epoch: usize, n: usize) -> Vec<usize> {
    seed::permutation(seed, "train/order", epoch as u64, n)
}

/// The images `indices` of `part`; with `augment` (what, seed, epoch), randomly cropped, flipped and
/// blanked; resized in between to `side` x `side` pixels where they have another size.
///
/// An image's augmentation depends on seed, epoch and its index in `part` alone, not on the batch
/// that it is in or on threads. The border of the crop is a black pixel, normalised as any other
/// (torchvision's order: pad, then normalise). The work is one thread's, which may run beside
/// those that compute.
pub fn batch(
    part: &Part,
    indices: &[usize],
    (normalise, side): (&Normalise, usize),
    augment: Option<(&Augment, u64, usize)>,
) -> Batch {
    let table = normalise.table();
    let mut images = vec![0.0; indices.len() * 3 * side * side];
    let mut resized = Resized::new(part.side(), side);
    let all = shown(part, indices, side, augment);
    for ((out, &i), shown) in images.chunks_mut(3 * side * side).zip(indices).zip(all) {
        let pose = shown.pose;
        for (c, (out, plane)) in planes(out, part.image(i)).enumerate() {
            match &mut resized {
                None => crop(out, plane, &table[c], pose),
                Some(resized) => resized.apply(plane, pose, (&table[c], out)),
            }
        }
        shown.patches.iter().for_each(|patch| patch.blank(out, side));
    }
    Batch { images, labels: indices.iter().map(|&i| part.label(i)).collect(), side }
}

/// How [`batch`] shows the images `indices` of `part`, resized to `side`.
pub fn shown(
    part: &Part,
    indices: &[usize],
    side: usize,
    augment: Option<(&Augment, u64, usize)>,
) -> Vec<Shown> {
    let one = |&i: &usize| {
        let image = part.place(i);
        let Some((augment, seed, epoch)) = augment else {
            return Shown { image, pose: Pose::STILL, patches: vec![] };
        };
        let patches = augment.patches((seed, epoch), i, side).collect();
        Shown { image, pose: augment.pose(seed, epoch, i), patches }
    };
    indices.iter().map(one).collect()
}

fn planes<'a>(
    out: &'a mut [f32],
    image: &'a [u8],
) -> impl Iterator<Item = (&'a mut [f32], &'a [u8])> {
    let (to, from) = (out.len() / 3, image.len() / 3);
    out.chunks_mut(to).zip(image.chunks(from))
}

/// A channel on its way to another size.
struct Resized {
    how: Resize,
    bytes: [u8; 256],
    cropped: Vec<u8>,
    out: Vec<u8>,
}

impl Resized {
    fn new(from: usize, to: usize) -> Option<Self> {
        (from != to).then(|| Self {
            how: Resize::new((from, from), (to, to)),
            bytes: std::array::from_fn(|byte| byte as u8),
            cropped: vec![0; from * from],
            out: vec![0; to * to],
        })
    }

    fn apply(&mut self, plane: &[u8], pose: Pose, (table, out): (&[f32; 256], &mut [f32])) {
        crop(&mut self.cropped, plane, &self.bytes, pose);
        self.how.apply(&self.cropped, &mut self.out);
        out.iter_mut().zip(&self.out).for_each(|(out, b)| *out = table[usize::from(*b)]);
    }
}

/// One channel of one image under `pose`, byte values looked up in `table`.
fn crop<T: Copy>(out: &mut [T], plane: &[u8], table: &[T; 256], pose: Pose) {
    let side = plane.len().isqrt();
    out.fill(table[0]);
    // In the bordered image the picture spans `padding..padding + side` both ways.
    let first = pose.padding.saturating_sub(pose.x);
    let last = (pose.padding + side).saturating_sub(pose.x).min(side);
    for (y, row) in out.chunks_mut(side).enumerate() {
        let Some(from) = (y + pose.y).checked_sub(pose.padding).filter(|v| *v < side) else {
            continue;
        };
        for x in first..last {
            let byte = plane[side * from + x + pose.x - pose.padding];
            row[if pose.flip { side - 1 - x } else { x }] = table[usize::from(byte)];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cropped(pose: Pose) -> Vec<f32> {
        let plane: Vec<u8> = (1..=9).collect();
        let mut out = vec![-1.0; 9];
        crop(&mut out, &plane, &std::array::from_fn(|b| b as f32), pose);
        out
    }

    #[test]
    fn crops_move_pad_and_flip() {
        let check = |(y, x, padding, flip), expected: [u8; 9]| {
            assert_eq!(cropped(Pose { y, x, padding, flip }), expected.map(f32::from));
        };
        check((0, 0, 0, false), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        check((1, 1, 1, false), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        check((0, 0, 1, false), [0, 0, 0, 0, 1, 2, 0, 4, 5]);
        check((2, 1, 1, false), [4, 5, 6, 7, 8, 9, 0, 0, 0]);
        check((1, 1, 1, true), [3, 2, 1, 6, 5, 4, 9, 8, 7]);
        check((1, 2, 1, true), [0, 3, 2, 0, 6, 5, 0, 9, 8]);
        check((0, 8, 4, false), [0; 9]);
    }

    #[test]
    fn poses_spread_evenly_and_never_leave_the_border() {
        let augment = Augment { padding: 2, flip: true, ..Augment::default() };
        let poses: Vec<Pose> = (0..5000).map(|i| augment.pose(1, 0, i)).collect();
        for v in 0..5 {
            let share = poses.iter().filter(|p| p.x == v).count();
            assert!((900..1100).contains(&share), "{v}: {share}");
        }
        let flips = poses.iter().filter(|p| p.flip).count();
        assert!((2350..2650).contains(&flips), "{flips}");
        assert!(poses.iter().all(|p| p.x < 5 && p.y < 5));
        assert_ne!(poses, (0..5000).map(|i| augment.pose(1, 1, i)).collect::<Vec<_>>());
    }

    #[test]
    fn mirrors() {
        let images: Vec<f32> = (0..12).map(|v| v as f32).collect();
        let found = Batch { images, labels: vec![1], side: 2 }.mirrored();
        assert_eq!(found.images, [1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10].map(|v| v as f32));
        assert_eq!(found.labels, [1]);
    }

    #[test]
    fn normalising_is_affine() {
        let table = Normalise { mean: [0.5; 3], std: [0.25, 0.5, 1.0] }.table();
        assert_eq!([table[0][255], table[1][0], table[2][255]], [2.0, -1.0, 0.5]);
    }
}
