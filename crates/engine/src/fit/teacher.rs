//! Another network that a training comes close to.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use artifact::{Error, Result, manifest};
use clap::Args;
use graph::Graph;
use inference::{Checked, Network, Plan, Threads, Unknown, Use};
use kernels::loss;
use serde::Serialize;
use sparsity::Checkpoint;
use stage::{OnlyWith, Values};

use super::flags::number::{positive, probability};
use crate::loader::Fresh;
use crate::{Device, scorer};

/// What a training comes close to.
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Distillation")]
pub struct TeacherFlags {
    /// Folder of a checkpoint whose answers the network learns beside the labels (Hinton et al. 2015)
    #[arg(long, value_name = "DIR")]
    #[serde(skip)]
    pub teacher: Option<PathBuf>,
    /// What logits are divided by before the answers of both networks are compared
    #[arg(long, value_name = "T", default_value_t = 4.0, value_parser = positive)]
    pub temperature: f64,
    /// The teacher's part of the loss, from 0 to 1; the rest is the labels'
    #[arg(long, value_name = "SHARE", default_value_t = 0.9, value_parser = probability)]
    pub alpha: f64,
}

impl TeacherFlags {
    /// Flags that act only beside others.
    pub const ONLY_WITH: [OnlyWith; 2] = [
        OnlyWith::new("temperature", "teacher", Values::Given),
        OnlyWith::new("alpha", "teacher", Values::Given),
    ];

    /// Whether there is no teacher.
    pub fn is_off(&self) -> bool {
        self.teacher.is_none()
    }

    /// The teacher as an input of a stage.
    pub fn input(&self) -> Option<(&'static str, &Path)> {
        self.teacher.as_deref().map(|folder| ("teacher", folder))
    }

    /// Opens the teacher of `student`, whose classes and normalisation are those of `described`.
    ///
    /// # Errors
    /// `Config` where it has other classes, takes other images, or the device is not the processor; as
    /// [`Checkpoint::open`].
    pub fn open(
        &self,
        student: &Graph,
        described: &manifest::Network,
        device: &Device,
    ) -> Result<Option<Teacher>> {
        let names = &described.class_names;
        let Some(folder) = &self.teacher else { return Ok(None) };
        let bad = |what: String| Error::Config(format!("--teacher {}: {what}", folder.display()));
        if !device.is_cpu() {
            return Err(bad("runs on the processor alone; say --device cpu".to_owned()));
        }
        let teacher = Checkpoint::open(folder)?;
        let graph = &teacher.graph;
        if graph.images() != student.images() {
            return Err(bad(format!(
                "{} takes images of {}; the training's are {} (channels, height, width); expected a teacher of the same \
                 images",
                graph.name(),
                graph.images(),
                student.images()
            )));
        }
        if graph.classes() != student.classes() {
            return Err(bad(format!(
                "{} answers with {} classes; the training has {}; expected the same",
                graph.name(),
                graph.classes(),
                student.classes()
            )));
        }
        let mut pairs = teacher.class_names().iter().zip(names).enumerate();
        if let Some((i, (own, other))) = pairs.find(|(_, (own, other))| own != other) {
            return Err(bad(format!(
                "class {i} of {} is {own}, of the training {other}; expected the same classes in the same order",
                graph.name()
            )));
        }
        let both = teacher.normalisation().zip(described.normalisation.as_ref());
        if let Some((own, normalisation)) = both.filter(|(own, other)| own != other) {
            return Err(bad(format!(
                "{} takes images normalised by {own}; the training's are by {normalisation}; expected the same",
                graph.name()
            )));
        }
        let (temperature, share) = (self.temperature as f32, self.alpha as f32);
        Ok(Some(Teacher { checkpoint: teacher, plan: OnceCell::new(), temperature, share }))
    }
}

/// A network whose answers another one learns.
pub struct Teacher {
    checkpoint: Checkpoint,
    /// Made when it is first asked: measuring kernels takes its time.
    plan: OnceCell<Plan>,
    temperature: f32,
    share: f32,
}

impl Teacher {
    /// Its logits for a batch, images x classes.
    pub(super) fn logits(&self, fresh: &Fresh) -> Vec<f32> {
        match fresh {
            Fresh::Images(batch) => self.plan.get_or_init(|| self.planned()).logits(&batch.images),
            #[cfg(feature = "cuda")]
            Fresh::Shown(..) => unreachable!("refused on a GPU"),
        }
    }

    fn planned(&self) -> Plan {
        let (graph, tensors) = (&self.checkpoint.graph, &self.checkpoint.tensors);
        let (network, _) = Network::new(graph, &Checked { graph, tensors }).without_dead_channels();
        let (unknown, threads) = (Unknown::Measure, Threads::Any);
        Plan::new(&network, Use { batch: scorer::batch(graph), skip: true, unknown, threads })
    }

    /// The term of the loss that `logits` give.
    pub(super) fn term<'a>(&self, logits: &'a [f32]) -> loss::Teacher<'a> {
        loss::Teacher { logits, temperature: self.temperature, share: self.share }
    }
}
