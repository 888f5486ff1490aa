//! Images of any size made into images of one size.

use std::ops::Range;

use artifact::record::ImageShape;

use crate::resize::{Plane, Resize};

/// A height and a width in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size {
    /// Number of rows.
    pub height: usize,
    /// Number of columns.
    pub width: usize,
}

impl Size {
    /// The size of images of this shape.
    pub fn of(shape: ImageShape) -> Self {
        Self { height: shape.height, width: shape.width }
    }

    /// A square.
    pub fn square(side: usize) -> Self {
        Self { height: side, width: side }
    }

    /// Number of pixels.
    pub fn pixels(self) -> usize {
        self.height * self.width
    }
}

/// How an image of another shape is made to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It is resized so that it covers the size, and the middle is taken. For squares that is what
    /// torchvision's `Resize(side)` and `CenterCrop(side)` do.
    Crop,
    /// It is resized so that all of it lies within the size, and black is put around it, as
    /// `ImageOps.pad` of Pillow does.
    Pad,
    /// Each side is resized by itself.
    Stretch,
}

/// The size that images get, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fitting {
    /// The size.
    pub size: Size,
    /// How it is reached.
    pub fit: Fit,
}

/// How images of one size are made to fit: ready for any number of channels.
pub(crate) struct Fitter {
    resize: Resize,
    /// The rows and columns of the result that are not black.
    filled: [Range<usize>; 2],
    size: Size,
}

impl Fitting {
    /// Squares, cropped.
    pub fn crop(side: usize) -> Self {
        Self { size: Size::square(side), fit: Fit::Crop }
    }

    /// What images of the size `from` are resized to.
    fn resized(self, from: Size) -> Size {
        let to = self.size;
        // Of the two sides one is given and the other follows; compared as products.
        let wider = from.width * to.height >= from.height * to.width;
        match self.fit {
            Fit::Stretch => to,
            // As torchvision: the longer side is cut to whole pixels.
            Fit::Crop if wider => {
                Size { height: to.height, width: to.height * from.width / from.height }
            }
            Fit::Crop => Size { height: to.width * from.height / from.width, width: to.width },
            Fit::Pad if wider => Size { height: scaled(from.height, from.width, to.width), ..to },
            Fit::Pad => Size { width: scaled(from.width, from.height, to.height), ..to },
        }
    }

    /// Made ready for images of the size `from`, which have pixels.
    pub(crate) fn of(self, from: Size) -> Fitter {
        let (to, resized) = (self.size, self.resized(from));
        // Along a side: what is kept of the resized image, and where it lies in the result. Halves of
        // odd margins are rounded to even.
        let margin =
            |more: usize, less: usize| ((more - less) as f64 / 2.0).round_ties_even() as usize;
        let place = |resized: usize, to: usize| {
            if resized >= to {
                let first = margin(resized, to);
                (first..first + to, 0..to)
            } else {
                let first = margin(to, resized);
                (0..resized, first..first + resized)
            }
        };
        let (rows, down) = place(resized.height, to.height);
        let (columns, across) = place(resized.width, to.width);
        let resize = Resize::window(from, resized, [rows, columns]);
        Fitter { resize, filled: [down, across], size: to }
    }
}

/// `short / long * to`, rounded as Python does, and a pixel at least (Pillow would leave nothing of it).
fn scaled(short: usize, long: usize, to: usize) -> usize {
    let exact = short as f64 / long as f64 * to as f64;
    (exact.round_ties_even() as usize).max(1)
}

impl Fitter {
    /// Fits one channel.
    pub(crate) fn apply(&self, plane: &Plane, out: &mut [u8]) {
        let [rows, columns] = self.filled.clone();
        if columns.len() == self.size.width && rows.len() == self.size.height {
            return self.resize.apply(plane, out);
        }
        let mut filled = vec![0; rows.len() * columns.len()];
        self.resize.apply(plane, &mut filled);
        out.fill(0);
        let below = out.chunks_mut(self.size.width).skip(rows.start);
        for (out, row) in below.zip(filled.chunks(columns.len())) {
            out[columns.clone()].copy_from_slice(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::photo::Photo;
    use serde_json::Value;

    /// What Pillow makes of the pixels of [`photo`], and torchvision where squares are cropped: the
    /// shorter side resized by `Image.resize` (bilinear) and the centre taken, `ImageOps.pad`, or
    /// `Image.resize` alone; one channel is `convert("L")` before that.
    const GOLDEN: &str = include_str!("../tests/fit.json");

    fn photo(size: Size) -> Photo {
        let pixel = |i: usize| ((i * 7919 + i * i * 31) % 256) as u8;
        let mixed: Vec<u8> = (0..3 * size.pixels()).map(pixel).collect();
        let plane = |c: usize| mixed.iter().skip(c).step_by(3).copied();
        let planes: Vec<u8> = (0..3).flat_map(plane).collect();
        Photo::of_planes(size, &planes)
    }

    #[test]
    fn within_one_grey_level_of_pillow_and_torchvision() {
        let golden: Value = serde_json::from_str(GOLDEN).expect("JSON");
        let cases = golden.as_array().expect("cases");
        assert_eq!(cases.len(), 60);
        for case in cases {
            let number = |value: &Value| value.as_u64().expect("a number") as usize;
            let from = Size { height: number(&case["height"]), width: number(&case["width"]) };
            let fit = match case["fit"].as_str() {
                Some("crop") => Fit::Crop,
                Some("pad") => Fit::Pad,
                _ => Fit::Stretch,
            };
            let size = Size { height: number(&case["to"][0]), width: number(&case["to"][1]) };
            let expected = case["pixels"].as_array().expect("pixels").iter().map(number);
            let mut out = vec![9; number(&case["channels"]) * size.pixels()];
            photo(from).fitted(Fitting { size, fit }, &mut out);
            let off = out.iter().zip(expected).map(|(a, b)| usize::from(*a).abs_diff(b)).max();
            assert!(off <= Some(1), "{from:?} to {size:?} {fit:?}: off by {off:?}");
        }
    }

    #[test]
    fn a_strip_costs_what_is_seen_of_it() {
        // Resized as a whole it would have two million rows.
        let strip = photo(Size { height: 10_000, width: 1 });
        let mut out = vec![0; 3 * 224 * 224];
        strip.fitted(Fitting::crop(224), &mut out);
        assert!(out[..224].iter().all(|v| *v == out[0]), "one pixel wide");
        strip.fitted(Fitting { size: Size::square(224), fit: Fit::Pad }, &mut out);
        assert_eq!(out.iter().filter(|v| **v > 0).count().div_ceil(224), 3, "a line in black");
    }
}
