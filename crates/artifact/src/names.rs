//! Every file name that a stage writes or reads.

/// The manifest: written last, so that its existence means the artifact is complete.
pub const MANIFEST: &str = "manifest.yaml";
/// How long the stage took; no digest covers it.
pub const TIMINGS: &str = "timings.yaml";
/// Weights and norm statistics under `PyTorch`'s names, f32. Of a trainer: the best epoch's.
pub const MODEL: &str = "model.safetensors";
/// The weights after the last epoch.
pub const LAST: &str = "last.safetensors";
/// Weights of a training's early step, to which a pruned network may be rewound.
pub const EARLY: &str = "early.safetensors";
/// Masks, u8 0 or 1, under the names of the parameters that they bind.
pub const MASK: &str = "mask.safetensors";
/// One JSON object an epoch.
pub const METRICS: &str = "metrics.jsonl";
/// One JSON object a (layer, ratio) of a sensitivity scan.
pub const SCAN: &str = "scan.jsonl";
/// The points that an unfinished scan has measured.
pub const POINTS: &str = "points.jsonl";
/// Magnitude scores a layer of a scan: quantiles of the absolute weights.
pub const SCORES: &str = "scores.json";
/// A score for each prunable weight, f32, under its name.
pub const IMPORTANCE: &str = "importance.safetensors";
/// Training state of an unfinished run (weights, momentum, position).
pub const STATE: &str = "state.safetensors";
/// Settings and inputs of an unfinished run.
pub const RUN: &str = "run.yaml";
/// Images (u8, N x C x H x W) and labels of a dataset.
pub const DATASET: &str = "dataset.safetensors";
/// The report's page.
pub const REPORT: &str = "report.html";
/// A packed network: positions and values of what is kept, compressed.
pub const PACKED: &str = "packed.safetensors";
