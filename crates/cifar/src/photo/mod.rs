//! Pictures, one at a time: decoded, and fitted to a network's input.
//!
//! Importing and predicting both come through here, so that a network is asked about the pixels that it
//! would have been trained on. Of a PNG, JPEG, WebP or BMP the 8-bit RGB pixels are taken as Pillow's
//! `convert("RGB")` gives them to torchvision's `ImageFolder`: grey becomes three equal channels, palettes
//! are looked up, CMYK is multiplied out, an alpha channel is dropped (the colours below it stay, whatever
//! they are), and of 16 bits the upper eight are kept. Of an animation the first picture is taken. Two
//! things differ: a picture is turned as its EXIF data says, and grey of 16 bits keeps its upper eight
//! too, where Pillow clips all above 255 to white.

mod own;

use std::io::Cursor;
use std::path::Path;

use artifact::{Error, Result, file};
use image::{DynamicImage, ImageDecoder, ImageReader, Limits, RgbImage};

use crate::Normalise;
use crate::resize::Resize;

/// The most pixels of a picture.
pub const MOST_PIXELS: u64 = 50_000_000;
/// The most bytes of a picture's file.
pub const MOST_FILE: u64 = 256 << 20;
/// The most that one side may be of the other: all of it is resized before the middle is taken.
const MOST_RATIO: u32 = 50;
/// Bytes that decoding may take: the picture's own, and those of a decoder's buffers.
const MOST_BYTES: u64 = 8 * MOST_PIXELS;

/// A decoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photo {
    pixels: RgbImage,
}

/// A picture whose header was read and found acceptable.
struct Opened<'a> {
    decoder: Box<dyn ImageDecoder + 'a>,
    orientation: image::metadata::Orientation,
}

impl<'a> Opened<'a> {
    /// Finds the format, the picture's end and its size; `path` is named in errors.
    fn new(bytes: &'a [u8], path: &Path) -> Result<Self> {
        let own = own::own(bytes).map_err(|what| bad(path, &what))?;
        let mut reader = ImageReader::with_format(Cursor::new(own.bytes), own.format);
        let mut limits = Limits::default();
        limits.max_alloc = Some(MOST_BYTES);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(|e| bad(path, &e))?;
        let orientation = match own.turned {
            Some(turned) => turned,
            None => decoder.orientation().map_err(|e| bad(path, &e))?,
        };
        check_size(decoder.dimensions(), path)?;
        Ok(Self { decoder: Box::new(decoder), orientation })
    }
}

fn bad(path: &Path, what: &dyn std::fmt::Display) -> Error {
    let expected = "not a PNG, JPEG, WebP or BMP that can be read";
    Error::Integrity(format!("{}: {expected}: {what}", path.display()))
}

fn check_size((w, h): (u32, u32), path: &Path) -> Result<()> {
    let path = path.display();
    if u64::from(w) * u64::from(h) > MOST_PIXELS {
        return Err(Error::Config(format!(
            "{path}: {w} x {h} pixels; expected at most {} million in all; scale it down first",
            MOST_PIXELS / 1_000_000
        )));
    }
    if w == 0 || h == 0 {
        return Err(Error::Integrity(format!("{path}: {w} x {h} pixels; a picture has some")));
    }
    if u64::from(w.max(h)) > u64::from(MOST_RATIO) * u64::from(w.min(h)) {
        return Err(Error::Config(format!(
            "{path}: {w} x {h} pixels; expected sides of which one is at most {MOST_RATIO} times the \
             other; crop it first"
        )));
    }
    Ok(())
}

/// The 8-bit RGB pixels of `image`; the module says how.
fn rgb(image: DynamicImage) -> RgbImage {
    let upper = |v: u16| (v >> 8) as u8;
    let (w, h) = (image.width(), image.height());
    let of = |channels: usize, values: Vec<u16>| {
        let pixel = |p: &[u16]| [0, 1, 2].map(|c| upper(p[if channels < 3 { 0 } else { c }]));
        let bytes = values.chunks(channels).flat_map(pixel).collect();
        RgbImage::from_raw(w, h, bytes).expect("three bytes a pixel")
    };
    match image {
        DynamicImage::ImageLuma16(image) => of(1, image.into_raw()),
        DynamicImage::ImageLumaA16(image) => of(2, image.into_raw()),
        DynamicImage::ImageRgb16(image) => of(3, image.into_raw()),
        DynamicImage::ImageRgba16(image) => of(4, image.into_raw()),
        other => other.into_rgb8(),
    }
}

impl Photo {
    /// Reads and decodes the picture at `path`.
    ///
    /// # Errors
    /// As [`Photo::decode`]; [`Error::Missing`] where there is none, [`Error::Config`] where it is no
    /// regular file or has more than [`MOST_FILE`] bytes.
    pub fn open(path: &Path) -> Result<Self> {
        Self::decode(&file::read_at_most(path, MOST_FILE)?, path)
    }

    /// Decodes a picture; `path` is named in errors.
    ///
    /// # Errors
    /// [`Error::Config`] where it has more than [`MOST_PIXELS`] or is a mere strip (nothing is decoded
    /// then), [`Error::Integrity`] where it is no picture or not a whole one.
    pub fn decode(bytes: &[u8], path: &Path) -> Result<Self> {
        let opened = Opened::new(bytes, path)?;
        let image = DynamicImage::from_decoder(opened.decoder);
        let mut pixels = rgb(image.map_err(|e| bad(path, &e))?);
        let mut turned = DynamicImage::ImageRgb8(std::mem::take(&mut pixels));
        turned.apply_orientation(opened.orientation);
        Ok(Self { pixels: turned.into_rgb8() })
    }

    /// (width, height) that [`Photo::decode`] would give, from the header alone.
    ///
    /// # Errors
    /// As [`Photo::decode`], as far as the header and the file's end show.
    pub fn size_of(bytes: &[u8], path: &Path) -> Result<(u32, u32)> {
        use image::metadata::Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
        let opened = Opened::new(bytes, path)?;
        let (w, h) = opened.decoder.dimensions();
        let sideways = [Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH];
        Ok(if sideways.contains(&opened.orientation) { (h, w) } else { (w, h) })
    }

    /// (width, height) in pixels.
    pub fn size(&self) -> (u32, u32) {
        self.pixels.dimensions()
    }

    /// Writes its bytes into `out`, 3 x height x width: channels R, G, B, each row by row.
    ///
    /// # Panics
    /// If `out` has another number of bytes.
    pub fn planes(&self, out: &mut [u8]) {
        assert_eq!(out.len(), self.pixels.len(), "a byte for each pixel and channel");
        let size = (out.len() / 3).max(1);
        for (channel, plane) in out.chunks_mut(size).enumerate() {
            let values = self.pixels.pixels().map(|p| p.0[channel]);
            plane.iter_mut().zip(values).for_each(|(out, v)| *out = v);
        }
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
mod tests;
