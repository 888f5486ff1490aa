//! Rectangles of an image that are blanked: cutout and random erasing.

use crate::{Augment, Size};

/// Share of the image's area that random erasing takes, and height over width, as `RandomErasing`
/// of torchvision has them.
const AREA: (f64, f64) = (0.02, 0.33);
const RATIO: (f64, f64) = (0.3, 3.3);
/// Draws of a rectangle until one lies within the image, likewise.
const DRAWS: usize = 10;

/// A rectangle of an image: rows and columns from (first, behind the last).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patch {
    /// Rows.
    pub rows: (usize, usize),
    /// Columns.
    pub columns: (usize, usize),
}

impl Augment {
    /// What is blanked of an image of this `size` whose draws are numbered `draw`: a pure function of
    /// these and `seed`.
    pub(crate) fn patches(&self, seed: u64, draw: u64, size: Size) -> impl Iterator<Item = Patch> {
        let cutout = (self.cutout > 0)
            .then(|| cutout(&mut seed::stream(seed, "train/cutout", draw), self.cutout, size));
        let erased = (self.erasing > 0.0)
            .then(|| erased(&mut seed::stream(seed, "train/erasing", draw), self.erasing, size));
        cutout.into_iter().chain(erased.flatten())
    }
}

/// A square around a random pixel, as far as it lies in the image (`DeVries` and Taylor 2017).
fn cutout(random: &mut seed::Stream, square: usize, size: Size) -> Patch {
    let mut span = |side: usize| {
        let first = random.below(side) as isize - (square / 2) as isize;
        (first.max(0) as usize, (first + square as isize).clamp(0, side as isize) as usize)
    };
    Patch { rows: span(size.height), columns: span(size.width) }
}

/// A rectangle somewhere in the image, with probability `p` (Zhong et al. 2017).
fn erased(random: &mut seed::Stream, p: f64, size: Size) -> Option<Patch> {
    if !random.chance(p) {
        return None;
    }
    let draw = |random: &mut seed::Stream| {
        let area = (size.height * size.width) as f64 * random.range(AREA.0, AREA.1);
        let ratio = random.range(RATIO.0.ln(), RATIO.1.ln()).exp();
        [(area * ratio).sqrt(), (area / ratio).sqrt()].map(|v| v.round() as usize)
    };
    let fits = |[h, w]: &[usize; 2]| *h < size.height && *w < size.width;
    (0..DRAWS).map(|_| draw(random)).find(fits).map(|[h, w]| {
        let (y, x) = (random.below(size.height - h + 1), random.below(size.width - w + 1));
        Patch { rows: (y, y + h), columns: (x, x + w) }
    })
}

impl Patch {
    /// Sets its pixels of every channel of `image` to 0: the mean, once images are normalised.
    pub(crate) fn blank(self, image: &mut [f32], size: Size) {
        for plane in image.chunks_mut(size.height * size.width) {
            for row in plane.chunks_mut(size.width).take(self.rows.1).skip(self.rows.0) {
                row[self.columns.0..self.columns.1].fill(0.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 32;
    const SIZE: Size = Size { height: SIDE, width: SIDE };
    const IMAGES: usize = 5000;

    /// The pixels that are blanked of each image.
    fn blanked(augment: Augment, epoch: usize) -> Vec<Vec<bool>> {
        let of = |index| {
            let mut image = vec![1.0; 3 * SIDE * SIDE];
            let draw = (epoch as u64) << 32 | index;
            augment.patches(1, draw, SIZE).for_each(|patch| patch.blank(&mut image, SIZE));
            let blank: Vec<bool> = image.iter().map(|v| *v == 0.0).collect();
            assert_eq!(blank[..SIDE * SIDE], blank[2 * SIDE * SIDE..], "all channels alike");
            blank[..SIDE * SIDE].to_vec()
        };
        (0..IMAGES as u64).map(of).collect()
    }

    fn areas(blanked: &[Vec<bool>]) -> Vec<usize> {
        blanked.iter().map(|b| b.iter().filter(|v| **v).count()).collect()
    }

    #[test]
    fn cutouts_are_squares_that_may_lie_over_the_edge() {
        let found = blanked(Augment { cutout: 8, ..Augment::default() }, 0);
        let areas = areas(&found);
        assert_eq!((areas.iter().min(), areas.iter().max()), (Some(&16), Some(&64)));
        // Every pixel of the middle is as likely as any other, and a corner a quarter of it.
        let share = |y: usize, x: usize| {
            found.iter().filter(|b| b[y * SIDE + x]).count() as f64 / IMAGES as f64
        };
        let even = 64.0 / (SIDE * SIDE) as f64;
        assert!((share(16, 16) / even - 1.0).abs() < 0.2, "{}", share(16, 16));
        assert!((share(0, 0) / even - 0.25).abs() < 0.15, "{}", share(0, 0));
        assert_ne!(found, blanked(Augment { cutout: 8, ..Augment::default() }, 1));
        let all = blanked(Augment { cutout: 100, ..Augment::default() }, 0);
        assert!(all.iter().flatten().all(|v| *v));
    }

    #[test]
    fn erasing_takes_its_share_within_its_limits() {
        let areas = areas(&blanked(Augment { erasing: 0.25, ..Augment::default() }, 0));
        let taken: Vec<f64> = areas.iter().filter(|a| **a > 0).map(|a| *a as f64).collect();
        let share = taken.len() as f64 / IMAGES as f64;
        assert!((share - 0.25).abs() < 0.02, "{share}");
        let of_all = (SIDE * SIDE) as f64;
        // Sides are rounded to whole pixels.
        assert!(taken.iter().all(|a| (0.015..0.36).contains(&(a / of_all))), "{taken:?}");
        let mean = taken.iter().sum::<f64>() / taken.len() as f64 / of_all;
        assert!((mean - 0.175).abs() < 0.015, "{mean}");
    }

    #[test]
    fn patches_of_a_rectangle_lie_within_it() {
        let size = Size { height: 6, width: 20 };
        let augment = Augment { cutout: 4, erasing: 1.0, ..Augment::default() };
        let all: Vec<Patch> = (0..500).flat_map(|draw| augment.patches(1, draw, size)).collect();
        assert!(all.iter().all(|p| p.rows.1 <= 6 && p.columns.1 <= 20), "{all:?}");
        assert!(all.iter().any(|p| p.columns.1 == 20) && all.iter().any(|p| p.rows.1 == 6));
    }

    #[test]
    fn nothing_is_blanked_unasked() {
        assert_eq!(Augment::default().patches(1, 0, SIZE).count(), 0);
    }
}
