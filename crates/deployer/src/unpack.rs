//! `deployer unpack`: the checkpoint of a packed file.

use std::path::PathBuf;

use anyhow::Result as Outcome;
use artifact::manifest::Network;
use artifact::record::Unpacking;
use artifact::tensors::{self, Tensor, Tensors};
use artifact::{digest, file, names, size};
use clap::Args;
use graph::group::{self, Walk};
use graph::op::{BatchNorm, Shift};
use graph::{Graph, Op, Param, Role};
use packed::Packed;
use stage::{Common, Job, Produce};

/// Flags of `deployer unpack`.
#[derive(Debug, Args)]
pub struct Unpack {
    /// A packed file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    produce: Produce,
}

impl Unpack {
    /// Reads, lays out and commits a checkpoint.
    pub fn run(&self, common: &Common) -> Outcome<()> {
        let packed = packed::unpack(&file::read(&self.file)?, &self.file)?;
        let inputs = [("packed", self.file.as_path())];
        let begun = Job::start((common, &self.produce), "deployer", &(), &inputs)?;
        let Some(job) = begun else { return Ok(()) };
        let (graph, masks) = (&packed.graph, packed.masks());
        let all = checkpoint(&packed);
        let path = job.path(names::MODEL);
        tensors::write(&path, &all, None)?;
        let mut outputs = vec![names::MODEL];
        if !masks.is_empty() {
            tensors::write(&job.path(names::MASK), &masks.tensors(graph), None)?;
            outputs.push(names::MASK);
        }
        let sparsity = sparsity::count(graph, &all, &masks);
        let result = Unpacking {
            values: packed.options.values.to_string(),
            folded: packed.options.fold,
            exact: digest::of_file(&path)?.0 == packed.info.checkpoint,
            sizes: size::measure(&path, sparsity.nonzero)?,
            sparsity,
        };
        if result.exact {
            tracing::info!("the weights file is the packed checkpoint's, byte for byte");
        } else {
            tracing::info!("not the packed checkpoint's bits: {}", why(&packed));
        }
        let (class_names, normalisation) =
            (packed.info.classes.clone(), Some(packed.info.normalisation()));
        let network = Network { class_names, normalisation, ..graph.network() };
        job.finish(Some(network), &result, &outputs)?;
        Ok(())
    }
}

fn why(packed: &Packed) -> String {
    match (packed.options.values, packed.options.fold) {
        (packed::Values::F32, false) => {
            "its weights file came from another program, or held negative zeros".to_owned()
        }
        (packed::Values::F32, true) => "the norms were folded".to_owned(),
        (values, false) => format!("values were stored as {values}"),
        (values, true) => format!("values were stored as {values}, and the norms were folded"),
    }
}

/// Every tensor of the parameter table. Where norms were folded, they become ones that add the folded
/// bias and do nothing else, and biases before norms are 0.
pub fn checkpoint(packed: &Packed) -> Tensors {
    let mut all = packed.tensors();
    if !packed.options.fold {
        return all;
    }
    let graph = &packed.graph;
    for group in group::groups(graph, Walk::Inference) {
        let of_layer = graph.index_of(group.core, Role::Weight).is_some();
        if !of_layer || group.norms.is_empty() {
            continue;
        }
        let bias = packed.layer(&group).expect("a layer").bias;
        all.remove(&format!("{}.bias", graph.nodes()[group.core].name));
        let adds = |node: &usize| holder(graph, *node).is_some();
        // What is a factor alone leaves the bias to the layer.
        let first = group.norms.iter().copied().find(adds).unwrap_or(group.core);
        let nodes = [group.core].into_iter().chain(group.norms.iter().copied());
        for (node, param) in nodes.flat_map(|n| graph.params().iter().map(move |p| (n, p))) {
            if param.node == node && param.role != Role::Weight {
                let values = neutral(graph, param, Some(&bias).filter(|_| node == first));
                let values = values.unwrap_or_else(|one| vec![one; bias.len()]);
                all.insert(param.name.clone(), Tensor::f32(&param.shape, values));
            }
        }
    }
    all
}

/// The role of the tensor of node `node` that adds something to each channel, if it has one.
fn holder(graph: &Graph, node: usize) -> Option<Role> {
    match graph.nodes()[node].op {
        Op::BatchNorm(BatchNorm { affine: false, .. }) => Some(Role::RunningMean),
        Op::BatchNorm(_) => Some(Role::NormBias),
        Op::Shift(Shift { frozen }) => Some(if frozen { Role::Constant } else { Role::NormBias }),
        _ => graph.index_of(node, Role::Bias).map(|_| Role::Bias),
    }
}

/// Values of a tensor whose node adds `bias`, if it is to, and does nothing else; one for all channels
/// where they are alike.
fn neutral(graph: &Graph, param: &Param, bias: Option<&Vec<f32>>) -> Result<Vec<f32>, f32> {
    let op = graph.nodes()[param.node].op;
    if let Some(bias) = bias.filter(|_| holder(graph, param.node) == Some(param.role)) {
        // A mean is subtracted.
        let sign = if param.role == Role::RunningMean { -1.0 } else { 1.0 };
        return Ok(bias.iter().map(|v| sign * v).collect());
    }
    Err(match (param.role, op) {
        (Role::RunningVar, Op::BatchNorm(norm)) => 1.0 - norm.eps,
        (Role::NormWeight, _) | (Role::Constant, Op::Scale(_)) => 1.0,
        _ => 0.0,
    })
}
