//! What each layer's shape takes alone, dense and with zeros skipped.

use std::time::Instant;

use graph::{Graph, Op};
use kernels::Window;
use kernels::conv::grouped::Grouped;
use kernels::conv::{self, Conv, Dense, Epilogue, Sparse};
use kernels::{Buffer, Lanes};

use crate::choice::keep;
use crate::sizes;

/// One shape at one density.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Input channels, height and width, and output channels.
    pub shape: [usize; 4],
    /// What an output reads.
    pub window: Window,
    /// Fraction of weights kept; 1 with the dense kernels.
    pub density: f64,
    /// Billions of operations a second that the dense layer would have taken, pruned or not: of
    /// inference, input gradient and weight gradient.
    pub gflops: [f64; 3],
}

/// Times every distinct convolution of `graph` on `images` images, at each of `densities`; 1 is the
/// dense kernels. The median of `repeat` runs counts.
pub fn layers(
    graph: &Graph,
    images: usize,
    repeat: usize,
    densities: &[f64],
    mut each: impl FnMut(Layer),
) {
    let mut seen: Vec<Conv> = Vec::new();
    for (index, node) in graph.nodes().iter().enumerate() {
        let sizes = sizes::grouped(graph, index, Lanes::of(images));
        let of_conv = sizes.filter(|_| matches!(node.op, Op::Conv(_)));
        let Some(Grouped { each: conv, groups: 1 }) = of_conv else { continue };
        if !seen.contains(&conv) {
            seen.push(conv);
            for density in densities {
                each(layer(&conv, *density, (images, repeat)));
            }
        }
    }
}

fn layer(conv: &Conv, density: f64, (images, repeat): (usize, usize)) -> Layer {
    let (x, dy) = (Buffer::zeros(conv.input_len()), Buffer::zeros(conv.output_len()));
    let (mut dx, mut y) = (Buffer::zeros(x.len()), Buffer::zeros(dy.len()));
    let weight = vec![0.5; conv.weight_len()];
    let (mut dw, end) = (weight.clone(), Epilogue::default());
    let seconds = if density < 1.0 {
        let layer = Sparse::new(conv, &keep(conv.weight_len(), density));
        [
            median(repeat, || layer.forward(conv, &x, &end, &mut y)),
            median(repeat, || layer.input_grad(conv, &dy, &mut dx)),
            median(repeat, || layer.weight_grad(conv, &dy, &x, &mut dw)),
        ]
    } else {
        let layer = Dense::new(conv, &weight);
        [
            median(repeat, || layer.forward(conv, &x, &end, &mut y)),
            median(repeat, || conv::input_grad(conv, &dy, &weight, &mut dx)),
            median(repeat, || conv::weight_grad(conv, &dy, &x, &mut dw)),
        ]
    };
    let work = 2.0 * images as f64 * (conv.oh() * conv.ow() * conv.weight_len()) as f64;
    Layer {
        shape: [conv.inputs, conv.h, conv.w, conv.outputs],
        window: conv.window,
        density,
        gflops: seconds.map(|s| work / s / 1e9),
    }
}

fn median(repeat: usize, mut run: impl FnMut()) -> f64 {
    run();
    let mut all: Vec<f64> = (0..repeat)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64()
        })
        .collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
