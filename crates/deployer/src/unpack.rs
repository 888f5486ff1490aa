//! `deployer unpack`: the checkpoint of a packed file.

use std::path::PathBuf;

use anyhow::Result;
use artifact::manifest::Network;
use artifact::record::Unpacking;
use artifact::tensors::{self, Tensor, Tensors};
use artifact::{digest, file, names, size};
use clap::Args;
use graph::group::{self, Walk};
use graph::{BATCH_NORM_EPS, Op, Param, Role};
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
    pub fn run(&self, common: &Common) -> Result<()> {
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
        let class_names = packed.info.classes.clone();
        let network = Network { class_names, ..graph.network() };
        job.finish(Some(network), &result, &outputs)?;
        Ok(())
    }
}

fn why(packed: &Packed) -> String {
    match (packed.options.values, packed.options.fold) {
        (packed::Values::F32, false) => "its weights file came from another program".to_owned(),
        (packed::Values::F32, true) => "the norms were folded".to_owned(),
        (values, false) => format!("values were stored as {values}"),
        (values, true) => format!("values were stored as {values}, and the norms were folded"),
    }
}

/// Every tensor of the parameter table. Where norms were folded, each becomes one that adds the
/// folded bias and does nothing else, and biases before norms are 0.
pub fn checkpoint(packed: &Packed) -> Tensors {
    let mut all = packed.tensors();
    if !packed.options.fold {
        return all;
    }
    let graph = &packed.graph;
    for group in group::groups(graph, Walk::Inference) {
        let core = &graph.nodes()[group.core];
        let (Some(norm), Op::Conv(_) | Op::Linear(_)) = (group.norm, core.op) else { continue };
        let bias = packed.layer(&group).bias;
        all.remove(&format!("{}.bias", core.name));
        for param in graph.params().iter().filter(|p| p.node == norm || p.node == group.core) {
            if let Some(values) = neutral(param, &bias) {
                all.insert(param.name.clone(), Tensor::f32(&param.shape, values));
            }
        }
    }
    all
}

/// Values of a norm that adds `bias`, and of the bias before it; none of a weight.
fn neutral(param: &Param, bias: &[f32]) -> Option<Vec<f32>> {
    let all = |v: f32| Some(vec![v; bias.len()]);
    match param.role {
        Role::Weight => None,
        Role::Bias | Role::RunningMean => all(0.0),
        Role::NormWeight => all(1.0),
        Role::NormBias => Some(bias.to_vec()),
        Role::RunningVar => all(1.0 - BATCH_NORM_EPS),
    }
}
