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
    /// Read once, at a stage's end.
    pub test: Part,
}

/// Some images of a dataset, in a fixed order. Clones share the pixels.
#[derive(Debug, Clone)]
pub struct Part {
    images: Arc<Images>,
    indices: Arc<[usize]>,
    side: usize,
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
        let (tensors, _) = tensors::read(&path)?;
        let [train, test] = images(tensors, info.side)
            .and_then(|parts| check_counts(&parts, &info).map(|()| parts))
            .map_err(|what| Error::Integrity(format!("{}: {what}", path.display())))?;
        Self::assemble(info, train, test)
    }

    /// The same images, class `i` renamed and renumbered to `numbers[i]` among `names`.
    pub(crate) fn renumbered(mut self, numbers: &[usize], names: &[String]) -> Self {
        let counts = |name: &String| {
            let same = self.info.counts.iter().find(|c| c.class == *name).cloned();
            same.unwrap_or(record::ClassCount { class: name.clone(), train: 0, test: 0 })
        };
        self.info.counts = names.iter().map(counts).collect();
        self.info.classes = names.to_vec();
        let relabelled = |images: &Arc<Images>| {
            let labels = images.labels.iter().map(|l| numbers[usize::from(*l)] as _).collect();
            Arc::new(Images { labels, ..Images::clone(images) })
        };
        let (training, test) = (relabelled(&self.train.images), relabelled(&self.test.images));
        self.train.images = Arc::clone(&training);
        self.validation.images = training;
        self.test.images = test;
        self
    }

    fn assemble(info: record::Dataset, train: Images, test: Images) -> Result<Self> {
        let (fit, held) = split::split(train.len(), info.validation, info.split_seed)?;
        let all = (0..test.len()).collect();
        let (train, test) = (Arc::new(train), Arc::new(test));
        let part = |images: &Arc<Images>, indices: Vec<usize>| Part {
            images: Arc::clone(images),
            indices: indices.into(),
            side: info.side,
        };
        let (fit, held, test) = (part(&train, fit), part(&train, held), part(&test, all));
        Ok(Self { info, train: fit, validation: held, test })
    }
}

impl Part {
    /// All of `images`, `side` pixels a side.
    pub fn whole(images: Images, side: usize) -> Self {
        let indices = (0..images.len()).collect();
        Self { images: Arc::new(images), indices, side }
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
    pub fn label(&self, i: usize) -> u8 {
        self.images.labels[self.indices[i]]
    }
}

fn check_info(info: &record::Dataset, folder: &Path) -> Result<()> {
    let origin = folder.join(names::MANIFEST).display().to_string();
    check_classes(&info.classes, &origin)?;
    let channel = |v: &[f64]| v.len() == 3 && v.iter().all(|x| x.is_finite());
    if channel(&info.mean) && channel(&info.std) && info.std.iter().all(|s| *s > 0.0) {
        return Ok(());
    }
    Err(Error::Config(format!(
        "{origin}: mean {:?} and std {:?}; expected three finite numbers each, std above 0",
        info.mean, info.std
    )))
}

/// The training and the test images, where `tensors` holds just these.
fn images(mut tensors: Tensors, side: usize) -> Result<[Images; 2], String> {
    let found: Vec<String> = tensors.keys().cloned().collect();
    let mut take = |name: &str| match tensors.remove(name) {
        Some(t) => match t.values {
            Values::U8(values) => Ok((t.shape, values)),
            Values::F32(_) => Err(format!("tensor {name} is not U8")),
        },
        None => Err(format!("tensor {name} is missing (found: {})", found.join(", "))),
    };
    let mut part = |images: &str, labels: &str| -> Result<Images, String> {
        let ((shape, pixels), (counted, values)) = (take(images)?, take(labels)?);
        check_shape(labels, &counted, &[values.len()])?;
        check_shape(images, &shape, &[values.len(), 3, side, side])?;
        Ok(Images { pixels, labels: values })
    };
    let [a, b, c, d] = store::TENSORS;
    let parts = [part(a, b)?, part(c, d)?];
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
fn check_counts(parts: &[Images; 2], info: &record::Dataset) -> Result<(), String> {
    let classes = info.classes.len();
    for (name, part) in ["train", "test"].iter().zip(parts) {
        if let Some(i) = part.labels.iter().position(|l| usize::from(*l) >= classes) {
            let label = part.labels[i];
            return Err(format!(
                "{name}.labels: image {i} has label {label}; expected below {classes}"
            ));
        }
    }
    let found: Vec<_> =
        parts[0].counts(classes).into_iter().zip(parts[1].counts(classes)).collect();
    let listed: Vec<_> = info.counts.iter().map(|c| (c.train, c.test)).collect();
    let named: Vec<_> = info.counts.iter().map(|c| &c.class).collect();
    let total = (info.images.train + info.images.validation, info.images.test);
    let whole = (parts[0].len(), parts[1].len());
    if found == listed
        && total == whole
        && named.iter().eq(&info.classes.iter().collect::<Vec<_>>())
    {
        return Ok(());
    }
    Err(format!("(train, test) images a class are {found:?}; the manifest says {listed:?}"))
}
