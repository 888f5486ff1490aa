//! The weights of each layer before and after, from verified files.

use artifact::record::Layer;
use artifact::tensors::{self, Tensors};
use artifact::{Error, Result, names};

use crate::chain::Stage;
use crate::view::{Run, View};

/// The weights of one layer.
pub struct Pair {
    /// Name of the weight.
    pub name: String,
    /// Of the earliest checkpoint of the chain.
    pub before: Vec<f32>,
    /// Of the run's own checkpoint, where that is another.
    pub after: Option<Vec<f32>>,
}

/// The weights of every prunable layer of `run`.
///
/// # Errors
/// Exit code 5 where a file is not what its manifest says, a layer is missing or has another
/// shape, or fewer weights are zero than the manifest says are pruned.
pub fn pairs(view: &View, run: &Run) -> Result<Vec<Pair>> {
    let (stage, first) = (view.stage(run), &view.chain.stages[run.before]);
    let mut before = model(first)?;
    let mut after = if run.before == run.stage { None } else { Some(model(stage)?) };
    let pair = |layer: &Layer| {
        let after = after.as_mut().map(|a| take(a, layer, stage)).transpose()?;
        let before = take(&mut before, layer, first)?;
        holds(after.as_ref().unwrap_or(&before), layer, stage)?;
        Ok(Pair { name: layer.name.clone(), before, after })
    };
    run.layers.iter().map(pair).collect()
}

fn model(stage: &Stage) -> Result<Tensors> {
    let path = stage.manifest.verified(&stage.folder, names::MODEL)?;
    Ok(tensors::read(&path)?.0)
}

fn take(tensors: &mut Tensors, layer: &Layer, stage: &Stage) -> Result<Vec<f32>> {
    let tensor = tensors
        .remove(&layer.name)
        .ok_or_else(|| wrong(stage, &format!("tensor {} is missing", layer.name)))?;
    if tensor.shape != layer.shape {
        let what = format!(
            "tensor {} has shape {:?}; expected {:?}",
            layer.name, tensor.shape, layer.shape
        );
        return Err(wrong(stage, &what));
    }
    let values = tensor.as_f32().map(<[f32]>::to_vec);
    values.ok_or_else(|| wrong(stage, &format!("tensor {} is not F32", layer.name)))
}

/// Pruned weights must be zero in the file, whatever the manifest says of accuracy.
fn holds(values: &[f32], layer: &Layer, stage: &Stage) -> Result<()> {
    let zeros = values.iter().filter(|v| **v == 0.0).count() as u64;
    if zeros >= layer.pruned {
        return Ok(());
    }
    let what =
        format!("{}: {zeros} zeros; the manifest says {} are pruned", layer.name, layer.pruned);
    Err(wrong(stage, &what))
}

fn wrong(stage: &Stage, what: &str) -> Error {
    Error::Integrity(format!("{}: {what}", stage.folder.join(names::MODEL).display()))
}
