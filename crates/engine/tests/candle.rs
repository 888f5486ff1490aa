//! The forward walk against the same graph run by candle-nn's layers, on plain NCHW tensors.

use anyhow::Result;
use candle_core::{D, Tensor};
use candle_nn::{BatchNorm, Linear, Module, ModuleT};
use engine::{Batch, Device, Mode, Net};
use geometry::Size;
use graph::{Activation, AdaptiveAverage, Graph, Op};

const IMAGES: usize = 21;

fn images(side: usize) -> cifar::Batch {
    let mut stream = seed::stream(1, "test/images", 0);
    let images = (0..IMAGES * 3 * side * side).map(|_| stream.normal() as f32).collect();
    cifar::Batch { images, labels: vec![0; IMAGES], shape: cifar::ImageShape::square(side) }
}

const CPU: candle_core::Device = candle_core::Device::Cpu;

fn param(net: &Net, name: &str) -> Tensor {
    let at = net.graph().params().iter().position(|p| p.name == name).expect("in the table");
    let values = net.values()[at].host().expect("reads");
    Tensor::from_vec(values, net.graph().params()[at].shape.as_slice(), &CPU).expect("fits")
}

fn by_candle(net: &Net, x: Tensor) -> Result<Tensor> {
    let mut outputs = vec![x];
    for node in &net.graph().nodes()[1..] {
        let x = &outputs[node.inputs[0]];
        let of = |suffix: &str| param(net, &format!("{}.{suffix}", node.name));
        let y = match node.op {
            Op::Input => unreachable!("the first node alone"),
            Op::Conv(c) => {
                let (padding, stride) = (c.window.padding.top, c.window.stride.h);
                let y = x.conv2d(&of("weight"), padding, stride, 1, c.groups)?;
                if c.bias {
                    y.broadcast_add(&of("bias").reshape((1, c.outputs, 1, 1))?)?
                } else {
                    y
                }
            }
            Op::BatchNorm(norm) => BatchNorm::new(
                node.shape.c,
                of("running_mean"),
                of("running_var"),
                of("weight"),
                of("bias"),
                f64::from(norm.eps),
            )?
            .forward_t(x, false)?,
            Op::Activation(Activation::Relu) => x.relu()?,
            Op::Activation(Activation::Silu) => x.silu()?,
            Op::Activation(Activation::Sigmoid) => candle_nn::ops::sigmoid(x)?,
            Op::MaxPool(p) => {
                let (Size { h, .. }, stride) = (p.window.kernel, p.window.stride.h);
                x.max_pool2d_with_stride(h, stride)?
            }
            Op::AdaptiveAverage(AdaptiveAverage::GLOBAL) => {
                x.mean_keepdim((D::Minus1, D::Minus2))?
            }
            Op::Flatten => x.flatten_from(1)?,
            Op::Linear(_) => {
                Linear::new(of("weight"), Some(of("bias"))).forward(&x.flatten_from(1)?)?
            }
            Op::Multiply => x.broadcast_mul(&outputs[node.inputs[1]])?,
            Op::Dropout(_) | Op::StochasticDepth(_) => x.clone(),
            Op::Add => (x + &outputs[node.inputs[1]])?,
            other => unreachable!("no network here has {}", other.label()),
        };
        outputs.push(y);
    }
    Ok(outputs.pop().expect("at least the input"))
}

/// Logits `(images, classes)` of the engine.
fn by_engine(net: &Net, images: cifar::Batch) -> Result<Tensor> {
    let logits = net.scorer()?.rows(images)?;
    Ok(Tensor::from_vec(logits, (IMAGES, net.graph().classes()), &CPU)?)
}

fn check(spec: &str, side: usize) -> Result<()> {
    let graph = Graph::build(spec, 7, side).expect("in the zoo");
    let net = Net::initial(graph, 3, &Device::Cpu)?;
    // A training pass moves the running statistics away from 0 and 1.
    net.forward(&Batch::new(images(side), &Device::Cpu)?, Mode::Train(None))?;
    let x = Tensor::from_vec(images(side).images, (IMAGES, 3, side, side), &CPU)?;
    let (ours, theirs) = (by_engine(&net, images(side))?, by_candle(&net, x)?);
    let off = (ours - &theirs)?.sqr()?.sum_all()?.to_scalar::<f32>()?.sqrt();
    let size = theirs.sqr()?.sum_all()?.to_scalar::<f32>()?.sqrt();
    assert!(size > 0.01 && off <= 1e-5 * size, "{spec} at {side}: {off} against {size}");
    Ok(())
}

#[test]
fn logits_agree() -> Result<()> {
    check("vgg-lab@0.125", 32)?;
    check("vgg-lab@0.1", 48)?;
    check("resnet18@0.125", 32)?;
    check("resnet18@0.07", 33)?;
    check("resnet-like@0.1", 32)?;
    check("net10@0.1", 32)?;
    check("efficientnet-b0@0.25", 65)
}
