//! An ONNX file as a network of ours, held to what its source computes.

use std::path::Path;

use artifact::Error;
use geometry::Size;
use graph::Shape;
use inference::{Checked, Network, Plan, Threads, Unknown, Use};
use onnx::{Ending, Imported, Options};
use sparsity::Masks;

use crate::foreign::{Found, draw_head};
use crate::metadata::{self, Known};
use crate::npz::{self, Array};

/// Norm of the difference of logits over the norm of the source's, at most.
const AGREEMENT: f64 = 1e-4;

/// What is wanted of an ONNX file.
pub struct Wanted<'a> {
    /// The file.
    pub path: &'a Path,
    /// Height and width of the images, where the file leaves them open; 0 where it says them.
    pub side: usize,
    /// Arrays `input` and `output` of the source.
    pub against: Option<&'a Path>,
    /// Another number of classes, for which a new last layer is drawn.
    pub head: Option<Head>,
}

/// A new last layer.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// Classes.
    pub classes: usize,
    /// Seed of its values.
    pub seed: u64,
}

/// The network of an ONNX file.
///
/// # Errors
/// As [`onnx::read()`]; `Integrity` where the logits are not those of `against`.
pub fn read(wanted: &Wanted) -> anyhow::Result<Found> {
    let name = wanted.path.file_stem().unwrap_or_default().to_string_lossy();
    let options =
        Options { name: plain(&name), size: (wanted.side > 0).then(|| Size::square(wanted.side)) };
    let mut imported = onnx::read(wanted.path, &options)?;
    sparsity::check_sound(&imported.graph, &imported.tensors, wanted.path)?;
    if let Some(file) = wanted.against {
        let off = disagreement(&imported, file)?;
        imported.notes.push(format!("logits differ from those of {} by {off:.1e}", file.display()));
    }
    let Imported { mut graph, mut tensors, mut notes, ending: _, said } = imported;
    let Known { mut class_names, normalisation } =
        metadata::known(said, &graph, wanted.path, &mut notes)?;
    if let Some(head) = wanted.head.filter(|head| head.classes != graph.classes()) {
        graph = graph.with_classes(head.classes)?;
        let drawn = draw_head(&graph, head.seed);
        let names: Vec<&str> = drawn.keys().map(String::as_str).collect();
        notes.push(format!("drawn anew for {} classes: {}", head.classes, names.join(", ")));
        tensors.extend(drawn);
        class_names.clear();
    }
    let masks = Masks::default();
    Ok(Found { graph, tensors, masks, class_names, normalisation, method: None, notes })
}

/// A name for people of what may be any file's.
fn plain(name: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || "._@-".contains(c) { c } else { '-' };
    name.chars().map(kept).collect()
}

/// How far the logits of `imported` are from the array `output` of `file`, for its array `input`: norm of
/// the difference over the norm.
fn disagreement(imported: &Imported, file: &Path) -> anyhow::Result<f64> {
    let [input, output] = npz::read(file, ["input", "output"])?;
    let graph = &imported.graph;
    let (Shape { c, h, w }, classes) = (graph.images(), graph.classes());
    let n = input.shape.first().copied().unwrap_or(0);
    input.check((file, "input"), graph, &[n, c, h, w])?;
    // The source's answers may still have a height and width of 1.
    let shape: Vec<usize> = match output.shape[..] {
        [found, all, 1, 1] => vec![found, all],
        _ => output.shape.clone(),
    };
    let output = Array { shape, ..output };
    output.check((file, "output"), graph, &[n, classes])?;
    let values = Checked { graph, tensors: &imported.tensors };
    let network = Network::new(graph, &values);
    // To measure which kernels are fastest would take longer than the few images.
    let how = Use { batch: 1, skip: false, unknown: Unknown::Guess, threads: Threads::Any };
    let logits = Plan::new(&network, how).logits(&input.values);
    let found = ended(imported.ending, logits, classes);
    let off = relative(&found, &output.values);
    if off <= AGREEMENT {
        return Ok(off);
    }
    Err(Error::Integrity(format!(
        "--against {}: the logits differ by {off:.2e} (norm over norm); expected {AGREEMENT:.0e} at most: \
         the array is of another network or other weights, or the exporter changed the network",
        file.display()
    ))
    .into())
}

/// The logits as the file ends with them.
fn ended(ending: Ending, mut logits: Vec<f32>, classes: usize) -> Vec<f32> {
    if ending == Ending::Logits {
        return logits;
    }
    for row in logits.chunks_exact_mut(classes) {
        let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = row.iter().map(|v| f64::from(v - most).exp()).sum();
        for v in row {
            let log = f64::from(*v - most) - sum.ln();
            *v = match ending {
                Ending::Logits => *v,
                Ending::Softmax => log.exp() as f32,
                Ending::LogSoftmax => log as f32,
            };
        }
    }
    logits
}

fn relative(found: &[f32], expected: &[f32]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let pairs = found.iter().zip(expected);
    let off = norm(&mut pairs.map(|(a, b)| f64::from(*a) - f64::from(*b)));
    off / norm(&mut expected.iter().map(|v| f64::from(*v)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_end_as_the_file_has_them() {
        let logits = || vec![0.0, 3.0_f32.ln(), 100.0, 100.0];
        let check = |ending: Ending, expected: [f32; 4]| {
            for (found, expected) in ended(ending, logits(), 2).iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{ending:?}: {found}, not {expected}");
            }
        };
        check(Ending::Logits, [0.0, 3.0_f32.ln(), 100.0, 100.0]);
        check(Ending::Softmax, [0.25, 0.75, 0.5, 0.5]);
        check(Ending::LogSoftmax, [0.25, 0.75, 0.5, 0.5].map(f32::ln));
    }
}
