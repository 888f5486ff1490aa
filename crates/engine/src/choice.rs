//! Whether skipping zeros is faster than computing with them: measured, never assumed.
//!
//! For each shape and each of the three computations the dense kernel is timed, and the sparse one
//! at two densities; its time is a straight line in the density, and where the lines cross it
//! stops to pay. The crossings are kept in a file of the machine's, so that a second run decides
//! as the first did: the two kinds of kernel round differently, and a run must come out the same.

use kernels::conv::{self, Conv, Epilogue, Sparse};
use kernels::{Buffer, Lanes, isa};
use tuning::{Table, seconds};

/// The batch that kernels are measured with.
pub(crate) fn measured() -> Lanes {
    Lanes::of(64)
}

/// Which of a layer's computations in training skip the zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The output.
    pub forward: bool,
    /// The input's gradient.
    pub input_grad: bool,
    /// The weight's gradient.
    pub weight_grad: bool,
}

/// The fraction of kept weights below which each computation is faster sparse.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Crossing {
    forward: f64,
    input_grad: f64,
    weight_grad: f64,
}

/// Whether there are zeros, and none of the plain kernels is asked for.
fn can_skip(density: f64) -> bool {
    density < 1.0 && isa::plain() != Ok(true)
}

impl Choice {
    /// Of a layer that keeps the fraction `density` of its weights.
    pub(crate) fn of(conv: &Conv, density: f64) -> Self {
        if !can_skip(density) {
            return Self { forward: false, input_grad: false, weight_grad: false };
        }
        let crossing = crossing(conv);
        Self {
            forward: density < crossing.forward,
            input_grad: density < crossing.input_grad,
            weight_grad: density < crossing.weight_grad,
        }
    }

    /// For messages.
    pub(crate) fn words(self) -> String {
        let word = |sparse: bool| if sparse { "sparse" } else { "dense" };
        format!(
            "forward {}, input gradient {}, weight gradient {}",
            word(self.forward),
            word(self.input_grad),
            word(self.weight_grad)
        )
    }
}

/// The crossings of this machine, by shape.
static CROSSINGS: Table<Crossing> = Table::new("training.yaml");

fn crossing(conv: &Conv) -> Crossing {
    let key = key(conv);
    CROSSINGS.get(&key, || {
        let found = measure(conv);
        tracing::debug!(
            "measured {key}: sparse is faster below {:.0} / {:.0} / {:.0} % of weights kept \
             (forward, input gradient, weight gradient)",
            found.forward * 100.0,
            found.input_grad * 100.0,
            found.weight_grad * 100.0
        );
        found
    })
}

fn key(conv: &Conv) -> String {
    let c = conv;
    format!(
        "{} {}x{}x{} -> {} {}",
        isa::name().unwrap_or("unknown"),
        c.inputs,
        c.h,
        c.w,
        c.outputs,
        c.window
    )
}

/// Densities at which the sparse kernels are timed.
const DENSITIES: [f64; 2] = [0.05, 0.2];

fn measure(conv: &Conv) -> Crossing {
    let conv = Conv { lanes: measured(), ..*conv };
    let (x, dy) = (Buffer::zeros(conv.input_len()), Buffer::zeros(conv.output_len()));
    let (mut dx, mut y) = (Buffer::zeros(x.len()), Buffer::zeros(dy.len()));
    let weight = vec![0.5; conv.weight_len()];
    let mut dw = weight.clone();
    let end = Epilogue::default();
    let dense = [
        seconds(|| conv::forward(&conv, &x, &weight, &[], &mut y)),
        seconds(|| conv::input_grad(&conv, &dy, &weight, &mut dx)),
        seconds(|| conv::weight_grad(&conv, &dy, &x, &mut dw)),
    ];
    let sparse = DENSITIES.map(|density| {
        let mut layer = Sparse::new(&conv, &keep(conv.weight_len(), density));
        [
            seconds(|| {
                layer.set(&weight);
                layer.forward(&conv, &x, &end, &mut y);
            }),
            seconds(|| layer.input_grad(&conv, &dy, &mut dx)),
            seconds(|| layer.weight_grad(&conv, &dy, &x, &mut dw)),
        ]
    });
    let [low, high] = sparse;
    let cross = |k: usize| {
        let slope = (high[k] - low[k]).max(1e-9) / (DENSITIES[1] - DENSITIES[0]);
        (DENSITIES[0] + (dense[k] - low[k]) / slope).clamp(0.0, 1.0)
    };
    Crossing { forward: cross(0), input_grad: cross(1), weight_grad: cross(2) }
}

/// A mask that keeps about the fraction `density` of `len` weights, anywhere.
pub(crate) fn keep(len: usize, density: f64) -> Vec<bool> {
    let mut stream = seed::stream(0, "measure", 0);
    (0..len).map(|_| stream.unit() < density).collect()
}
