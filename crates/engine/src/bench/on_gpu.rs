//! What each operation of a network's training takes alone on a GPU.

use std::time::Instant;

use anyhow::Result;
use cuda::{Buffer, Convolution, Gpu, Kind, Norm, NormParams};
use graph::Op;
use graph::op::BatchNorm;
use kernels::{Activation, Lanes};

use crate::{Device, Net};

/// Calls that are timed together, so that the time of a launch does not count.
const CALLS: usize = 10;

/// An operation and the milliseconds of each of its directions.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Timed {
    /// `conv` or `norm`.
    pub op: &'static str,
    /// Input channels, height and width; of a convolution also output channels, rows of the kernel,
    /// stride down and groups.
    pub shape: Vec<i32>,
    /// Forward; of a convolution the gradients of input and weight, of a norm the backward pass.
    pub milliseconds: Vec<f64>,
}

/// Times every distinct convolution and norm of `net` on `images` images; the median of `repeat`
/// rounds counts.
pub fn on_gpu(net: &Net, images: usize, repeat: usize, mut each: impl FnMut(&Timed)) -> Result<()> {
    let Device::Cuda(gpu, _) = net.device() else { return Ok(()) };
    let on = On { gpu, kind: net.device().kind(), repeat };
    let (mut convolutions, mut norms) = (Vec::new(), Vec::new());
    for (index, node) in net.graph().nodes().iter().enumerate() {
        let s = node.shape;
        match node.op {
            Op::Conv(_) => {
                let v = convolution(net, index, Lanes::of(images));
                if !convolutions.contains(&v) {
                    convolutions.push(v);
                    each(&on.convolution(&v)?);
                }
            }
            Op::BatchNorm(_) if !norms.contains(&s) => {
                norms.push(s);
                each(&on.norm(images, [s.c, s.h, s.w])?);
            }
            _ => {}
        }
    }
    Ok(())
}

/// As the network runs it: images have channels that are zero.
fn convolution(net: &Net, node: usize, lanes: Lanes) -> Convolution {
    if let Some(grouped) = net.grouped(node, lanes) {
        return Convolution::grouped(&grouped);
    }
    let conv = net.conv(node, lanes);
    let reads_images = net.graph().nodes()[node].inputs[0] == 0;
    let images = crate::batch::channels(net.graph(), net.device());
    Convolution::plain(&conv, if reads_images { images } else { conv.inputs })
}

struct On<'a> {
    gpu: &'a Gpu,
    kind: Kind,
    repeat: usize,
}

impl On<'_> {
    fn convolution(&self, v: &Convolution) -> Result<Timed> {
        let (x, w) = (self.random(v.input_len())?, self.random(v.weight_len())?);
        let y = self.random(v.output_len())?;
        let milliseconds = vec![
            self.median(|| self.gpu.conv(v, &x, &w, &y))?,
            self.median(|| self.gpu.conv_input_grad(v, &y, &w, &x))?,
            self.median(|| self.gpu.conv_weight_grad(v, &y, &x, &w))?,
        ];
        let shape = vec![v.c, v.h, v.w, v.k, v.down.kernel, v.down.stride, v.groups];
        Ok(Timed { op: "conv", shape, milliseconds })
    }

    fn norm(&self, images: usize, [c, h, w]: [usize; 3]) -> Result<Timed> {
        let random = || self.random(images * c * h * w);
        let (x, y, dy) = (random()?, random()?, random()?);
        let each = |len| self.gpu.zeros(Kind::F32, len);
        let (weight, bias, dweight, dbias) = (each(c)?, each(c)?, each(c)?, each(c)?);
        let (stats, mean, variance) = (each(2 * c)?, each(c)?, each(c)?);
        let (eps, activation) = (BatchNorm::default().eps, Some(Activation::Relu));
        let norm = Norm { channels: c, eps, activation };
        let params = NormParams { weight: &weight, bias: &bias };
        let dparams = NormParams { weight: &dweight, bias: &dbias };
        let running: (&Buffer, &Buffer) = (&mean, &variance);
        let milliseconds = vec![
            self.median(|| {
                self.gpu.norm_stats(norm, (&x, &stats), running, 0.1)?;
                self.gpu.norm_apply(norm, (&x, &stats), params, (None, &y))
            })?,
            self.median(|| {
                self.gpu.norm_grad(norm, (&dy, None, None), (&x, &stats), (params, dparams))
            })?,
        ];
        Ok(Timed { op: "norm", shape: [c, h, w].map(|v| v as i32).to_vec(), milliseconds })
    }

    /// Numbers around zero: with zeros alone a GPU draws less power, and is faster.
    fn random(&self, len: usize) -> Result<Buffer> {
        const DRAWN: usize = 1 << 20;
        let mut stream = seed::stream(0, "bench/gpu", 0);
        let drawn: Vec<f32> = (0..len.min(DRAWN)).map(|_| stream.normal() as f32).collect();
        let all: Vec<f32> = drawn.into_iter().cycle().take(len).collect();
        let to = self.gpu.room(self.kind, len)?;
        self.gpu.narrow(&self.gpu.upload(&all)?, &to, (1, 1))?;
        Ok(to)
    }

    /// Milliseconds of a call, the median of rounds after one that does not count.
    fn median(&self, mut call: impl FnMut() -> artifact::Result<()>) -> Result<f64> {
        let mut round = || -> Result<f64> {
            self.gpu.wait()?;
            let start = Instant::now();
            (0..CALLS).try_for_each(|_| call())?;
            self.gpu.wait()?;
            Ok(start.elapsed().as_secs_f64() * 1e3 / CALLS as f64)
        };
        round()?;
        let mut all = (0..self.repeat).map(|_| round()).collect::<Result<Vec<f64>>>()?;
        all.sort_by(f64::total_cmp);
        Ok(all[all.len() / 2])
    }
}
