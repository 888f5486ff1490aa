//! `synth` and `import`: a raw set becomes an artifact.

use std::path::Path;

use artifact::record::{ClassCount, Dataset};
use artifact::{Result, names};
use cifar::import::{Labels, Options, SetApart};
use cifar::{Raw, Room, STAGE, import, split, store, synth};
use serde::Serialize;
use stage::{Common, Job, Produce};

use crate::cli::{FitName, Import, NormaliseBy, PictureFlags, SplitFlags, Synth};
use crate::watch::Watching;

/// Settings of the built-in set, as the manifest records them.
#[derive(Serialize)]
struct SynthConfig {
    source: &'static str,
    train: usize,
    test: usize,
    validation: f64,
    split_seed: u64,
    normalise: NormaliseBy,
}

/// Settings of an import. The source's own place does not matter, its content does.
#[derive(Serialize)]
struct ImportConfig {
    source: &'static str,
    content: String,
    /// Height and width that pictures were resized to.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<[usize; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fit: Option<FitName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channels: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test_fraction: Option<f64>,
    validation: f64,
    split_seed: u64,
    normalise: NormaliseBy,
}

/// Renders the built-in set.
pub fn synth(common: &Common, flags: &Synth) -> Result<()> {
    let split = flags.split.split();
    let config = SynthConfig {
        source: synth::SOURCE,
        train: flags.train,
        test: flags.test,
        validation: split.validation,
        split_seed: split.seed,
        normalise: flags.split.normalise,
    };
    synth::check(flags.train, flags.test)?;
    split::split(flags.train, split.validation, split.seed)?;
    let Some(job) = Job::start((common, &flags.produce), STAGE, &config, &[])? else {
        return Ok(());
    };
    let raw = synth::generate(flags.produce.seed, flags.train, flags.test);
    let record = store::describe(&raw, &split)?;
    finish(job, &raw, &record)
}

/// What is imported.
pub struct Source<'a> {
    /// The folder or the archive.
    pub path: &'a Path,
    /// Which labels, where there are two kinds.
    pub labels: Option<Labels>,
    /// What is made of its pictures.
    pub pictures: &'a PictureFlags,
}

/// Imports a folder or an archive.
pub fn import(common: &Common, flags: &Import) -> Result<()> {
    let labels = flags.labels.map(Labels::from);
    let source = Source { path: &flags.source, labels, pictures: &flags.pictures };
    import_from(common, &flags.produce, &flags.split, &source)
}

/// As [`import()`], for `fetch` too.
pub fn import_from(
    common: &Common,
    produce: &Produce,
    flags: &SplitFlags,
    source: &Source,
) -> Result<()> {
    // Before pictures are read, which can take minutes.
    stage::apart(&produce.out, &[("source", source.path)])?;
    let place = artifact::printable(&source.path.display().to_string());
    let (split, pictures) = (flags.split(), source.pictures);
    let watch = Watching::new(&place, flags, pictures.test_fraction);
    let raw = import::read(
        source.path,
        &Options {
            labels: source.labels,
            fitting: pictures.fitting(),
            channels: pictures.channels,
            set_apart: pictures.test_fraction.map(|f| SetApart { fraction: f, seed: split.seed }),
            room: Room::near(&produce.out),
            watch: &watch,
        },
    )?;
    watch.check(raw.validation.is_some())?;
    watch.tell();
    let record = store::describe(&raw, &split)?;
    tell(&place, &record, &raw);
    let config = ImportConfig {
        source: raw.source,
        content: raw.digest()?,
        size: pictures.fitting().map(|f| [f.size.height, f.size.width]),
        fit: pictures.fit(),
        channels: pictures.channels,
        test_fraction: pictures.test_fraction,
        validation: record.validation,
        split_seed: split.seed,
        normalise: flags.normalise,
    };
    match Job::start((common, produce), STAGE, &config, &[])? {
        Some(job) => finish(job, &raw, &record),
        None => Ok(()),
    }
}

/// Says what is imported, and what is not.
fn tell(place: &str, record: &Dataset, raw: &Raw) {
    let images = &record.images;
    tracing::info!(
        "{place}: {} training, {} validation and {} test images of {} classes, {}",
        images.train,
        images.validation,
        images.test,
        record.classes.len(),
        record.shape
    );
    for remark in &raw.remarks {
        tracing::warn!("{place}: {remark}");
    }
    if let Some(told) = cifar::told(&record.passed_over) {
        tracing::info!("{place}: {told}");
    }
    let lacks = |count: fn(&ClassCount) -> usize| {
        let mut without = record.counts.iter().filter(move |c| count(c) == 0);
        without.next().map(|first| (first.class.clone(), 1 + without.count()))
    };
    let validation = raw.validation.as_ref().and_then(|own| {
        let counts = own.counts(record.classes.len());
        let mut without = record.classes.iter().zip(counts).filter(|(_, n)| *n == 0);
        without.next().map(|(first, _)| (first.clone(), 1 + without.count()))
    });
    let test = if images.test > 0 { lacks(|c| c.test) } else { None };
    let parts = [("training", lacks(|c| c.train)), ("validation", validation), ("test", test)];
    for (part, without) in parts {
        if let Some((class, n)) = without {
            let classes = if n == 1 { "class" } else { "classes" };
            tracing::warn!("{place}: {n} {classes} without {part} images, such as {class}");
        }
    }
}

fn finish(job: Job, raw: &Raw, record: &Dataset) -> Result<()> {
    store::write(job.folder(), raw, record)?;
    job.finish(None, record, &[names::DATASET])
}
