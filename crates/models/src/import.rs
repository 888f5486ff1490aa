//! `models import`: a checkpoint of ours from a file of `PyTorch`'s, or an ONNX file.

use std::path::{Path, PathBuf};

use anyhow::Result;
use artifact::record::Import as Record;
use artifact::{Error, Normalisation, file, names, size, tensors};
use clap::Args;
use graph::Graph;
use serde::Serialize;
use stage::{Common, Job, Produce};

use crate::foreign::{Fitting, Found};
use crate::norms;
use crate::onnx_file::{self, Head, Wanted};

/// Flags of `models import`.
#[derive(Debug, Args)]
pub struct Import {
    /// A network: .onnx; or a state_dict: .safetensors, or .pth as torch.save writes it (nothing in it
    /// is ever run)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Number of classes of the last layer, or a file of their names, one per line (default: those
    /// of the file, of the graph's text, or 10)
    #[arg(long, value_name = "NUMBER|FILE")]
    classes: Option<String>,
    #[command(flatten)]
    fitting: Fitting,
    /// Draw the last layer anew where the file has it for another number of classes
    #[arg(long)]
    replace_head: bool,
    /// Mean of each channel with which the network's images are normalised, for pixels from 0 to 1
    /// (torchvision's: 0.485,0.456,0.406; default: what the .onnx file or the checkpoint --like states, else
    /// the mean of whichever dataset is in use)
    #[arg(long, value_name = "R,G,B", value_delimiter = ',', requires = "std")]
    mean: Vec<f64>,
    /// Standard deviation of each channel, likewise (torchvision's: 0.229,0.224,0.225)
    #[arg(long, value_name = "R,G,B", value_delimiter = ',', requires = "mean")]
    std: Vec<f64>,
    /// Insert a batch norm after every convolution without one in an .onnx file, calibrated on images of
    /// --data so that the network's outputs stay the same
    #[arg(long)]
    insert_norms: bool,
    /// Dataset folder made by data-cifar, for --insert-norms: norms are calibrated on its training images
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The source's arrays input and output, for an .onnx file: logits off by more than 1e-4 are
    /// refused
    #[arg(long, value_name = "FILE.npz")]
    against: Option<PathBuf>,
    #[command(flatten)]
    produce: Produce,
}

/// Every setting that can change the result.
#[derive(Serialize)]
struct Config<'a> {
    network: Option<&'a str>,
    classes: usize,
    side: usize,
    key: Option<&'a str>,
    // Not there where it is not given: imports of earlier versions, which had no such flags, are the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    ignore: &'a [String],
    replace_head: bool,
    #[serde(skip_serializing_if = "is_false")]
    insert_norms: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    normalisation: Option<&'a Normalisation>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    class_names: &'a [String],
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Import {
    /// Reads, checks and commits.
    pub fn run(&self, common: &Common) -> Result<()> {
        let fitting = &self.fitting;
        let found = self.found()?;
        let config = Config {
            network: fitting.network.as_deref(),
            classes: found.graph.classes(),
            side: found.graph.images().h,
            key: fitting.key.as_deref(),
            prefix: fitting.prefix.as_deref(),
            ignore: &fitting.ignore,
            replace_head: self.replace_head,
            insert_norms: self.insert_norms,
            normalisation: found.normalisation.as_ref(),
            class_names: &found.class_names,
        };
        let mut inputs = vec![("file", self.file.as_path())];
        let network = fitting.network.as_deref().filter(|network| graph::source::is_file(network));
        inputs.extend(network.map(|path| ("network", Path::new(path))));
        inputs.extend(fitting.masks.as_deref().map(|path| ("masks", path)));
        inputs.extend(fitting.like.as_deref().map(|path| ("like", path)));
        inputs.extend(self.against.as_deref().map(|path| ("against", path)));
        // Not "dataset": it is none that the network was trained on.
        inputs.extend(self.data.as_deref().map(|path| ("calibration", path)));
        let shared = (common, &self.produce);
        let Some(job) = Job::start(shared, "models", &config, &inputs)? else { return Ok(()) };
        // Only now: it takes as long as the network needs for hundreds of images.
        let found = match &self.data {
            Some(data) => norms::insert(found, data, self.produce.seed)?,
            None => found,
        };
        finish(job, &found)
    }

    fn found(&self) -> Result<Found> {
        let (classes, names) = match self.classes.as_deref().map(|text| (text, text.parse())) {
            None => (None, None),
            Some((_, Ok(number))) => (Some(number), None),
            Some((path, Err(_))) => {
                let names = class_names(path.as_ref())?;
                (Some(names.len()), Some(names))
            }
        };
        let of_onnx = self.file.extension().is_some_and(|e| e == "onnx");
        let mut found = if of_onnx { self.of_onnx(classes)? } else { self.of_torch(classes)? };
        if let Some(names) = names {
            if names.len() != found.graph.classes() {
                return Err(Error::Config(format!(
                    "--classes: {} names; the network has {} classes (--replace-head draws a new last \
                     layer)",
                    names.len(),
                    found.graph.classes()
                ))
                .into());
            }
            if !found.class_names.is_empty() && found.class_names != names {
                found.notes.push(
                    "--classes: replaces the class names that came with the network".to_owned(),
                );
            }
            found.class_names = names;
        }
        if let Some(given) = self.normalisation(&found.graph)? {
            if found.normalisation.as_ref().is_some_and(|n| *n != given) {
                found.notes.push(
                    "--mean, --std: replace the normalisation that came with the network"
                        .to_owned(),
                );
            }
            found.normalisation = Some(given);
        }
        Ok(found)
    }

    /// What --mean and --std say.
    fn normalisation(&self, graph: &Graph) -> artifact::Result<Option<Normalisation>> {
        if self.mean.is_empty() {
            return Ok(None);
        }
        let given = Normalisation { mean: self.mean.clone(), std: self.std.clone() };
        let checked = given.check(graph.images().c);
        checked.map_err(|what| Error::Config(format!("--mean, --std: {what}")))?;
        Ok(Some(given))
    }

    fn of_torch(&self, classes: Option<usize>) -> Result<Found> {
        for (flag, given) in [
            ("--insert-norms", self.insert_norms),
            ("--data", self.data.is_some()),
            ("--against", self.against.is_some()),
        ] {
            if given {
                return Err(Error::Config(format!(
                    "{flag}: has no effect on {}; it is for .onnx files",
                    self.file.display()
                ))
                .into());
            }
        }
        let head = self.replace_head.then_some(self.produce.seed);
        Ok(self.fitting.read(&self.file, classes, head)?)
    }

    fn of_onnx(&self, classes: Option<usize>) -> Result<Found> {
        let fitting = &self.fitting;
        let given = [
            ("--network", fitting.network.is_some()),
            ("--like", fitting.like.is_some()),
            ("--key", fitting.key.is_some()),
            ("--prefix", fitting.prefix.is_some()),
            ("--ignore", !fitting.ignore.is_empty()),
            ("--masks", fitting.masks.is_some()),
        ];
        if let Some((flag, _)) = given.iter().find(|(_, given)| *given) {
            return Err(Error::Config(format!(
                "{flag}: has no effect on {}, which says what its network is",
                self.file.display()
            ))
            .into());
        }
        let what = match (self.insert_norms, &self.data) {
            (true, None) => Some(
                "--insert-norms: needs --data DIR, a dataset made by data-cifar on which the norms' statistics \
                 are measured (ideally of images like those the network was trained on)",
            ),
            (false, Some(_)) => {
                Some("--data: has no effect by itself; --insert-norms measures norms on its images")
            }
            _ => None,
        };
        if let Some(what) = what {
            return Err(Error::Config(what.into()).into());
        }
        if self.replace_head && classes.is_none() {
            let what = "--replace-head: has no effect by itself; --classes says for how many";
            return Err(Error::Config(what.into()).into());
        }
        let head = classes
            .filter(|_| self.replace_head)
            .map(|classes| Head { classes, seed: self.produce.seed });
        let found = onnx_file::read(&Wanted {
            path: &self.file,
            side: fitting.side,
            against: self.against.as_deref(),
            head,
        })?;
        match classes.filter(|n| *n != found.graph.classes()) {
            None => Ok(found),
            Some(classes) => Err(Error::Config(format!(
                "{}: is for {} classes; --replace-head draws a new last layer for {classes}",
                self.file.display(),
                found.graph.classes()
            ))
            .into()),
        }
    }
}

fn finish(job: Job, found: &Found) -> Result<()> {
    let (graph, masks) = (&found.graph, &found.masks);
    for note in &found.notes {
        tracing::info!("{note}");
    }
    let model = job.path(names::MODEL);
    tensors::write(&model, &found.tensors, None)?;
    let mut outputs = vec![names::MODEL];
    if !masks.is_empty() {
        tensors::write(&job.path(names::MASK), &masks.tensors(graph), None)?;
        outputs.push(names::MASK);
    }
    let sparsity = sparsity::count(graph, &found.tensors, masks);
    tracing::info!(
        "{}: {} parameters, {:.2}% of them zero",
        graph.name(),
        size::thousands(sparsity.parameters),
        sparsity.of_all * 100.0
    );
    let sizes = size::measure(&model, sparsity.nonzero)?;
    let result = Record { notes: found.notes.clone(), sparsity, sizes };
    Ok(job.finish(Some(found.network()), &result, &outputs)?)
}

/// The names of the classes in the file `--classes`, one per line.
fn class_names(path: &Path) -> artifact::Result<Vec<String>> {
    let lines = file::read_text(path).map_err(|error| match error {
        Error::Missing(what) => Error::Missing(format!(
            "--classes: neither a number of classes nor a file of their names: {what}"
        )),
        other => other,
    })?;
    let names = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let names: Vec<String> = names.map(str::to_owned).collect();
    cifar::classes::check_names(&names, &path.display().to_string())?;
    Ok(names)
}
