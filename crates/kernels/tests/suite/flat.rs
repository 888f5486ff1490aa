//! Inference on one image at a time, held to the same f64 versions as that on blocks.

use kernels::conv::Conv as Sizes;
use kernels::flat::{self, Conv, Dense, Ends, Map, Matrix, Sparse};
use kernels::{LANES, Lanes};
use proptest::prelude::*;
use seed::stream;

use crate::array::{Array, plain, wide, written};
use crate::{check, reference, shapes};

/// The map of `array`'s images with `pad` zeros around.
pub fn map(array: &Array, pad: usize) -> Map {
    let [_, channels, h, w] = array.shape;
    Map { channels, h, w, pad }
}

/// The only image of `array` as a map.
pub fn laid(array: &Array, pad: usize) -> Vec<f32> {
    let map = map(array, pad);
    written(map.len(), |y| flat::from_plain(map, &array.plain(), y))
}

/// Asserts that `found` holds `expected` and zeros around it.
#[track_caller]
pub fn holds(found: &[f32], expected: &Array, pad: usize, tolerance: f64) {
    let map = map(expected, pad);
    let mut image = vec![f32::NAN; expected.values.len()];
    flat::to_plain(map, found, &mut image);
    check::close(&wide(&image), &expected.values, tolerance);
    let channels = &found[..map.channels * map.plane()];
    let [kept, all] = [&image[..], channels].map(|v| v.iter().filter(|v| **v != 0.0).count());
    assert_eq!(all, kept, "something beside the pixels is not zero");
}

/// A convolution of one image in groups, with its operands.
struct Case {
    conv: Conv,
    x: Array,
    weight: Array,
    bias: Vec<f32>,
    add: Option<Array>,
    relu: bool,
    expected: Array,
}

impl Case {
    fn new(
        sizes: &Sizes,
        (groups, pads): (usize, [usize; 2]),
        ends: [bool; 3],
        density: f64,
    ) -> Self {
        let each = Sizes { lanes: Lanes::of(1), ..*sizes };
        let full = Sizes { inputs: each.inputs * groups, outputs: each.outputs * groups, ..each };
        let mut random = stream(density.to_bits(), "test/flat", full.weight_len() as u64);
        let [input, _, output] = shapes::of_conv(&full);
        let x = Array::normal(input, &mut random);
        let shape = [full.outputs, each.inputs, each.kernel, each.kernel];
        let mut weight = Array::normal(shape, &mut random);
        weight.values.iter_mut().filter(|_| !random.chance(density)).for_each(|w| *w = 0.0);
        let bias = Array::normal([full.outputs, 1, 1, 1], &mut random).values;
        let bias = if ends[0] { bias } else { vec![] };
        let add = ends[1].then(|| Array::normal(output, &mut random));
        let mut expected = reference::conv::forward(&full, &x, &blocked(&weight, groups), &bias);
        for (i, y) in expected.values.iter_mut().enumerate() {
            *y += add.as_ref().map_or(0.0, |add| add.values[i]);
            *y = if ends[2] { y.max(0.0) } else { *y };
        }
        let (kernel, stride, padding) = (each.kernel, each.stride, each.padding);
        let [input, output] = [(&x, pads[0]), (&expected, pads[1])].map(|(array, pad)| {
            let map = map(array, pad);
            if map.is_vector() { Map { pad: 1, ..map } } else { map }
        });
        let mut conv = Conv { input, output, kernel, stride, padding, groups };
        if conv.arranged() {
            conv.output.pad = conv.output.pad.max(conv.reach());
        }
        Self { conv, x, weight, bias: plain(&bias), add, relu: ends[2], expected }
    }

    #[track_caller]
    fn check(&self, run: impl Fn((&[f32], &mut [f32]), &Ends, &mut [f32], usize)) {
        let pad = self.conv.output.pad;
        let add = self.add.as_ref().map_or(vec![], |add| laid(add, pad));
        let end = Ends { bias: &self.bias, add: &add, relu: self.relu };
        let x = laid(&self.x, self.conv.input.pad);
        let of = |tasks: usize| {
            let mut room = vec![f32::NAN; self.conv.room()];
            written(self.conv.output.len(), |y| {
                y.fill(f32::NAN);
                run((&x, &mut room), &end, y, tasks);
            })
        };
        let one = of(1);
        holds(&one, &self.expected, pad, 5e-6);
        let same = one.iter().zip(&of(3)).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same, "three tasks differ from one");
    }
}

/// The weight in groups as that of a full convolution, zero outside its blocks.
fn blocked(weight: &Array, groups: usize) -> Array {
    let [outputs, inputs, kernel, _] = weight.shape;
    let mut full = Array::zeros([outputs, inputs * groups, kernel, kernel]);
    for (i, value) in weight.values.iter().enumerate() {
        let (o, rest) = (i / (inputs * kernel * kernel), i % (inputs * kernel * kernel));
        let first = o / (outputs / groups) * inputs;
        full.values[(o * inputs * groups + first) * kernel * kernel + rest] = *value;
    }
    full
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn sparse_of_any_shape(
        sizes in shapes::conv(1, 20), groups in 1..=3_usize, pads: [bool; 2], ends: [bool; 3],
        density in prop_oneof![Just(0.0), Just(1.0), 0.0..1.0],
    ) {
        let pads = pads.map(|same| if same { sizes.padding } else { 0 });
        let case = Case::new(&sizes, (groups, pads), ends, density);
        let sparse = Sparse::new(&case.conv, &case.weight.plain());
        let kept = case.weight.values.iter().filter(|w| **w != 0.0).count();
        assert_eq!(sparse.kept(), kept);
        case.check(|x, end, y, tasks| sparse.forward(x, end, y, tasks));
    }

    #[test]
    fn dense_of_any_shape(sizes in shapes::conv(1, 40), pads: [bool; 2], ends: [bool; 3]) {
        let pads = pads.map(|same| if same { sizes.padding } else { 0 });
        let case = Case::new(&sizes, (1, pads), ends, 1.0);
        let dense = Dense::new(&case.conv, &case.weight.plain());
        case.check(|x, end, y, tasks| dense.forward(x, end, y, tasks));
    }

    #[test]
    fn matrices(inputs in 1..=300_usize, outputs in 1..=40_usize, ends: [bool; 3], density in 0.0..1.0) {
        let (kernel, stride, padding, lanes) = (1, 1, 0, Lanes::of(1));
        let sizes = Sizes { lanes, inputs, h: 1, w: 1, outputs, kernel, stride, padding };
        let case = Case::new(&sizes, (1, [0, 0]), ends, density);
        let (x, weight) = (case.x.plain(), case.weight.plain());
        let add = case.add.as_ref().map_or(vec![], Array::plain);
        let end = Ends { bias: &case.bias, add: &add, relu: case.relu };
        for matrix in [Matrix::dense, Matrix::sparse].map(|of| of((outputs, inputs), &weight)) {
            let of = |tasks| written(outputs, |y| matrix.forward(&x, &end, y, tasks));
            check::close(&wide(&of(1)), &case.expected.values, 5e-6);
            assert_eq!(of(1), of(3));
        }
    }

    #[test]
    fn blocks_of_images(shape in shapes::activation(), pad in 0..3_usize) {
        let [n, c, h, w] = shape;
        let n = n.min(LANES);
        let all = Array::normal([n, c, h, w], &mut stream(1, "test/flat", 2));
        let map = map(&all, pad);
        let mut images = vec![f32::NAN; n * map.len()];
        for (image, to) in all.plain().chunks(c * h * w).zip(images.chunks_mut(map.len())) {
            flat::from_plain(map, image, to);
        }
        let images: Vec<&[f32]> = images.chunks(map.len()).collect();
        let block = written(c * h * w * LANES, |y| flat::to_block(map, &images, y));
        assert_eq!(block, all.blocks());
    }
}

#[test]
fn wide_rows_and_many_channels() {
    let lanes = Lanes::of(1);
    for (inputs, h, w, outputs, stride) in
        [(3, 224, 224, 4, 2), (64, 32, 32, 64, 1), (130, 7, 5, 70, 1), (5, 1, 40, 3, 1)]
    {
        let sizes = Sizes { lanes, inputs, h, w, outputs, kernel: 3, stride, padding: 1 };
        let case = Case::new(&sizes, (1, [1, 1]), [true, true, true], 0.2);
        let weight = case.weight.plain();
        let (sparse, dense) = (Sparse::new(&case.conv, &weight), Dense::new(&case.conv, &weight));
        case.check(|x, end, y, tasks| sparse.forward(x, end, y, tasks));
        case.check(|x, end, y, tasks| dense.forward(x, end, y, tasks));
    }
}
