//! A dataset artifact, opened, checked and split.

use std::path::Path;
use std::sync::Arc;

use artifact::tensors::{self, Tensors, Values};
use artifact::{Error, Manifest, Result, names, record};

use crate::raw::{Images, check_classes};
use crate::{split, store};

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
    side: usize,
    /// The class of each label, where these are not the same.
    numbers: Option<Arc<[u16]>>,
}

impl Dataset {
    /// Opens the artifact at `folder`: the digest, shapes, labels and counts must hold.
    pub fn open(folder: &Path) -> Result<Self> {
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
        let (tensors, note) = tensors::read(&path)?;
        // Datasets of earlier versions have no note.
        note.map_or(Ok(()), |note| store::check_note(&note, &info)).map_err(bad)?;
        let parts = images(tensors, info.side)
            .and_then(|parts| check_counts(&parts, &info).map(|()| parts))
            .map_err(bad)?;
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

    /// Whether there are test images. Where there are none, [`Dataset::test`] is the validation part.
    pub fn has_test(&self) -> bool {
        self.info.images.test > 0
    }

    fn assemble(info: record::Dataset, [train, test, own]: [Option<Images>; 3]) -> Result<Self> {
        let side = info.side;
        let part = |images: &Arc<Images>, indices: Vec<usize>| Part {
            images: Arc::clone(images),
            indices: indices.into(),
            side,
            numbers: None,
        };
        let train = Arc::new(train.unwrap_or_default());
        let (fit, validation) = if let Some(own) = own {
            (part(&train, (0..train.len()).collect()), Part::whole(own, side))
        } else {
            let (fit, held) = split::split(train.len(), info.validation, info.split_seed)?;
            (part(&train, fit), part(&train, held))
        };
        let test = test.filter(|test| !test.is_empty());
        let test = test.map_or_else(|| validation.clone(), |test| Part::whole(test, side));
        Ok(Self { info, train: fit, validation, test })
    }
}

impl Part {
    /// All of `images`, `side` pixels a side.
    pub fn whole(images: Images, side: usize) -> Self {
        let indices = (0..images.len()).collect();
        Self { images: Arc::new(images), indices, side, numbers: None }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Height and width of an image in pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// The bytes of image `i`: 3 x side x side, channels R, G, B.
    pub fn image(&self, i: usize) -> &[u8] {
        let bytes = 3 * self.side * self.side;
        let start = bytes * self.indices[i];
        &self.images.pixels[start..start + bytes]
    }

    /// The bytes of all images of the file that this is a part of.
    pub fn pixels(&self) -> &[u8] {
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
    check_normalisation(&info.mean, &info.std)
        .map_err(|what| Error::Config(format!("{origin}: {what}")))
}

/// Checks a mean and a deviation of three channels, pixels in `[0, 1]`. No values in that range have a mean
/// beyond it or a deviation above a half; one up to 1 is in use for scaling to `[-1, 1]` and back.
pub fn check_normalisation(mean: &[f64], std: &[f64]) -> Result<(), String> {
    let fine = mean.len() == 3
        && std.len() == 3
        && mean.iter().all(|m| (0.0..=1.0).contains(m))
        && std.iter().all(|s| *s as f32 > 0.0 && *s <= 1.0);
    if fine {
        return Ok(());
    }
    Err(format!(
        "mean {mean:?} and std {std:?}; expected three numbers each for pixels from 0 to 1: means from 0 to \
         1, deviations above 0 and at most 1"
    ))
}

/// The images of each part of [`store::TENSORS`], where `tensors` holds just these.
fn images(mut tensors: Tensors, side: usize) -> Result<[Option<Images>; 3], String> {
    let found: Vec<String> = tensors.keys().cloned().collect();
    let mut part = |(images, labels): (&str, &str)| -> Result<Images, String> {
        let mut take = |name: &str| {
            let tensor = tensors.remove(name);
            tensor.ok_or_else(|| format!("tensor {name} is missing (found: {})", found.join(", ")))
        };
        let (images_tensor, labels_tensor) = (take(images)?, take(labels)?);
        let values = match labels_tensor.values {
            Values::U8(values) => values.into_iter().map(u16::from).collect(),
            Values::U16(values) => values,
            Values::F32(_) => return Err(format!("tensor {labels} is neither U8 nor U16")),
        };
        let Values::U8(pixels) = images_tensor.values else {
            return Err(format!("tensor {images} is not U8"));
        };
        check_shape(labels, &labels_tensor.shape, &[values.len()])?;
        check_shape(images, &images_tensor.shape, &[values.len(), 3, side, side])?;
        Ok(Images { pixels, labels: values })
    };
    let [train, test, own] = store::TENSORS;
    let of_its_own = [own.0, own.1].iter().any(|name| found.iter().any(|f| f == name));
    let parts = [Some(part(train)?), Some(part(test)?), of_its_own.then(|| part(own)).transpose()?];
    match tensors.keys().next() {
        Some(name) => Err(format!("tensor {name} is surplus in a dataset")),
        None => Ok(parts),
    }
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
