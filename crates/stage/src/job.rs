//! A command that makes one artifact: begun, resumed or already done, then committed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use artifact::manifest::{self, Network};
use artifact::{Begun, Error, Finished, Manifest, Result, Staging, Timings, file, names, yaml};
use serde::Serialize;

use crate::{Common, Produce, output};

/// The artifact in the making.
pub struct Job {
    staging: Staging,
    begun: Begun,
    timings: Timings,
    /// The final place as the user wrote it.
    out: PathBuf,
    json: bool,
}

impl Job {
    /// Opens the job of `stage`, or `None` where nothing is left to do: the artifact stands
    /// finished under the same settings and inputs, or only a dry run was asked for.
    ///
    /// `config` holds every setting that can change the result, and no path. `inputs` are
    /// (role, artifact folder or file).
    pub fn start<C: Serialize>(
        (common, produce): (&Common, &Produce),
        stage: &str,
        config: &C,
        inputs: &[(&str, &Path)],
    ) -> Result<Option<Self>> {
        apart(&produce.out, inputs)?;
        let inputs = inputs.iter().map(|(role, path)| manifest::input(role, path, &produce.out));
        let begun = Begun {
            stage: stage.to_owned(),
            seed: produce.seed,
            config: yaml::value(config),
            inputs: inputs.collect::<Result<_>>()?,
            fresh: produce.fresh,
        };
        if produce.dry_run {
            output::print(yaml::text(&begun).trim_end());
            return Ok(None);
        }
        Staging::replaceable(&produce.out)?;
        Staging::recover(&produce.out, produce.fresh)?;
        if !produce.fresh && finished(&produce.out, &begun, common)? {
            return Ok(None);
        }
        let staging = Staging::open(&produce.out, &begun)?;
        let (timings, out) = (Timings::default(), produce.out.clone());
        Ok(Some(Self { staging, begun, timings, out, json: common.json }))
    }

    /// The same job, with how long it took: recorded beside the manifest.
    #[must_use]
    pub fn timed(self, timings: Timings) -> Self {
        Self { timings, ..self }
    }

    /// The folder to write into; what an interrupted run left is still there.
    pub fn folder(&self) -> &Path {
        self.staging.folder()
    }

    /// A file of that folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// Commits `outputs` with their manifest and prints where it stands.
    pub fn finish<R: Serialize>(
        self,
        network: Option<Network>,
        result: &R,
        outputs: &[&str],
    ) -> Result<()> {
        let manifest = Manifest {
            format: manifest::FORMAT,
            stage: self.begun.stage,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: self.begun.seed,
            network,
            inputs: self.begun.inputs,
            outputs: vec![],
            config: self.begun.config,
            result: yaml::value(result),
        };
        let outputs: Vec<String> = outputs.iter().map(|&o| o.to_owned()).collect();
        self.staging.commit(Finished { manifest, timings: &self.timings }, &outputs)?;
        announce(&self.out, self.json)
    }
}

/// Refuses to make an artifact inside one of its inputs (role, path), or around one: the commit replaces
/// whatever stands at `out`. [`Job::start`] does so for the inputs that it is given.
///
/// # Errors
/// [`Error::Config`] with both paths.
pub fn apart(out: &Path, inputs: &[(&str, &Path)]) -> Result<()> {
    let place = file::resolved(out)?;
    for (role, path) in inputs {
        let input = file::resolved(path)?;
        let how = if place == input {
            "is"
        } else if place.starts_with(&input) {
            "lies inside"
        } else if input.starts_with(&place) {
            "would replace the folder that holds"
        } else {
            continue;
        };
        return Err(Error::Config(format!(
            "{}: --out {how} the {role} {}; choose another --out",
            out.display(),
            path.display()
        )));
    }
    Ok(())
}

fn announce(folder: &Path, json: bool) -> Result<()> {
    if json {
        output::print_json(&Manifest::read(folder)?);
    } else {
        output::print(&folder.join(names::MANIFEST).display().to_string());
    }
    Ok(())
}

/// Whether `out` holds just what `begun` would make. Its manifest is then touched, so that make
/// sees it as newer than inputs that were made again with the same content.
fn finished(out: &Path, begun: &Begun, common: &Common) -> Result<bool> {
    if !file::exists(&out.join(names::MANIFEST))? {
        return Ok(false);
    }
    let manifest = Manifest::read(out)?;
    if let Some(what) = begun.differs_from(&manifest) {
        if Staging::unfinished(out, begun)? {
            return Ok(false);
        }
        // More epochs are not a run that goes on: its schedule would have been another.
        let further = match manifest.stage.as_str() {
            "trainer" => format!(" (with --init-from {} it trains on from there)", out.display()),
            _ => String::new(),
        };
        return Err(Error::Config(format!(
            "{}: a finished {} stands here with {what}; choose another --out{further}, or make it \
             again with --fresh (make: FRESH=1)",
            out.display(),
            manifest.stage
        )));
    }
    whole(out, &manifest)?;
    tracing::info!("{}: already done", out.display());
    // On a read-only disk make will ask again next time; that is all.
    let _ = File::open(out.join(names::MANIFEST)).and_then(|f| f.set_modified(SystemTime::now()));
    announce(out, common.json).map(|()| true)
}

/// Whether every output is there in its full length (digests are checked by whoever reads them).
fn whole(out: &Path, manifest: &Manifest) -> Result<()> {
    for output in &manifest.outputs {
        let path = out.join(&output.file);
        if file::length(&path)? != Some(output.bytes) {
            return Err(Error::Integrity(format!(
                "{}: is missing or not of its {} bytes; make it again with --fresh (make: FRESH=1)",
                path.display(),
                output.bytes
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(out: &Path, seed: u64, fresh: bool) -> (Common, Produce) {
        let common = Common { threads: 0, json: false, recipe: None, verbose: 0, quiet: true };
        (common, Produce { out: out.to_owned(), seed, fresh, dry_run: false })
    }

    fn start(flags: &(Common, Produce)) -> Result<Option<Job>> {
        Job::start((&flags.0, &flags.1), "t", &1, &[])
    }

    #[test]
    fn done_once_then_a_no_op_then_refused_then_fresh() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let out = dir.path().join("a");
        let job = start(&flags(&out, 1, false)).expect("opens").expect("work to do");
        job.finish(None, &2, &[]).expect("commits");
        assert!(start(&flags(&out, 1, false)).expect("fine").is_none());
        let other = start(&flags(&out, 2, false)).err().expect("refused");
        assert_eq!(other.exit_code(), 3);
        assert!(other.to_string().contains("seed 1 where 2 is asked for"), "{other}");
        assert!(start(&flags(&out, 2, true)).expect("opens").is_some());
    }

    #[test]
    fn no_artifact_is_made_inside_an_input_or_around_one() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let input = dir.path().join("runs/dense");
        start(&flags(&input, 1, false))
            .expect("opens")
            .expect("work")
            .finish(None, &2, &[])
            .expect("ok");
        let refused = |out: &Path, expected: &str| {
            let (common, produce) = flags(out, 1, true);
            let started = Job::start((&common, &produce), "t", &1, &[("checkpoint", &input)]);
            let error = started.err().expect("refused");
            assert_eq!(error.exit_code(), 3, "{error}");
            assert!(error.to_string().contains(expected), "{error} lacks {expected}");
        };
        refused(&input, "--out is the checkpoint");
        refused(&input.join("below"), "--out lies inside the checkpoint");
        refused(&dir.path().join("runs"), "would replace the folder that holds the checkpoint");
        assert!(Manifest::read(&input).is_ok(), "the input stands as before");
    }

    #[test]
    fn foreign_folders_stay_as_they_are() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let refused = |out: &Path| {
            for fresh in [false, true] {
                let error = start(&flags(out, 1, fresh)).err().expect("refused");
                assert!(error.to_string().contains("no artifact of ours"), "{error}");
            }
        };
        artifact::file::write(&dir.path().join("mine"), b"x").expect("writes");
        refused(dir.path());
        refused(&dir.path().join("mine"));
        artifact::file::write(&dir.path().join(names::MANIFEST), b"kind: Pod\n").expect("writes");
        refused(dir.path());
    }
}
