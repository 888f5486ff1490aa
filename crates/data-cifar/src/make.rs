//! `synth` and `import`: a raw set becomes an artifact.

use std::path::Path;

use artifact::record::Dataset;
use artifact::{Result, names};
use cifar::{Raw, STAGE, import, split, store, synth};
use serde::Serialize;
use stage::{Common, Job, Produce};

use crate::cli::{Import, NormaliseBy, SplitFlags, Synth};

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
    finish(job, raw, &record)
}

/// Imports a folder or an archive.
pub fn import(common: &Common, flags: &Import) -> Result<()> {
    import_from(common, &flags.produce, &flags.split, &flags.source)
}

/// As [`import()`], for `fetch` too.
pub fn import_from(
    common: &Common,
    produce: &Produce,
    split: &SplitFlags,
    source: &Path,
) -> Result<()> {
    let normalise = split.normalise;
    let (raw, split) = (import::read(source)?, split.split());
    let record = store::describe(&raw, &split)?;
    tracing::info!("{}: {} and {} images", source.display(), raw.train.len(), raw.test.len());
    let config = ImportConfig {
        source: raw.source,
        content: raw.digest(),
        validation: split.validation,
        split_seed: split.seed,
        normalise,
    };
    match Job::start((common, produce), STAGE, &config, &[])? {
        Some(job) => finish(job, raw, &record),
        None => Ok(()),
    }
}

fn finish(job: Job, raw: Raw, record: &Dataset) -> Result<()> {
    store::write(job.folder(), raw)?;
    job.finish(None, record, &[names::DATASET])
}
