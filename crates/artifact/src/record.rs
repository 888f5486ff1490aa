//! What stages tell each other and the report: the `result` of each manifest and the lines of
//! each `.jsonl` file. Accuracies and sparsities are fractions in `[0, 1]`. None of them holds a time:
//! the same work done again gives the same records. Times are in [`Timings`](crate::Timings).

use serde::{Deserialize, Serialize};

use crate::size::Sizes;

mod dataset;

pub use dataset::{Dataset, ImageShape};

macro_rules! record {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }
    };
}

record!(
    /// Entries of a source that were not taken, all for the same reason.
    PassedOver {
        /// What they are, in words: `hidden file`, `not a picture`.
        kind: String,
        /// How many there are.
        count: usize,
        /// The first of them, its path within the source.
        example: String,
    }
);

record!(
    /// Images of one class.
    ClassCount {
        /// The class.
        class: String,
        /// Training images, validation included.
        train: usize,
        /// Test images.
        test: usize,
    }
);

record!(
    /// Number of images of each part.
    Parts {
        /// Trained on.
        train: usize,
        /// Selected on.
        validation: usize,
        /// Read once, at a stage's end. Where there are none, the validation images are scored then.
        test: usize,
    }
);

record!(
    /// One evaluation.
    #[derive(Copy)]
    Score {
        /// Mean cross-entropy in nats.
        loss: f64,
        /// Fraction of images whose class came first.
        accuracy: f64,
        /// Number of those images.
        correct: usize,
        /// Number of images.
        images: usize,
    }
);

record!(
    /// Scores of one network on both parts that it was not trained on.
    #[derive(Copy)]
    Scores {
        /// On validation images.
        validation: Score,
        /// On test images.
        test: Score,
    }
);

record!(
    /// A line of `metrics.jsonl`.
    Epoch {
        /// Counted from 1.
        epoch: usize,
        /// Learning rate of the epoch's last step.
        lr: f64,
        /// Mean training loss, augmentation and label smoothing included.
        train_loss: f64,
        /// Training accuracy under augmentation.
        train_accuracy: f64,
        /// Score on validation images.
        validation: Score,
        /// Best validation accuracy so far.
        best: f64,
        /// Pruned weights found alive after the epoch: 0, or the run stops.
        revived: u64,
        /// Share of the prunable weights that was pruned then, where training prunes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sparsity: Option<f64>,
    }
);

record!(
    /// How much of a network is left.
    Sparsity {
        /// All trainable parameters.
        parameters: u64,
        /// Weights of convolutions and linear layers.
        prunable: u64,
        /// Parameters that the masks hold at zero.
        pruned: u64,
        /// Pruned weights over prunable weights.
        of_prunable: f64,
        /// Zero parameters (counted) over all parameters.
        of_all: f64,
        /// Parameters that are not zero (counted).
        nonzero: u64,
        /// Multiply-accumulates for one image, dense.
        macs_dense: u64,
        /// Multiply-accumulates for one image whose weight is kept.
        macs_sparse: u64,
    }
);

record!(
    /// A prunable layer.
    Layer {
        /// Name of its weight.
        name: String,
        /// Shape of its weight.
        shape: Vec<usize>,
        /// Number of its weights.
        weights: u64,
        /// Weights that are kept.
        kept: u64,
        /// Weights that are pruned.
        pruned: u64,
        /// Pruned over weights.
        sparsity: f64,
        /// Bytes of the kept weights as 32-bit floats, over those of the whole network.
        share: f64,
        /// Multiply-accumulates for one image, dense.
        macs_dense: u64,
        /// Those whose weight is kept.
        macs_sparse: u64,
        /// Why the layer has this sparsity.
        reason: String,
    }
);

record!(
    /// What chose the weights that were pruned, by the names that flags have.
    Method {
        /// What ranked them.
        score: String,
        /// What was pruned as a whole.
        structure: String,
        /// How layers shared what was pruned, or `plan`.
        allocation: String,
        /// When: `one-shot`, `rounds`, or a schedule within a training.
        schedule: String,
    }
);

record!(
    /// Result of `trainer`.
    Training {
        /// Epochs run.
        epochs: usize,
        /// The epoch of the best validation accuracy; its weights are `model.safetensors`.
        best_epoch: usize,
        /// Scores of the best epoch's weights.
        scores: Scores,
        /// Parameter counts and work.
        sparsity: Sparsity,
        /// Sizes of `model.safetensors`.
        sizes: Sizes,
        /// What pruned the network while it was trained; none of a dense training.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        method: Option<Method>,
        /// Every prunable layer in the network's order, of a network that was pruned.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        layers: Vec<Layer>,
    }
);

fn single_weights() -> String {
    "weight".to_owned()
}

record!(
    /// Result of `pruner`.
    Pruning {
        /// What ranked the weights: `magnitude`, `random` or a measured score.
        score: String,
        /// Unit of pruning: `weight`, `block4`, `kernel`, `channel`, or N of M as in `2:4`; older records do not have it.
        #[serde(default = "single_weights")]
        structure: String,
        /// How layers share what is pruned, or `plan`; older records have `scope`, and `layer` for `uniform`.
        #[serde(alias = "scope")]
        allocation: String,
        /// The sparsity over prunable weights that was asked for, where one was.
        target: Option<f64>,
        /// Round of an iterative schedule, counted from 1.
        round: Option<usize>,
        /// What is left.
        sparsity: Sparsity,
        /// Every prunable layer in the network's order.
        layers: Vec<Layer>,
        /// Pruned entries of biases.
        bias_pruned: u64,
        /// Sizes of `model.safetensors`.
        sizes: Sizes,
    }
);

record!(
    /// Result of `finetuner`.
    Finetuning {
        /// Epochs run.
        epochs: usize,
        /// The epoch of the best validation accuracy.
        best_epoch: usize,
        /// The pruned network as it came.
        pruned_as_is: Scores,
        /// The pruned network after its batch-norm statistics were recalibrated.
        pruned: Scores,
        /// The best fine-tuned weights.
        tuned: Scores,
        /// What is left, counted in the tuned weights.
        sparsity: Sparsity,
        /// Every prunable layer in the network's order.
        layers: Vec<Layer>,
        /// Sizes of `model.safetensors`.
        sizes: Sizes,
        /// What pruned the network, before or in this training; older records do not have it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        method: Option<Method>,
    }
);

record!(
    /// Result of `models import`.
    Import {
        /// What was done to the file's tensors on the way, in words.
        notes: Vec<String>,
        /// What is left of the network; all of it where the file held no masks.
        sparsity: Sparsity,
        /// Sizes of `model.safetensors`.
        sizes: Sizes,
    }
);

record!(
    /// Result of `scanner`.
    Scan {
        /// The unpruned network on the same validation images.
        baseline: Score,
        /// Ratios in the order scanned.
        ratios: Vec<f64>,
        /// Layers in the network's order.
        layers: Vec<String>,
        /// Training images on which batch-norm statistics were recalibrated at each point.
        recalibration_images: usize,
        /// All points; also line by line in `scan.jsonl`.
        rows: Vec<ScanRow>,
    }
);

record!(
    /// A line of `scan.jsonl`: one layer alone pruned at one ratio.
    ScanRow {
        /// Name of the layer's weight.
        layer: String,
        /// The ratio asked for.
        ratio: f64,
        /// Weights that were pruned before.
        before: u64,
        /// Weights pruned, those included.
        pruned: u64,
        /// Weights of the layer.
        weights: u64,
        /// Score on validation images.
        score: Score,
        /// Baseline accuracy minus this accuracy.
        drop: f64,
    }
);

record!(
    /// Result of `scanner scores`.
    Scoring {
        /// What was measured.
        score: String,
        /// Training images that it was measured on.
        images: usize,
    }
);

record!(
    /// Result of `deployer deploy`.
    Deployment {
        /// How kept weights are stored: `f32`, `f16`, `int8` or `codebook4`.
        values: String,
        /// Activations at run time: `f32` or `int8`; older records do not have it.
        #[serde(default = "floats")]
        activations: String,
        /// Bytes of the packed file.
        bytes: u64,
        /// Bytes of the dense checkpoint's weights file.
        dense_bytes: u64,
        /// What is left of the network.
        sparsity: Sparsity,
        /// Output channels whose value is known, or that nothing reads: left out when it is run.
        removed_channels: usize,
        /// How the packed network answers beside the checkpoint.
        verification: Verification,
    }
);

fn floats() -> String {
    "f32".to_owned()
}

impl Pruning {
    /// What chose the weights.
    pub fn method(&self) -> Method {
        let Self { score, structure, allocation, round, .. } = self.clone();
        let schedule = if round.is_some() { "rounds" } else { "one-shot" }.to_owned();
        Method { score, structure, allocation, schedule }
    }
}

impl Deployment {
    /// How it is stored and run: its values, and W8A8 where activations have eight bits too.
    pub fn kind(&self) -> String {
        let Self { values, activations, .. } = self;
        if activations == "f32" { values.clone() } else { format!("{values} (W8A8)") }
    }
}

record!(
    /// A packed network compared with its checkpoint, on test images.
    #[derive(Copy)]
    Verification {
        /// Images compared.
        images: usize,
        /// Images whose first class is the same.
        same: usize,
        /// Norm of the logits' difference over the norm of the checkpoint's logits.
        difference: f64,
        /// Accuracy of the checkpoint.
        checkpoint: f64,
        /// Accuracy of the packed network.
        packed: f64,
    }
);

record!(
    /// Result of `deployer unpack`.
    Unpacking {
        /// How kept weights were stored.
        values: String,
        /// Whether batch norms were folded: they are then those of a network of equal answers.
        folded: bool,
        /// Whether the weights file is the packed checkpoint's, byte for byte.
        exact: bool,
        /// What is left of the network.
        sparsity: Sparsity,
        /// Sizes of `model.safetensors`.
        sizes: Sizes,
    }
);

record!(
    /// Result of `reporter`.
    Report {
        /// The page's title.
        title: String,
        /// Networks in the table.
        rows: usize,
        /// Plots, each as SVG and CSV.
        plots: Vec<String>,
    }
);
