//! A dataset artifact, opened, checked and split.

use std::path::Path;
use std::sync::Arc;

use artifact::record::ImageShape;
use artifact::stored::{Element, Place, Stored};
use artifact::{Error, Manifest, Normalisation, Result, memory, names, record, size};

use crate::raw::{Images, check_classes};
use crate::{Pixels, split, store};

/// The stage that makes datasets, as manifests name it.
pub const STAGE: &str = "data-cifar";

/// An opened dataset.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// What the manifest says of it.
    pub info: record::Dataset,
    /// Trained on.
    pub train: Part,
    /// Selected on.
    pub validation: Part,
    /// Read once, at a stage's end. Where the set has no test images these are the validation images
    /// again: [`Dataset::has_test`].
    pub test: Part,
}

/// Some images of a dataset, in a fixed order. Clones share the pixels.
#[derive(Debug, Clone)]
pub struct Part {
    images: Arc<Images>,
    indices: Arc<[usize]>,
    shape: ImageShape,
    /// The class of each label, where these are not the same.
    numbers: Option<Arc<[u16]>>,
}

/// Where the images of an opened dataset are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// In memory, where they take no more than half of what is left of it; else in their file.
    AsFits,
    /// In memory.
    Memory,
    /// In their file: each is read whenever it is wanted.
    File,
}

impl Keep {
    /// Whether `bytes` of images are kept in memory.
    fn in_memory(self, bytes: u64) -> bool {
        match self {
            Self::AsFits => memory::available().is_none_or(|left| bytes <= left / 2),
            Self::Memory => true,
            Self::File => false,
        }
    }
}

impl Dataset {
    /// Opens the artifact at `folder`: the digest, shapes, labels and counts must hold.
    ///
    /// # Errors
    /// [`Error::Missing`] where there is none, [`Error::Config`] where it is no dataset,
    /// [`Error::Integrity`] where anything changed since it was made.
    pub fn open(folder: &Path) -> Result<Self> {
        Self::open_kept(folder, Keep::AsFits)
    }

    /// As [`Dataset::open`], its images kept as `keep` says. They are the same either way.
    ///
    /// # Errors
    /// As [`Dataset::open`].
    pub fn open_kept(folder: &Path, keep: Keep) -> Result<Self> {
        let manifest = Manifest::read(folder)?;
        if manifest.stage != STAGE {
            return Err(Error::Config(format!(
                "{}: made by {}; expected a dataset, made by {STAGE}",
                folder.display(),
                manifest.stage
            )));
        }
        let info: record::Dataset = manifest.result(folder)?;
        check_info(&info, folder)?;
        let path = manifest.verified(folder, names::DATASET)?;
        let bad = |what: String| Error::Integrity(format!("{}: {what}", path.display()));
        let stored = Stored::open(&path)?;
        // Datasets of earlier versions have no note.
        let noted = stored.note.as_deref();
        noted.map_or(Ok(()), |note| store::check_note(note, &info)).map_err(bad)?;
        let places = places(&stored, info.shape).map_err(bad)?;
        let parts = places.map(|part| part.map(|part| part.images(&stored)).transpose());
        let [train, test, own] = parts;
        let parts = [train?, test?, own?];
        check_counts(&parts, &info).map_err(bad)?;
        let parts = kept(parts, keep, &path)?;
        let opened = Self::assemble(info, parts)?;
        if !opened.has_test() {
            tracing::warn!(
                "{}: has no test images; what is called a test score here is that of its {} validation \
                 images, by which networks are chosen",
                folder.display(),
                opened.validation.len()
            );
        }
        Ok(opened)
    }

    /// The same images, class `i` renamed and renumbered to `numbers[i]` among `names`.
    pub(crate) fn renumbered(mut self, numbers: &[u16], names: &[String]) -> Self {
        let counts = |name: &String| {
            let same = self.info.counts.iter().find(|c| c.class == *name).cloned();
            same.unwrap_or(record::ClassCount { class: name.clone(), train: 0, test: 0 })
        };
        self.info.counts = names.iter().map(counts).collect();
        self.info.classes = names.to_vec();
        let numbers: Arc<[u16]> = numbers.into();
        for part in [&mut self.train, &mut self.validation, &mut self.test] {
            part.numbers = Some(Arc::clone(&numbers));
        }
        self
    }

    /// The same images, normalised by `other`.
    #[must_use]
    pub fn normalised_by(mut self, other: &Normalisation) -> Self {
        self.info.mean.clone_from(&other.mean);
        self.info.std.clone_from(&other.std);
        self
    }

    /// Whether there are test images. Where there are none, [`Dataset::test`] is the validation part.
    pub fn has_test(&self) -> bool {
        self.info.images.test > 0
    }

    fn assemble(info: record::Dataset, [train, test, own]: [Option<Images>; 3]) -> Result<Self> {
        let shape = info.shape;
        let part = |images: &Arc<Images>, indices: Vec<usize>| Part {
            images: Arc::clone(images),
            indices: indices.into(),
            shape,
            numbers: None,
        };
        let train = Arc::new(train.unwrap_or_default());
        let (fit, validation) = if let Some(own) = own {
            (part(&train, (0..train.len()).collect()), Part::whole(own, shape))
        } else {
            let (fit, held) = split::split(train.len(), info.validation, info.split_seed)?;
            (part(&train, fit), part(&train, held))
        };
        let test = test.filter(|test| !test.is_empty());
        let test = test.map_or_else(|| validation.clone(), |test| Part::whole(test, shape));
        Ok(Self { info, train: fit, validation, test })
    }
}

impl Part {
    /// All of `images`, each of this `shape`.
    pub fn whole(images: Images, shape: ImageShape) -> Self {
        let indices = (0..images.len()).collect();
        Self { images: Arc::new(images), indices, shape, numbers: None }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// The shape of an image.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// The bytes of image `i`: channels x height x width, three channels being R, G, B. Where images are
    /// kept in their file they are read into `buffer`.
    ///
    /// # Errors
    /// [`Error::Missing`] where the file cannot be read any more.
    pub fn image<'a>(&'a self, i: usize, buffer: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        let bytes = self.shape.values();
        let start = bytes * self.indices[i];
        self.images.pixels.get(start..start + bytes, buffer)
    }

    /// The bytes of all images of the file that this is a part of.
    pub fn pixels(&self) -> &Pixels {
        &self.images.pixels
    }

    /// Whether that file is the same one.
    pub fn shares_pixels(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.images, &other.images)
    }

    /// Where image `i` is in it.
    pub(crate) fn place(&self, i: usize) -> usize {
        self.indices[i]
    }

    /// The class number of image `i`.
    pub fn label(&self, i: usize) -> u16 {
        let label = self.images.labels[self.indices[i]];
        self.numbers.as_ref().map_or(label, |numbers| numbers[usize::from(label)])
    }
}

fn check_info(info: &record::Dataset, folder: &Path) -> Result<()> {
    let origin = folder.join(names::MANIFEST).display().to_string();
    check_classes(&info.classes, &origin)?;
    info.normalisation()
        .check(info.shape.channels)
        .map_err(|what| Error::Config(format!("{origin}: {what}")))
}

/// Where a part's images and labels are.
struct PartPlaces<'a> {
    images: &'a Place,
    labels: &'a Place,
}

impl PartPlaces<'_> {
    /// The part: its labels in memory, its images in the file.
    fn images(&self, stored: &Stored) -> Result<Images> {
        let in_file = |place: &Place| {
            let (file, path) = (Arc::clone(&stored.file), stored.path.clone());
            Pixels::in_file(file, path, place.start, place.bytes as usize)
        };
        let bytes = in_file(self.labels).to_vec()?;
        let labels = match self.labels.element {
            Element::U8 => bytes.into_iter().map(u16::from).collect(),
            Element::U16 => bytes.as_chunks().0.iter().map(|b| u16::from_le_bytes(*b)).collect(),
        };
        Ok(Images { pixels: in_file(self.images), labels })
    }
}

/// The places of each part of [`store::TENSORS`], where the file holds just these.
fn places(stored: &Stored, shape: ImageShape) -> Result<[Option<PartPlaces<'_>>; 3], String> {
    let found: Vec<&str> = stored.tensors.keys().map(String::as_str).collect();
    let take = |name: &str| {
        let place = stored.tensors.get(name);
        place.ok_or_else(|| format!("tensor {name} is missing (found: {})", found.join(", ")))
    };
    let part = |(images, labels): (&str, &str)| {
        let part = PartPlaces { images: take(images)?, labels: take(labels)? };
        if part.images.element != Element::U8 {
            return Err(format!("tensor {images} is not U8"));
        }
        let n = part.labels.shape.iter().product();
        check_shape(labels, &part.labels.shape, &[n])?;
        let ImageShape { channels, height, width } = shape;
        check_shape(images, &part.images.shape, &[n, channels, height, width])?;
        Ok(part)
    };
    let [train, test, own] = store::TENSORS;
    let of_its_own = [own.0, own.1].iter().any(|name| found.contains(name));
    let parts = [Some(part(train)?), Some(part(test)?), of_its_own.then(|| part(own)).transpose()?];
    let known = |name: &str| store::TENSORS.iter().any(|(a, b)| [*a, *b].contains(&name));
    match found.iter().find(|name| !known(name)) {
        Some(name) => Err(format!("tensor {name} is surplus in a dataset")),
        None => Ok(parts),
    }
}

/// The parts with their images where `keep` says.
fn kept(parts: [Option<Images>; 3], keep: Keep, path: &Path) -> Result<[Option<Images>; 3]> {
    let bytes: u64 = parts.iter().flatten().map(|part| part.pixels.len() as u64).sum();
    let (in_memory, mib) = (keep.in_memory(bytes), size::mib(bytes));
    let place = path.display();
    if !in_memory {
        tracing::debug!(
            "{place}: {mib:.0} MiB of images stay in the file, and are read as they are wanted"
        );
        return Ok(parts);
    }
    tracing::debug!("{place}: {mib:.0} MiB of images are kept in memory");
    let read = |part: Images| Ok(Images { pixels: part.pixels.to_vec()?.into(), ..part });
    let [train, test, own] = parts.map(|part| part.map(read).transpose());
    Ok([train?, test?, own?])
}

fn check_shape(name: &str, found: &[usize], expected: &[usize]) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("tensor {name} has shape {found:?}; expected {expected:?}"))
}

/// Labels lie below the number of classes; each class has as many images as the manifest says.
fn check_counts(parts: &[Option<Images>; 3], info: &record::Dataset) -> Result<(), String> {
    let classes = info.classes.len();
    for ((_, name), part) in store::TENSORS.iter().zip(parts) {
        let labels = part.as_ref().map_or(&[][..], |part| &part.labels);
        if let Some(i) = labels.iter().position(|l| usize::from(*l) >= classes) {
            let label = labels[i];
            return Err(format!("{name}: image {i} has label {label}; expected below {classes}"));
        }
    }
    let [train, test, own] = parts.each_ref().map(|part| {
        part.as_ref().map_or((0, vec![0; classes]), |part| (part.len(), part.counts(classes)))
    });
    let sums = train.1.iter().zip(&own.1).map(|(a, b)| a + b);
    let found: Vec<(usize, usize)> = sums.zip(test.1).collect();
    let listed: Vec<_> = info.counts.iter().map(|c| (c.train, c.test)).collect();
    let named = info.counts.iter().map(|c| &c.class);
    let of_its_own = parts[2].is_some();
    let totals = info.images.train + info.images.validation == train.0 + own.0
        && info.images.test == test.0
        && (!of_its_own || info.images.validation == own.0)
        && of_its_own == (info.validation == 0.0);
    if found == listed && totals && named.eq(&info.classes) {
        return Ok(());
    }
    let differing = found.iter().zip(&listed).position(|(f, l)| f != l).unwrap_or(0);
    Err(format!(
        "found {} training and validation and {} test images of {} classes, {:?} of class {differing}; the \
         manifest says {}, {} and {}, {:?}",
        train.0 + own.0,
        test.0,
        found.len(),
        found.get(differing).copied().unwrap_or_default(),
        info.images.train + info.images.validation,
        info.images.test,
        listed.len(),
        listed.get(differing).copied().unwrap_or_default()
    ))
}
