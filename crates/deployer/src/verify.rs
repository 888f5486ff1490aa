//! `deployer verify`: a packed file beside its checkpoint, image by image.

use std::path::{Path, PathBuf};

use anyhow::Result;
use artifact::record::Verification;
use artifact::{Error, file};
use cifar::{Dataset, Normalise, Part, Size, View};
use clap::Args;
use engine::{ClassFlags, Matched, Net, device};
use inference::Model;
use packed::{Contents, Integers, Packed, Values};
use sparsity::Checkpoint;
use stage::Common;

use crate::pack::weights_digest;

/// Flags of `deployer verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// A packed file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The checkpoint that it was packed from
    #[arg(long, value_name = "DIR")]
    against: PathBuf,
    /// Dataset whose test images both are shown
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    classes: ClassFlags,
}

impl Verify {
    /// Compares; any doubt is an error.
    pub fn run(&self, common: &Common) -> Result<()> {
        let bytes = file::read(&self.file)?;
        let model = Model::new(packed::unpack(&bytes, &self.file)?, &self.file)?;
        let checkpoint = Checkpoint::open(&self.against)?;
        let data = Dataset::open(&self.data)?;
        let (graph, known) = (&checkpoint.graph, checkpoint.network());
        let data = self.classes.matched(graph, known, data, &self.data)?;
        let found = compare(&model, &checkpoint, &data, &self.file)?;
        if common.json {
            stage::print_json(&found);
        } else {
            stage::print(&text(&found));
        }
        Ok(())
    }
}

/// What was found, in words.
pub fn text(found: &Verification) -> String {
    let Verification { images, same, difference, checkpoint, packed } = found;
    format!(
        "{images} test images: the same class on {same}, logits {difference:.1e} apart (relative);\n\
         accuracy {:.2} %, the checkpoint's {:.2} %",
        packed * 100.0,
        checkpoint * 100.0
    )
}

/// Compares `model` with the checkpoint it was packed from: bits, then answers to the test images of
/// `matched`. The checkpoint's answers are computed by the engine that trains.
///
/// # Errors
/// [`Error::Integrity`] on any doubt.
pub fn compare(
    model: &Model,
    checkpoint: &Checkpoint,
    matched: &Matched,
    path: &Path,
) -> Result<Verification> {
    let data = &matched.data;
    identity(model, checkpoint).map_err(|what| doubt(path, &what))?;
    same_images(model, matched).map_err(|what| doubt(path, &what))?;
    repacked(model, checkpoint, path)?;
    let normalise = Normalise::from(&data.info);
    let net = Net::load(checkpoint.graph.clone(), &checkpoint.tensors, &device::cpu()?)?;
    let expected = engine::predict(&net, &data.test, &normalise)?;
    let found = logits(model, &data.test)?;
    let alone = one_by_one(model, &data.test)?;
    let off = apart(&alone, &found[..alone.len()]);
    if off.is_nan() || off > ROUNDING {
        let what = "an image by itself is answered otherwise than in a batch";
        return Err(doubt(path, what).into());
    }
    let compared = Compared::new(&found, &expected, &data.test);
    compared.doubt(model.options().values).map_err(|what| doubt(path, &what))?;
    Ok(compared.all)
}

fn doubt(path: &Path, what: &str) -> Error {
    Error::Integrity(format!("{}: {what}; pack the checkpoint again", path.display()))
}

/// Compares what must be equal without being run.
fn identity(model: &Model, checkpoint: &Checkpoint) -> Result<(), String> {
    let packed = model.packed();
    let (ours, theirs) = (packed.graph.network(), checkpoint.graph.network());
    if ours != theirs {
        return Err(format!(
            "holds {} for {} classes, graph {}; the checkpoint {} for {}, graph {}",
            ours.spec, ours.classes, ours.digest, theirs.spec, theirs.classes, theirs.digest
        ));
    }
    let digest = weights_digest(&checkpoint.manifest);
    if packed.info.checkpoint != digest {
        let found = &packed.info.checkpoint;
        return Err(format!("packed from weights with sha256 {found}; the checkpoint's: {digest}"));
    }
    Ok(())
}

/// What the file takes along of the images is what checkpoint and dataset say.
fn same_images(model: &Model, matched: &Matched) -> Result<(), String> {
    let (info, expected) = (&model.packed().info, &matched.network);
    if info.classes != expected.class_names {
        return Err("its class names are not those of checkpoint and dataset".into());
    }
    if Some(info.normalisation()) != expected.normalisation {
        return Err("its mean and deviation are not those of checkpoint and dataset".into());
    }
    Ok(())
}

/// Packing is a function of the checkpoint: packed again in the file's own way it must hold the same
/// tensors and masks.
fn repacked(model: &Model, checkpoint: &Checkpoint, path: &Path) -> artifact::Result<()> {
    let packed = model.packed();
    let contents = Contents {
        graph: checkpoint.graph.clone(),
        tensors: checkpoint.tensors.clone(),
        masks: checkpoint.masks.clone(),
        info: packed.info.clone(),
        integers: packed.integers.clone().map(|integers| own_biases(packed, integers)),
    };
    let expected = packed::unpack(&packed::pack(&contents, &packed.options)?, path)?;
    if packed.tensors() == expected.tensors() && packed.masks() == expected.masks() {
        return Ok(());
    }
    let differ =
        packed.tensors().into_iter().find(|(name, t)| expected.tensor(name).as_ref() != Some(t));
    let name = differ.map_or("a mask".to_owned(), |(name, _)| format!("tensor {name}"));
    Err(doubt(path, &format!("{name} is not what the checkpoint packs to")))
}

/// `integers` with the biases that the file has: what they were corrected by depends on images. The test
/// images tell whether they are right.
fn own_biases(packed: &Packed, integers: Integers) -> Integers {
    let bias = |layer: &String| {
        packed::has_weight(&packed.graph, layer).then_some(())?;
        let tensor = packed.tensor(&format!("{layer}.bias"))?;
        Some((layer.clone(), tensor.as_f32()?.to_vec()))
    };
    let biases = integers.ranges.keys().filter_map(bias).collect();
    Integers { biases, ..integers }
}

/// Images by which the accuracy of a network that answers as well may be off by chance, at most.
const BY_CHANCE: f64 = 5.0;
/// Images that are answered together.
const BATCH: usize = 64;

/// The logits of `model` for every image of `part`.
pub fn logits(model: &Model, part: &Part) -> artifact::Result<Vec<f32>> {
    let all: Vec<usize> = (0..part.len()).collect();
    let mut logits = vec![];
    for indices in all.chunks(BATCH) {
        logits.extend(model.logits(&cifar::batch(part, indices, &view(model))?.images));
    }
    Ok(logits)
}

/// The logits of the first images of `part`, each answered by itself: another plan than that for many.
fn one_by_one(model: &Model, part: &Part) -> artifact::Result<Vec<f32>> {
    const IMAGES: usize = 16;
    let mut logits = vec![];
    for i in 0..part.len().min(IMAGES) {
        logits.extend(model.logits(&cifar::batch(part, &[i], &view(model))?.images));
    }
    Ok(logits)
}

/// How the images of a dataset become the input of `model`.
fn view(model: &Model) -> View<'_> {
    let images = model.images();
    let (normalise, size) = (model.normalise(), Size { height: images.h, width: images.w });
    View { normalise, size, augmented: None }
}

/// What f32 arithmetic in another order may come to, relative; a class may change where two are equal
/// to within that.
const ROUNDING: f64 = 1e-4;

/// Norm of the difference over the norm of `expected`.
fn apart(found: &[f32], expected: &[f32]) -> f64 {
    let difference = norm(found.iter().zip(expected).map(|(a, b)| a - b));
    difference / norm(expected.iter().copied()).max(f64::MIN_POSITIVE)
}

/// The two networks' answers.
struct Compared {
    all: Verification,
    /// Where they differ: the image, and by how much the checkpoint preferred its class, over the
    /// size of its logits.
    differing: Vec<(usize, f64)>,
}

impl Compared {
    fn new(found: &[f32], expected: &[f32], part: &Part) -> Self {
        let classes = expected.len() / part.len();
        let (mut same, mut right) = (0, [0, 0]);
        let mut differing = vec![];
        let rows = found.chunks(classes).zip(expected.chunks(classes)).enumerate();
        for (i, (found, expected)) in rows {
            let (ours, theirs) = (first(found), first(expected));
            let label = usize::from(part.label(i));
            right[0] += usize::from(theirs == label);
            right[1] += usize::from(ours == label);
            if ours == theirs {
                same += 1;
            } else {
                let margin = f64::from(expected[theirs] - expected[ours]);
                differing.push((i, margin / norm(expected.iter().copied()).max(f64::MIN_POSITIVE)));
            }
        }
        let n = part.len();
        let all = Verification {
            images: n,
            same,
            difference: apart(found, expected),
            checkpoint: right[0] as f64 / n as f64,
            packed: right[1] as f64 / n as f64,
        };
        Self { all, differing }
    }

    /// Whether the packed network answers otherwise than its values' precision explains.
    fn doubt(&self, values: Values) -> Result<(), String> {
        let Verification { images, difference, checkpoint, packed, .. } = self.all;
        let allowed = match values {
            Values::F32 => {
                if difference.is_nan() || difference > ROUNDING {
                    return Err(format!("logits {difference:.1e} apart; expected {ROUNDING:.0e}"));
                }
                let wrong = self.differing.iter().find(|(_, margin)| *margin > ROUNDING);
                return wrong.map_or(Ok(()), |(i, margin)| {
                    Err(format!("test image {i} has another class, by a margin of {margin:.1e}"))
                });
            }
            Values::F16 => 0.0005,
            Values::Int8 => 0.003,
            Values::Codebook4 => 0.02,
        };
        // Where classes change by rounding alone, as many become right as wrong, give or take twice
        // the root of their number: of few images that can be more than these shares.
        let chance = (2.0 * (self.differing.len() as f64).sqrt()).min(BY_CHANCE);
        let allowed = (allowed * images as f64).ceil().max(chance) / images as f64;
        if difference.is_finite() && (packed - checkpoint).abs() <= allowed {
            return Ok(());
        }
        Err(format!(
            "accuracy {:.2} %, the checkpoint's {:.2} %; expected {:.2} points apart at most of \
             values stored as {values}",
            packed * 100.0,
            checkpoint * 100.0,
            allowed * 100.0
        ))
    }
}

/// The class that comes first; of equals the earlier.
fn first(logits: &[f32]) -> usize {
    (0..logits.len()).rev().max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap_or(0)
}

fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt()
}
