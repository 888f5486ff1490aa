//! `models bench --layers`: the speed of each convolution's shape alone.

use engine::bench::{self, Layer};
use geometry::Size;
use graph::Graph;
use serde::Serialize;

/// Fractions of weights kept; 1 is the dense kernels.
const DENSITIES: [f64; 6] = [1.0, 0.5, 0.2, 0.1, 0.05, 0.02];

/// One line of the table.
#[derive(Serialize)]
struct Row {
    /// Input channels x height x width, output channels, kernel, stride.
    layer: String,
    /// Fraction of weights pruned; the dense kernels at 0.
    sparsity: f64,
    /// Billions of operations a second, counted as the dense layer's.
    inference_gflops: f64,
    input_grad_gflops: f64,
    weight_grad_gflops: f64,
    /// Each over the machine's multiply-adds in registers; above 1 where zeros or Winograd's
    /// transform save work.
    share_of_peak: [f64; 3],
    peak_gflops: f64,
}

impl Row {
    fn new(layer: &Layer, peak: f64) -> Self {
        let [inputs, h, w, outputs] = layer.shape;
        let (Size { h: kh, w: kw }, stride) = (layer.window.kernel, layer.window.stride);
        let one = stride == Size::square(1);
        let stride = if one { String::new() } else { format!(" /{stride}") };
        let [inference, input, weight] = layer.gflops;
        Self {
            layer: format!("{inputs}x{h}x{w} -> {outputs}, {kh}x{kw}{stride}"),
            sparsity: ((1.0 - layer.density) * 100.0).round() / 100.0,
            inference_gflops: inference,
            input_grad_gflops: input,
            weight_grad_gflops: weight,
            share_of_peak: layer.gflops.map(|g| g / peak),
            peak_gflops: peak,
        }
    }

    fn text(&self) -> String {
        let part = |g: f64, share: f64| format!("{g:>8.0}{:>6.0} %", share * 100.0);
        let [inference, input, weight] = self.share_of_peak;
        format!(
            "{:<26}{:>4.0} %{}{}{}",
            self.layer,
            self.sparsity * 100.0,
            part(self.inference_gflops, inference),
            part(self.input_grad_gflops, input),
            part(self.weight_grad_gflops, weight)
        )
    }
}

/// Times and prints, a line at a time.
pub fn run(graph: &Graph, (images, repeat): (usize, usize), json: bool) {
    let peak = bench::peak_gflops();
    let mut rows = Vec::new();
    if !json {
        stage::print(&format!(
            "{}, batch {images}, {} threads, {}; multiply-adds in registers: {peak:.0} GFLOP/s.\n\
             GFLOP/s as the dense layer counts them, and their share of that peak.\n\n\
             {:<26}{:>6}{:>16}{:>16}{:>16}",
            graph.name(),
            stage::threads(),
            engine::device::simd(),
            "layer",
            "zeros",
            "inference",
            "input gradient",
            "weight gradient"
        ));
    }
    bench::layers(graph, images, repeat, &DENSITIES, |layer| {
        let row = Row::new(&layer, peak);
        if json {
            rows.push(row);
        } else {
            stage::print(&row.text());
        }
    });
    if json {
        stage::print_json(&rows);
    }
}

/// Times and prints each operation on a GPU, a line at a time.
#[cfg(feature = "cuda")]
pub fn on_gpu(
    net: &engine::Net,
    (images, repeat): (usize, usize),
    json: bool,
) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    if !json {
        stage::print(&format!(
            "{}, batch {images}, {}\n\n{:<34}{:>14}{:>14}{:>14}",
            net.graph().name(),
            net.device().name(),
            "milliseconds",
            "forward",
            "input grad",
            "weight grad"
        ));
    }
    bench::on_gpu(net, images, repeat, |row| {
        if json {
            rows.push(row.clone());
            return;
        }
        let shape = match row.shape[..] {
            [c, h, w, k, kernel, stride, groups] => {
                let groups = if groups > 1 { format!(" in {groups}") } else { String::new() };
                format!("{c}x{h}x{w} -> {k}, {kernel}x{kernel} /{stride}{groups}")
            }
            ref other => {
                let sizes: Vec<String> = other.iter().map(ToString::to_string).collect();
                format!("{} {}", row.op, sizes.join("x"))
            }
        };
        let times = row.milliseconds.iter().map(|ms| format!("{ms:>14.4}"));
        stage::print(&format!("{shape:<34}{}", times.collect::<Vec<_>>().concat()));
    })?;
    if json {
        stage::print_json(&rows);
    }
    Ok(())
}
