//! Layer norm over the channels of each pixel.

use kernels::norm::Affine;
use kernels::norm::layer::LayerNorm;
use proptest::prelude::*;
use seed::{Stream, stream};

use crate::array::{Array, empty_lanes, plain, wide, written};
use crate::reference::norm as expected;
use crate::{check, shapes};

const EPS: f32 = 1e-6;

/// Scale and shift of each channel, or neither.
struct Parameters {
    weight: Vec<f64>,
    bias: Vec<f64>,
}

impl Parameters {
    fn new(channels: usize, affine: bool, random: &mut Stream) -> Self {
        let channels = if affine { channels } else { 0 };
        let mut draw = || Array::normal([channels, 1, 1, 1], random).values;
        Self { weight: draw(), bias: draw() }
    }

    fn exact(&self) -> expected::Affine<'_> {
        expected::Affine { weight: &self.weight, bias: &self.bias, eps: f64::from(EPS) }
    }

    /// Calls `f` with the same in f32.
    fn plain<R>(&self, x: &Array, f: impl FnOnce(LayerNorm) -> R) -> R {
        let (weight, bias) = (plain(&self.weight), plain(&self.bias));
        let affine = Affine { weight: &weight, bias: &bias, eps: EPS };
        f(LayerNorm { plane: shapes::plane(x), affine })
    }
}

/// Shapes with five channels or more: over two, the gradient all but cancels.
pub fn several() -> impl Strategy<Value = [usize; 4]> {
    (shapes::batch(), 5..=70_usize, 1..=7_usize, 1..=7_usize).prop_map(|(n, c, h, w)| [n, c, h, w])
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn forward(shape in several(), affine: bool, far: bool, seed: u64) {
        let mut random = stream(seed, "test/layer", 0);
        let centre = if far { 500.0 } else { 0.5 };
        let x = Array::of(shape, || centre + random.normal());
        let parameters = Parameters::new(shape[1], affine, &mut random);
        let found = parameters.plain(&x, |norm| {
            written(x.blocks_len(), |y| norm.forward(&x.blocks_with(f32::NAN), y))
        });
        let y = expected::layer(&x, &parameters.exact());
        check::close(&x.read(&found), &y.values, if far { 3e-5 } else { 1e-6 });
        let empty = empty_lanes(&found, shape[1] * shape[2] * shape[3], x.lanes());
        prop_assert!(empty.iter().all(|v| *v == 0.0));
    }

    #[test]
    fn gradients(shape in several(), affine: bool, seed: u64) {
        let mut random = stream(seed, "test/layer", 0);
        let (x, dy) = (Array::normal(shape, &mut random), Array::normal(shape, &mut random));
        let parameters = Parameters::new(shape[1], affine, &mut random);
        let mut dx = dy.blocks_with(f32::NAN);
        let sums = parameters.plain(&x, |norm| {
            let x = x.blocks_with(f32::NAN);
            written(if affine { 2 * shape[1] } else { 0 }, |sums| norm.backward(&x, &mut dx, sums))
        });
        let of_x = |v: &[f64]| {
            check::dot(&dy.values, &expected::layer(&x.with(v), &parameters.exact()).values)
        };
        check::gradient(of_x, &x.values, &x.read(&dx));
        let empty = empty_lanes(&dx, shape[1] * shape[2] * shape[3], x.lanes());
        prop_assert!(empty.iter().all(|v| *v == 0.0));
        let of_both = |both: &[f64]| {
            let (bias, weight): (Vec<_>, Vec<_>) = both.chunks(2).map(|b| (b[0], b[1])).unzip();
            let affine = expected::Affine { weight: &weight, bias: &bias, ..parameters.exact() };
            check::dot(&dy.values, &expected::layer(&x, &affine).values)
        };
        let pairs = parameters.bias.iter().zip(&parameters.weight);
        let both: Vec<f64> = pairs.flat_map(|(b, w)| [*b, *w]).collect();
        check::gradient(of_both, &both, &wide(&sums));
    }
}

/// `torch.nn.functional.layer_norm` of three channels.
#[test]
fn values_as_in_pytorch() {
    let x = Array { shape: [1, 3, 1, 1], values: vec![1.0, 2.0, 4.0] };
    let parameters = Parameters { weight: vec![1.0, 2.0, 3.0], bias: vec![0.0, 1.0, 0.0] };
    let y = parameters.plain(&x, |norm| written(x.blocks_len(), |y| norm.forward(&x.blocks(), y)));
    check::close(&x.read(&y), &[-1.069_044_47, 0.465_477_82, 4.008_917_81], 1e-6);
}
