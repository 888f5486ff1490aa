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

use crate::resize::Plane;
use crate::{Fit, Fitting, ImageShape, Normalise, Size};

/// The most pixels of a picture.
pub const MOST_PIXELS: u64 = 50_000_000;
/// The most bytes of a picture's file.
pub const MOST_FILE: u64 = 256 << 20;
/// Bytes that decoding may take: the picture's own, and those of a decoder's buffers.
const MOST_BYTES: u64 = 8 * MOST_PIXELS;

/// A decoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photo {
    pixels: RgbImage,
    moves: bool,
}

/// R, G, B.
const CHANNELS: usize = 3;

/// A picture whose header was read and found acceptable.
struct Opened<'a> {
    decoder: Box<dyn ImageDecoder + 'a>,
    moves: bool,
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
        Ok(Self { decoder: Box::new(decoder), moves: own.moves, orientation })
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

/// The brightness of a colour by ITU-R 601, as Pillow's `convert("L")` rounds it.
pub(crate) fn brightness(colour: [u8; 3]) -> u8 {
    let [r, g, b] = colour.map(u32::from);
    ((19_595 * r + 38_470 * g + 7471 * b + (1 << 15)) >> 16) as u8
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
    /// [`Error::Config`] where it has more than [`MOST_PIXELS`] (nothing is decoded then), [`Error::Integrity`] where it is no picture or not a whole one.
    pub fn decode(bytes: &[u8], path: &Path) -> Result<Self> {
        let opened = Opened::new(bytes, path)?;
        let image = DynamicImage::from_decoder(opened.decoder);
        let mut pixels = rgb(image.map_err(|e| bad(path, &e))?);
        let mut turned = DynamicImage::ImageRgb8(std::mem::take(&mut pixels));
        turned.apply_orientation(opened.orientation);
        Ok(Self { pixels: turned.into_rgb8(), moves: opened.moves })
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

    /// Whether it is the first picture of an animation.
    pub fn moves(&self) -> bool {
        self.moves
    }

    /// (width, height) in pixels.
    pub fn size(&self) -> (u32, u32) {
        self.pixels.dimensions()
    }

    fn dimensions(&self) -> Size {
        Size { height: self.pixels.height() as usize, width: self.pixels.width() as usize }
    }

    /// The brightness of each pixel.
    fn grey(&self) -> Vec<u8> {
        self.pixels.pixels().map(|p| brightness(p.0)).collect()
    }

    /// Writes its bytes into `out`, channels x height x width: R, G, B, or one channel that is grey.
    ///
    /// # Panics
    /// If `out` has neither one nor three bytes for each pixel.
    pub fn planes(&self, out: &mut [u8]) {
        if out.len() == self.dimensions().pixels() {
            return out.copy_from_slice(&self.grey());
        }
        assert_eq!(out.len(), self.pixels.len(), "a byte for each pixel and channel");
        let size = (out.len() / CHANNELS).max(1);
        for (channel, plane) in out.chunks_mut(size).enumerate() {
            let values = self.pixels.pixels().map(|p| p.0[channel]);
            plane.iter_mut().zip(values).for_each(|(out, v)| *out = v);
        }
    }

    /// A picture of this `size`, 3 channels one after the other (as datasets hold them), or a grey one.
    ///
    /// # Panics
    /// If `planes` has another number of bytes.
    pub fn of_planes(size: Size, planes: &[u8]) -> Self {
        let pixels = size.pixels();
        assert!([pixels, CHANNELS * pixels].contains(&planes.len()), "one channel or three");
        let pixel = |x: u32, y: u32| {
            let at = y as usize * size.width + x as usize;
            image::Rgb([0, 1, 2].map(|c| planes[(c * pixels + at) % planes.len()]))
        };
        Self {
            pixels: RgbImage::from_fn(size.width as u32, size.height as u32, pixel),
            moves: false,
        }
    }

    /// Writes it into `out` as `fitting` says: three channels R, G, B, or one that is grey.
    ///
    /// # Panics
    /// If `out` has neither one nor three bytes for each pixel of that size.
    pub fn fitted(&self, fitting: Fitting, out: &mut [u8]) {
        let (size, pixels) = (self.dimensions(), fitting.size.pixels());
        if size == fitting.size {
            return self.planes(out);
        }
        let fitter = fitting.of(size);
        if out.len() == pixels {
            return fitter.apply(&Plane::whole(&self.grey(), size.width), out);
        }
        assert_eq!(out.len(), CHANNELS * pixels, "one channel or three");
        for (channel, out) in out.chunks_mut(pixels).enumerate() {
            let bytes = &self.pixels.as_raw()[channel..];
            fitter.apply(&Plane { bytes, width: size.width, step: CHANNELS }, out);
        }
    }

    /// The input of a network for images of `shape`, `(channels, height, width)`: cropped as
    /// [`Fit::Crop`] says, then each channel normalised.
    ///
    /// # Panics
    /// If that has neither one nor three channels.
    pub fn fit(&self, shape: ImageShape, normalise: &Normalise) -> Vec<f32> {
        let mut fitted = vec![0; shape.values()];
        let size = Size { height: shape.height, width: shape.width };
        self.fitted(Fitting { size, fit: Fit::Crop }, &mut fitted);
        let planes = fitted.chunks(shape.pixels().max(1)).zip(normalise.table());
        planes
            .flat_map(|(plane, table)| plane.iter().map(move |b| table[usize::from(*b)]))
            .collect()
    }
}

#[cfg(test)]
mod tests;
