//! Batches: normalised, augmented, in a shuffled order.

use artifact::Result;
use artifact::record::{self, ImageShape};

use crate::Size;
use crate::augment::{Augmented, Pose};
use crate::dataset::Part;
use crate::patch::Patch;
use crate::resize::{Plane, Resize};

/// Mean and deviation of each channel that pixels are normalised by, pixels in `[0, 1]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalise {
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel.
    pub std: Vec<f32>,
}

/// Images ready for a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// n x channels x height x width: (pixel / 255 - mean) / std.
    pub images: Vec<f32>,
    /// n class numbers.
    pub labels: Vec<u16>,
    /// The shape of an image.
    pub shape: ImageShape,
}

/// How images are made ready.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// How bytes become numbers.
    pub normalise: &'a Normalise,
    /// What images of another size are resized to.
    pub size: Size,
    /// Random changes of each image.
    pub augmented: Option<Augmented>,
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

impl From<&record::Dataset> for Normalise {
    fn from(info: &record::Dataset) -> Self {
        Self::new(&info.mean, &info.std)
    }
}

impl Normalise {
    /// By this mean and this deviation of each channel.
    pub fn new(mean: &[f64], std: &[f64]) -> Self {
        let narrow = |values: &[f64]| values.iter().map(|v| *v as f32).collect();
        Self { mean: narrow(mean), std: narrow(std) }
    }

    /// The normalised value of every byte, channel by channel.
    pub fn table(&self) -> Vec<[f32; 256]> {
        let value = |byte: usize, mean: f32, std: f32| (byte as f32 / 255.0 - mean) / std;
        let channels = self.mean.iter().zip(&self.std);
        channels.map(|(mean, std)| std::array::from_fn(|byte| value(byte, *mean, *std))).collect()
    }
}

impl Batch {
    /// The same images, each flipped left to right.
    #[must_use]
    pub fn mirrored(&self) -> Self {
        let mut images = self.images.clone();
        images.chunks_mut(self.shape.width.max(1)).for_each(<[f32]>::reverse);
        Self { images, labels: self.labels.clone(), shape: self.shape }
    }
}

/// The shuffled order of `epoch` over `n` images.
pub fn order(seed: u64, epoch: usize, n: usize) -> Vec<usize> {
    seed::permutation(seed, "train/order", epoch as u64, n)
}

/// The images `indices` of `part` as `view` says: randomly cropped, flipped and blanked where it
/// augments, and resized in between where they have another size.
///
/// An image's augmentation depends on seed, epoch and its index in `part` alone, not on the batch
/// that it is in or on threads. The border of the crop is a black pixel, normalised as any other
/// (torchvision's order: pad, then normalise). The work is one thread's, which may run beside
/// those that compute.
///
/// # Errors
/// As [`Part::image`].
pub fn batch(part: &Part, indices: &[usize], view: &View) -> Result<Batch> {
    let (table, from) = (view.normalise.table(), part.shape());
    let shape = ImageShape { height: view.size.height, width: view.size.width, ..from };
    let mut images = vec![0.0; indices.len() * shape.values()];
    let mut resized = Resized::new(Size::of(from), view.size);
    let (mut buffer, all) = (vec![], shown(part, indices, view));
    for ((out, &i), shown) in images.chunks_mut(shape.values()).zip(indices).zip(all) {
        let planes = part.image(i, &mut buffer)?.chunks(from.pixels());
        for ((out, plane), table) in out.chunks_mut(shape.pixels()).zip(planes).zip(&table) {
            match &mut resized {
                None => crop(out, plane, table, Frame { width: from.width, pose: shown.pose }),
                Some(resized) => resized.apply(out, plane, table, shown.pose),
            }
        }
        shown.patches.iter().for_each(|patch| patch.blank(out, view.size));
    }
    Ok(Batch { images, labels: indices.iter().map(|&i| part.label(i)).collect(), shape })
}

/// How [`batch`] shows the images `indices` of `part` under `view`.
pub fn shown(part: &Part, indices: &[usize], view: &View) -> Vec<Shown> {
    let one = |&i: &usize| {
        let image = part.place(i);
        let Some(augmented) = &view.augmented else {
            return Shown { image, pose: Pose::STILL, patches: vec![] };
        };
        let (augment, seed, draw) = (&augmented.augment, augmented.seed, augmented.draw(i));
        let patches = augment.patches(seed, draw, view.size).collect();
        Shown { image, pose: augment.pose(seed, draw), patches }
    };
    indices.iter().map(one).collect()
}

/// A channel on its way to another size.
struct Resized {
    how: Resize,
    from: Size,
    bytes: [u8; 256],
    cropped: Vec<u8>,
    out: Vec<u8>,
}

impl Resized {
    fn new(from: Size, to: Size) -> Option<Self> {
        (from != to).then(|| Self {
            how: Resize::new(from, to),
            from,
            bytes: std::array::from_fn(|byte| byte as u8),
            cropped: vec![0; from.pixels()],
            out: vec![0; to.pixels()],
        })
    }

    fn apply(&mut self, out: &mut [f32], plane: &[u8], table: &[f32; 256], pose: Pose) {
        let frame = Frame { width: self.from.width, pose };
        crop(&mut self.cropped, plane, &self.bytes, frame);
        self.how.apply(&Plane::whole(&self.cropped, self.from.width), &mut self.out);
        out.iter_mut().zip(&self.out).for_each(|(out, b)| *out = table[usize::from(*b)]);
    }
}

/// Which part of an image is seen.
#[derive(Clone, Copy)]
struct Frame {
    /// Width of the image in pixels.
    width: usize,
    pose: Pose,
}

/// One channel of one image in `frame`, byte values looked up in `table`.
fn crop<T: Copy>(out: &mut [T], plane: &[u8], table: &[T; 256], frame: Frame) {
    let Frame { width, pose } = frame;
    let height = plane.len() / width;
    out.fill(table[0]);
    // In the bordered image the picture spans `padding..padding + width` across.
    let first = pose.padding.saturating_sub(pose.x);
    let last = (pose.padding + width).saturating_sub(pose.x).min(width);
    for (y, row) in out.chunks_mut(width).enumerate() {
        let Some(from) = (y + pose.y).checked_sub(pose.padding).filter(|v| *v < height) else {
            continue;
        };
        for x in first..last {
            let byte = plane[width * from + x + pose.x - pose.padding];
            row[if pose.flip { width - 1 - x } else { x }] = table[usize::from(byte)];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Augment;

    fn cropped(pose: Pose) -> Vec<f32> {
        let plane: Vec<u8> = (1..=9).collect();
        let mut out = vec![-1.0; 9];
        crop(&mut out, &plane, &std::array::from_fn(|b| b as f32), Frame { width: 3, pose });
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
    fn crops_of_rectangles_keep_their_rows() {
        let (plane, pose) = ([1, 2, 3, 4, 5, 6], Pose { y: 2, x: 0, padding: 1, flip: false });
        let mut out = [9; 6];
        crop(&mut out, &plane, &std::array::from_fn(|b| b as u8), Frame { width: 3, pose });
        assert_eq!(out, [0, 4, 5, 0, 0, 0]);
        let (pose, mut out) = (Pose { y: 1, x: 1, padding: 1, flip: true }, [9; 6]);
        crop(&mut out, &plane, &std::array::from_fn(|b| b as u8), Frame { width: 2, pose });
        assert_eq!(out, [2, 1, 4, 3, 6, 5]);
    }

    #[test]
    fn poses_spread_evenly_and_never_leave_the_border() {
        let augment = Augment { padding: 2, flip: true, ..Augment::default() };
        let poses = |epoch: u64| (0..5000).map(move |i| augment.pose(1, epoch << 32 | i));
        let (poses, others): (Vec<Pose>, Vec<Pose>) = (poses(0).collect(), poses(1).collect());
        for v in 0..5 {
            let share = poses.iter().filter(|p| p.x == v).count();
            assert!((900..1100).contains(&share), "{v}: {share}");
        }
        let flips = poses.iter().filter(|p| p.flip).count();
        assert!((2350..2650).contains(&flips), "{flips}");
        assert!(poses.iter().all(|p| p.x < 5 && p.y < 5));
        assert_ne!(poses, others);
    }

    #[test]
    fn mirrors() {
        let images: Vec<f32> = (0..12).map(|v| v as f32).collect();
        let found = Batch { images, labels: vec![1], shape: ImageShape::square(2) }.mirrored();
        assert_eq!(found.images, [1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10].map(|v| v as f32));
        assert_eq!(found.labels, [1]);
    }

    #[test]
    fn normalising_is_affine() {
        let table = Normalise::new(&[0.5; 3], &[0.25, 0.5, 1.0]).table();
        assert_eq!([table[0][255], table[1][0], table[2][255]], [2.0, -1.0, 0.5]);
    }
}
