//! Pictures of any size, one at a time: decoded, fitted to a network's input, normalised.

use std::io::Cursor;
use std::path::Path;

use artifact::{Error, Result};
use image::{DynamicImage, ImageDecoder, ImageReader, Limits, RgbImage};

use crate::Normalise;
use crate::resize::Resize;

/// The most pixels of a picture.
pub const MOST_PIXELS: u64 = 50_000_000;
/// The most that one side may be of the other: all of it is resized before the middle is taken.
const MOST_RATIO: u32 = 50;
/// Bytes that decoding may take: the picture's own, and those of a decoder's buffers.
const MOST_BYTES: u64 = 8 * MOST_PIXELS;

/// Whether a JPEG has an end: its decoder fills up what is missing. (A PNG's does not.)
///
/// In the data behind the last start of a scan, 255 is followed by 0 but where a marker stands.
fn ends(bytes: &[u8]) -> bool {
    let [jpeg, scan, end] = [[0xFF, 0xD8], [0xFF, 0xDA], [0xFF, 0xD9]];
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|w| w == marker);
    !bytes.starts_with(&jpeg) || last(end) > last(scan)
}

/// A decoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photo {
    pixels: RgbImage,
}

impl Photo {
    /// Decodes a PNG or JPEG and turns it as its EXIF data says; `path` is named in errors.
    ///
    /// # Errors
    /// [`Error::Config`] where it has more than [`MOST_PIXELS`] or is a mere strip (nothing is decoded
    /// then),
    /// [`Error::Integrity`] where it is no image or not a whole one.
    pub fn decode(bytes: &[u8], path: &Path) -> Result<Self> {
        let bad = |e: &dyn std::fmt::Display| {
            let what = "not a PNG or JPEG that can be read";
            Error::Integrity(format!("{}: {what}: {e}", path.display()))
        };
        let open = || ImageReader::new(Cursor::new(bytes)).with_guessed_format();
        let (w, h) = open().map_err(|e| bad(&e))?.into_dimensions().map_err(|e| bad(&e))?;
        if u64::from(w) * u64::from(h) > MOST_PIXELS {
            return Err(Error::Config(format!(
                "{}: {w} x {h} pixels; expected at most {} million in all; scale it down first",
                path.display(),
                MOST_PIXELS / 1_000_000
            )));
        }
        if w.max(h) > MOST_RATIO * w.min(h) {
            return Err(Error::Config(format!(
                "{}: {w} x {h} pixels; expected sides of which one is at most {MOST_RATIO} times \
                 the other; crop it first",
                path.display()
            )));
        }
        if !ends(bytes) {
            return Err(bad(&"it was cut off"));
        }
        let mut reader = open().map_err(|e| bad(&e))?;
        let mut limits = Limits::default();
        limits.max_alloc = Some(MOST_BYTES);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(|e| bad(&e))?;
        let orientation = decoder.orientation().map_err(|e| bad(&e))?;
        let mut image = DynamicImage::from_decoder(decoder).map_err(|e| bad(&e))?;
        image.apply_orientation(orientation);
        Ok(Self { pixels: image.into_rgb8() })
    }

    /// A picture of `side` x `side` pixels, 3 channels one after the other (as datasets hold them).
    ///
    /// # Panics
    /// If `planes` has another number of bytes.
    pub fn of_planes(side: usize, planes: &[u8]) -> Self {
        assert_eq!(planes.len(), 3 * side * side, "three square channels");
        let pixel = |x: u32, y: u32| {
            let at = y as usize * side + x as usize;
            image::Rgb([0, 1, 2].map(|c| planes[c * side * side + at]))
        };
        Self { pixels: RgbImage::from_fn(side as u32, side as u32, pixel) }
    }

    /// The input of a network for `side` x `side` pixels, `(3, side, side)`: the shorter side is
    /// resized to `side`, bilinear with antialiasing, and the middle is taken; then each channel is
    /// normalised. It is what torchvision's `Resize(side)` and `CenterCrop(side)` do.
    pub fn fit(&self, side: usize, normalise: &Normalise) -> Vec<f32> {
        let (w, h) = (self.pixels.width() as usize, self.pixels.height() as usize);
        let short = w.min(h);
        // As torchvision: the longer side is cut to whole pixels.
        let (rows, columns) = (side * h / short, side * w / short);
        // It rounds the halves of odd margins to even.
        let margin = |size: usize| ((size - side) as f64 / 2.0).round_ties_even() as usize;
        let (top, left) = (margin(rows), margin(columns));
        let (resize, table) = (Resize::new((h, w), (rows, columns)), normalise.table());
        let mut resized = vec![0; rows * columns];
        let mut out = Vec::with_capacity(3 * side * side);
        for (c, table) in table.iter().enumerate() {
            let plane: Vec<u8> = self.pixels.pixels().map(|p| p.0[c]).collect();
            resize.apply(&plane, &mut resized);
            let kept = resized.chunks(columns).skip(top).take(side);
            let kept = kept.flat_map(|row| &row[left..left + side]);
            out.extend(kept.map(|byte| table[usize::from(*byte)]));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageFormat, Rgb};

    const AS_BYTES: Normalise = Normalise { mean: [0.0; 3], std: [1.0 / 255.0; 3] };

    fn png(w: u32, h: u32, of: impl Fn(u32, u32) -> [u8; 3]) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let image = RgbImage::from_fn(w, h, |x, y| Rgb(of(x, y)));
        image.write_to(&mut bytes, ImageFormat::Png).expect("into memory");
        bytes.into_inner()
    }

    fn fitted(bytes: &[u8], side: usize) -> Vec<f32> {
        Photo::decode(bytes, Path::new("p")).expect("an image").fit(side, &AS_BYTES)
    }

    #[track_caller]
    fn refused(bytes: &[u8], code: u8, expected: &str) {
        let error = Photo::decode(bytes, Path::new("p")).expect_err("refused");
        assert!(error.to_string().contains(expected), "{error} lacks {expected}");
        assert_eq!(error.exit_code(), code, "{error}");
    }

    #[test]
    fn of_its_size_it_is_itself() {
        let found = fitted(&png(4, 4, |x, y| [(x + 4 * y) as u8, 100, 255]), 4);
        let close = |a: f32, b: f32| (a - b).abs() < 1e-3;
        assert!((0..16).all(|i| close(found[i], i as f32)), "{found:?}");
        assert!(found[16..32].iter().all(|v| close(*v, 100.0)), "{found:?}");
        let again = Photo::of_planes(4, &found.iter().map(|v| v.round() as u8).collect::<Vec<_>>());
        assert_eq!(again.fit(4, &AS_BYTES), found);
    }

    #[test]
    fn the_middle_is_taken() {
        let stripes = |x: u32| if (2..4).contains(&x) { 200 } else { 10 };
        let found = fitted(&png(6, 2, |x, _| [stripes(x); 3]), 2);
        assert!(found.iter().all(|v| (v - 200.0).abs() < 1e-3), "{found:?}");
        let tall = fitted(&png(40, 120, |_, y| [if (40..80).contains(&y) { 90 } else { 0 }; 3]), 4);
        assert!((tall[4 + 1] - 90.0).abs() < 1e-3, "{tall:?}");
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        refused(b"text", 5, "p: not a PNG or JPEG");
        let whole = png(64, 64, |x, y| [(x * 3) as u8, (y * 5) as u8, (x ^ y) as u8]);
        refused(&whole[..whole.len() / 2], 5, "p: not a PNG or JPEG");
        refused(&[], 5, "p: not a PNG or JPEG");
        let mut jpeg = Cursor::new(Vec::new());
        let image = RgbImage::from_fn(64, 64, |x, y| Rgb([(x * y) as u8, x as u8, y as u8]));
        image.write_to(&mut jpeg, ImageFormat::Jpeg).expect("into memory");
        let jpeg = jpeg.into_inner();
        assert!(Photo::decode(&jpeg, Path::new("p")).is_ok());
        refused(
            &jpeg[..jpeg.len() * 2 / 3],
            5,
            "p: not a PNG or JPEG that can be read: it was cut",
        );
        refused(&png(102, 2, |_, _| [0; 3]), 3, "102 x 2 pixels; expected sides");
    }

    #[test]
    fn a_huge_one_is_not_decoded() {
        // A PNG's size stands in its header, behind which nothing need follow to be refused.
        let mut bytes = png(1, 1, |_, _| [0; 3]);
        bytes[16..24].copy_from_slice(&[0, 0, 0x27, 0x10, 0, 0, 0x27, 0x10]);
        let crc = crc32(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.to_be_bytes());
        refused(&bytes, 3, "10000 x 10000 pixels; expected at most 50 million");
    }

    /// CRC-32 as PNG has it, bit by bit.
    fn crc32(bytes: &[u8]) -> u32 {
        let step = |crc: u32| (crc >> 1) ^ (0xEDB8_8320 * (crc & 1));
        !bytes.iter().fold(u32::MAX, |crc, b| (0..8).fold(crc ^ u32::from(*b), |c, _| step(c)))
    }
}
