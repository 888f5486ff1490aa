//! The provenance chain: manifests walked back from the given folders to the dense run and data.

use std::path::{Path, PathBuf};

use artifact::manifest::{self, Input};
use artifact::{Error, Manifest, Result, Timings, file, names, record};

/// Artifacts, each behind those that it was made from.
pub struct Chain {
    /// The artifacts.
    pub stages: Vec<Stage>,
    /// Those that were asked for, as indices.
    pub given: Vec<usize>,
}

/// One artifact.
pub struct Stage {
    /// Its folder.
    pub folder: PathBuf,
    /// Its folder as seen from the report.
    pub path: String,
    /// Digest of its content.
    pub sha256: String,
    /// Its manifest.
    pub manifest: Manifest,
    /// The manifest's result.
    pub record: Record,
    /// How long it took.
    pub timings: Timings,
    /// What it was made from.
    pub links: Vec<Link>,
}

/// An input of an artifact.
pub struct Link {
    /// The manifest's entry; its path is that seen from the report, where it was found.
    pub input: Input,
    /// How it stands now.
    pub state: State,
    /// Index of the artifact; none for a single file or one that was not found.
    pub stage: Option<usize>,
}

/// How an input stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// As it was when it was read.
    Same,
    /// Made again or altered since.
    Changed,
    /// No longer where it was.
    Missing,
}

/// A manifest's result by its stage.
pub enum Record {
    /// Of `data-cifar`.
    Dataset(record::Dataset),
    /// Of `trainer`, dense.
    Training(record::Training),
    /// Of `trainer`, pruned on the way.
    SparseTraining(record::Training),
    /// Of `pruner`.
    Pruning(record::Pruning),
    /// Of `finetuner`.
    Finetuning(record::Finetuning),
    /// Of `scanner`.
    Scan(record::Scan),
    /// Of `deployer deploy`.
    Deployment(record::Deployment),
    /// Of a stage that the report only names.
    Other,
}

impl Record {
    /// The result of `manifest`, which stands in `folder`.
    pub fn of(manifest: &Manifest, folder: &Path) -> Result<Self> {
        Ok(match manifest.stage.as_str() {
            "data-cifar" => Self::Dataset(manifest.result(folder)?),
            "trainer" => match manifest.result::<record::Training>(folder)? {
                training if training.method.is_some() => Self::SparseTraining(training),
                training => Self::Training(training),
            },
            "pruner" => Self::Pruning(manifest.result(folder)?),
            "finetuner" => Self::Finetuning(manifest.result(folder)?),
            "scanner" => Self::Scan(manifest.result(folder)?),
            // `deployer unpack` makes a checkpoint.
            "deployer" if manifest.has(names::PACKED) => Self::Deployment(manifest.result(folder)?),
            _ => Self::Other,
        })
    }

    /// Whether a report can be about it, not only mention it.
    fn reportable(&self) -> bool {
        !matches!(self, Self::Dataset(_) | Self::Other)
    }
}

impl Stage {
    /// A short name for it: its path without the way up.
    pub fn name(&self) -> &str {
        self.path.trim_start_matches("../")
    }

    /// Index of the first input of `role` that was found.
    pub fn input(&self, role: &str) -> Option<usize> {
        self.links.iter().filter(|l| l.input.role == role).find_map(|l| l.stage)
    }
}

impl Chain {
    /// Reads the artifacts `folders` and all that they were made from; paths are seen from `out`.
    ///
    /// # Errors
    /// Exit code 4 where a given folder is missing, 3 where a manifest is invalid or of a stage
    /// that has no report.
    pub fn read(folders: &[PathBuf], out: &Path) -> Result<Self> {
        let mut walk = Walk { out, stages: vec![], open: vec![] };
        let mut given = Vec::new();
        for folder in folders {
            let index = walk.visit(folder)?;
            let stage = &walk.stages[index];
            if !stage.record.reportable() {
                return Err(Error::Config(format!(
                    "{}: an artifact of {}; expected one of trainer, pruner, finetuner, \
                     scanner or deployer deploy",
                    folder.display(),
                    stage.manifest.stage
                )));
            }
            if !given.contains(&index) {
                given.push(index);
            }
        }
        Ok(Self { stages: walk.stages, given })
    }

    /// The stage `index` and the checkpoints that it came from, newest first.
    pub fn lineage(&self, index: usize) -> Vec<usize> {
        std::iter::successors(Some(index), |&i| self.stages[i].input("checkpoint")).collect()
    }

    /// The checkpoint that `index`, an artifact of the deployer, was packed from: the one of that
    /// digest, wherever it stands now.
    ///
    /// # Errors
    /// Exit code 5 where there is none: bytes and milliseconds would be those of another network.
    pub fn packed_from(&self, index: usize) -> Result<usize> {
        let stage = &self.stages[index];
        let input = stage.links.iter().map(|l| &l.input).find(|i| i.role == "checkpoint");
        let of_digest = |s: &Stage| input.is_some_and(|i| i.sha256 == s.sha256);
        let usable = |s: &Stage| of_digest(s) && s.record.reportable();
        // Artifacts of equal content have equal digests: the one at its place goes before others.
        let there = stage.input("checkpoint").filter(|&i| usable(&self.stages[i]));
        let found = there.or_else(|| self.stages.iter().position(usable));
        found.ok_or_else(|| {
            Error::Integrity(format!(
                "{}: the checkpoint that it was packed from ({}) is not there, was made again \
                 since, or is not of trainer, pruner or finetuner; deploy it again or leave it out",
                stage.folder.display(),
                input.map_or("none named", |i| i.path.as_str())
            ))
        })
    }

    /// What the pruner left of the network that finetuner `index` tuned; none where it went on
    /// from a network that was tuned before.
    pub fn pruned_before(&self, index: usize) -> Option<&record::Pruning> {
        match &self.stages[self.stages[index].input("checkpoint")?].record {
            Record::Pruning(pruning) => Some(pruning),
            _ => None,
        }
    }

    /// How many pruners the stage `index` came from, itself included: the round that it is of.
    pub fn round(&self, index: usize) -> usize {
        let pruner = |i: &usize| matches!(self.stages[*i].record, Record::Pruning(_));
        self.lineage(index).into_iter().filter(pruner).count()
    }

    /// Inputs that are no longer what was read, each with the stage that read it.
    pub fn doubtful(&self) -> impl Iterator<Item = (&Stage, &Link)> {
        let links = self.stages.iter().flat_map(|s| s.links.iter().map(move |l| (s, l)));
        links.filter(|(_, l)| l.state != State::Same)
    }
}

struct Walk<'a> {
    out: &'a Path,
    stages: Vec<Stage>,
    open: Vec<String>,
}

impl Walk<'_> {
    fn visit(&mut self, folder: &Path) -> Result<usize> {
        let manifest = Manifest::read(folder)?;
        let me = manifest::input("", folder, self.out)?;
        if let Some(known) = self.stages.iter().position(|s| s.path == me.path) {
            return Ok(known);
        }
        if self.open.contains(&me.path) {
            let shown = folder.display();
            return Err(Error::Config(format!(
                "{shown}: an input of itself; the manifest is wrong"
            )));
        }
        let record = Record::of(&manifest, folder)?;
        self.open.push(me.path.clone());
        let links = manifest.inputs.iter().map(|i| self.link(folder, i)).collect::<Result<_>>()?;
        self.open.pop();
        let (folder, timings) = (folder.to_owned(), Timings::read(folder)?);
        self.stages.push(Stage {
            folder,
            path: me.path,
            sha256: me.sha256,
            manifest,
            record,
            timings,
            links,
        });
        Ok(self.stages.len() - 1)
    }

    fn link(&mut self, folder: &Path, recorded: &Input) -> Result<Link> {
        let path = folder.join(&recorded.path);
        let unfinished = file::is_folder(&path)? && !file::exists(&path.join(names::MANIFEST))?;
        if unfinished || !file::exists(&path)? {
            return Ok(Link { input: recorded.clone(), state: State::Missing, stage: None });
        }
        let now = manifest::input(&recorded.role, &path, self.out)?;
        let state = if now.sha256 == recorded.sha256 { State::Same } else { State::Changed };
        let whole = file::exists(&path.join(names::MANIFEST))?;
        let stage = if whole { Some(self.visit(&path)?) } else { None };
        let input = Input { path: now.path, ..recorded.clone() };
        Ok(Link { input, state, stage })
    }
}
