//! What values are rounded to in training for integers.

use std::collections::BTreeMap;

use anyhow::Result;
use artifact::Error;
use cifar::{Dataset, Normalise};
use clap::{ArgAction, Args};
use engine::{Net, Recalibration};
use inference::{Checked, Network};
use kernels::integer::Rounding;
use quantise::{Rule, batches, calibrate, extents};
use serde::Serialize;
use stage::{OnlyWith, Values};

/// Training that ends in integers.
#[derive(Debug, Clone, Args, Serialize)]
pub struct Flags {
    /// Round weights and activations to 8 bits in the forward pass, as deployer's --activations int8 does (with one scale for all channels of a layer); gradients
    /// pass straight through. For networks that lose accuracy when they are rounded after training
    // Left out of the manifest where it is off: the runs of earlier versions, which lacked the flag, stay done.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          default_value_t = false, action = ArgAction::Set)]
    #[serde(skip_serializing_if = "is_false")]
    quantise: bool,
    /// Training images on which the ranges of activations are found, before training
    #[arg(long, value_name = "N", default_value_t = DEFAULT,
          value_parser = clap::value_parser!(u32).range(1..))]
    #[serde(skip_serializing_if = "is_default")]
    calibration_images: u32,
}

const DEFAULT: u32 = 512;

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_default(images: &u32) -> bool {
    *images == DEFAULT
}

impl Flags {
    /// Flags that act only beside others.
    pub const ONLY_WITH: OnlyWith =
        OnlyWith::new("calibration-images", "quantise", Values::OneOf(&["true"]));

    /// Refuses a device that cannot round, masks that change, and a start from weights that are not `trained`: ranges are found before
    /// training and stay.
    pub fn check(
        &self,
        device: &engine::Device,
        trained: bool,
        prunes: bool,
    ) -> artifact::Result<()> {
        let what = match self.quantise {
            true if !device.is_cpu() => "runs on the processor alone; say --device cpu",
            true if prunes => {
                "ranges would be those of weights that --prune takes away; prune first, then fine-tune the result with it"
            }
            true if !trained => {
                "ranges would be those of weights that are not trained yet; fine-tune without it first, then \
                 fine-tune the result with it"
            }
            _ => return Ok(()),
        };
        Err(Error::Config(format!("--quantise: {what}")))
    }

    /// Makes `net` round in training, if the flag is set. Ranges are found on training images of `data`, with norm
    /// statistics remeasured for that; the network's values stay as they are.
    pub fn apply(&self, net: &mut Net, data: &Dataset, norms: &Recalibration) -> Result<()> {
        if !self.quantise {
            return Ok(());
        }
        let given = net.tensors()?;
        norms.apply(net, data)?;
        let tensors = net.tensors()?;
        net.set(&given)?;
        let graph = net.graph();
        let network = Network::new(graph, &Checked { graph, tensors: &tensors });
        let normalise = Normalise::from(&data.info);
        let images = self.calibration_images as usize;
        let batches = batches(&data.train, &normalise, graph.images(), images)?;
        let shown = batches.iter().map(Vec::as_slice);
        let extents = extents(&network, shown.clone()).map_err(Error::Config)?;
        let found = calibrate(&network, &extents, shown, Rule::SquaredError);
        // The last one gives the logits, which are not rounded.
        let layers = network.layers.iter().zip(&found.ranges).rev().skip(1);
        let of: BTreeMap<String, Rounding> =
            layers.map(|(layer, range)| (layer.name.clone(), range.rounding)).collect();
        tracing::info!("weights and the outputs of {} layers are rounded to 8 bits", of.len());
        net.set_roundings(Some(&of))
    }
}
