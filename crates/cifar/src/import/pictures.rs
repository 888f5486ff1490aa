//! Decoding pictures: some at a time, on all threads, in their order.

use std::collections::BTreeMap;
use std::path::Path;

use artifact::record::ImageShape;
use artifact::{Error, Result, digest};
use rayon::prelude::*;

use super::folder::{Found, Picture};
use super::remarks::Remarks;
use super::{MOST_SIDE, Options, Tree};
use crate::photo::Photo;
use crate::pixels::Gathered;
use crate::{Fitting, Images, Raw, Size};

/// Bytes of images that are decoded before they are written, about.
const WINDOW: usize = 16 << 20;
/// The most sizes that an error lists.
const MOST_LISTED: usize = 8;

/// What is to be known of a decoded picture beside its pixels.
#[derive(Clone, Copy)]
pub struct Seen {
    /// SHA-256 of its file.
    pub digest: [u8; 32],
    /// Its size as it came.
    pub size: Size,
    /// Whether it is the first one of an animation.
    pub moves: bool,
}

/// Decodes the pictures of `found`.
pub fn decode(tree: &Tree, found: Found, options: &Options) -> Result<Raw> {
    let size = match options.fitting {
        Some(fitting) => fitting.size,
        None => equal_sizes(tree, &found)?,
    };
    let channels = options.channels.unwrap_or(3);
    let shape = ImageShape { channels, height: size.height, width: size.width };
    let decoder = Decoder { tree, fitting: options.fitting, shape };
    let mut remarks = Remarks::new(options.fitting);
    let mut part = |pictures: &[Picture]| decoder.part(pictures, options, &mut remarks);
    let [train, test, validation] = &found.pictures;
    let (train, test, validation) = (part(train)?, part(test)?, part(validation)?);
    let remarks = remarks.told(&found.pictures);
    let validation = (!validation.is_empty()).then_some(validation);
    let set = Raw::empty("folder", found.classes, shape);
    Ok(Raw { train, validation, test, remarks, ..set })
}

struct Decoder<'a> {
    tree: &'a Tree,
    fitting: Option<Fitting>,
    shape: ImageShape,
}

impl Decoder<'_> {
    /// Decodes the pictures of a part: one window of them while the one before is written.
    fn part(
        &self,
        pictures: &[Picture],
        options: &Options,
        remarks: &mut Remarks,
    ) -> Result<Images> {
        let bytes = self.shape.values();
        let least = 4 * rayon::current_num_threads();
        let window = (WINDOW / bytes).clamp(least, 256.max(least));
        let mut gathered = Gathered::new(pictures.len() * bytes, &options.room)?;
        let (mut ready, mut next) = (vec![], vec![]);
        for pictures in pictures.chunks(window) {
            let (written, seen) =
                rayon::join(|| gathered.add(&ready), || self.window(pictures, &mut next));
            written?;
            // The first that is refused is told, whichever thread came first.
            seen.into_iter().try_for_each(|seen| seen.map(|seen| remarks.add(seen)))?;
            options.watch.decoded(pictures.len())?;
            std::mem::swap(&mut ready, &mut next);
        }
        gathered.add(&ready)?;
        remarks.end_part();
        let labels = pictures.iter().map(|picture| picture.label).collect();
        Ok(Images { pixels: gathered.finish(), labels })
    }

    fn window(&self, pictures: &[Picture], out: &mut Vec<u8>) -> Vec<Result<Seen>> {
        out.resize(pictures.len() * self.shape.values(), 0);
        let both = out.par_chunks_mut(self.shape.values()).zip(pictures);
        both.map(|(out, picture)| self.picture(&picture.name, out)).collect()
    }

    fn picture(&self, name: &str, out: &mut [u8]) -> Result<Seen> {
        let (bytes, place) = (self.tree.picture(name)?, self.tree.place(name));
        let photo = Photo::decode(&bytes, Path::new(&place))?;
        let (width, height) = photo.size();
        let size = Size { height: height as usize, width: width as usize };
        match self.fitting {
            Some(fitting) => photo.fitted(fitting, out),
            None if size == Size::of(self.shape) => photo.planes(out),
            None => {
                return Err(Error::Integrity(format!(
                    "{place}: decoded to {width} x {height} pixels; its header says {} x {}",
                    self.shape.width, self.shape.height
                )));
            }
        }
        Ok(Seen { digest: digest::raw(&bytes), size, moves: photo.moves() })
    }
}

/// (number, the first name) of the pictures of each width and height.
type Counted<'a> = BTreeMap<(u32, u32), (usize, &'a str)>;

/// The size of every picture, from their headers.
fn equal_sizes(tree: &Tree, found: &Found) -> Result<Size> {
    let mut all: Vec<&Picture> = found.pictures.iter().flatten().collect();
    all.sort_by_key(|picture| &picture.name);
    let size = |picture: &&Picture| {
        let bytes = tree.picture(&picture.name)?;
        Photo::size_of(&bytes, Path::new(&tree.place(&picture.name)))
    };
    let sizes: Vec<Result<(u32, u32)>> = all.par_iter().map(size).collect();
    let mut counted = Counted::new();
    for (picture, size) in all.iter().zip(sizes) {
        counted.entry(size?).or_insert((0, &picture.name)).0 += 1;
    }
    match counted.first_key_value() {
        Some(((w, h), _)) if counted.len() == 1 && *w.max(h) as usize <= MOST_SIDE => {
            Ok(Size { height: *h as usize, width: *w as usize })
        }
        _ => Err(other_sizes(tree, &counted)),
    }
}

fn other_sizes(tree: &Tree, counted: &Counted) -> Error {
    let mut all: Vec<_> = counted.iter().collect();
    all.sort_by_key(|(size, (count, _))| (std::cmp::Reverse(*count), **size));
    let one = |((w, h), (count, name)): &(&(u32, u32), &(usize, &str))| {
        format!("{count} of {w} x {h} (such as {})", artifact::printable(name))
    };
    let mut listed: Vec<String> = all.iter().take(MOST_LISTED).map(one).collect();
    let more = all.len().saturating_sub(MOST_LISTED);
    if more > 0 {
        let count: usize = all[MOST_LISTED..].iter().map(|(_, (count, _))| count).sum();
        listed.push(format!("{count} of {more} other sizes"));
    }
    Error::Config(format!(
        "{}: pictures as wide x high in pixels: {}; expected all of one size, with sides of at most \
         {MOST_SIDE} pixels: give the size that the network takes with --side (how each is made to fit is \
         --fit)",
        tree.origin,
        listed.join(", ")
    ))
}
