//! Inference on one image at a time, held to the same f64 versions as that on blocks.

use kernels::conv::{Conv as Sizes, Epilogue};
use kernels::flat::{
    self, Conv, Dense, Depthwise, Grouped, Map, Matrix, Output, Sparse, Unrolled, Winograd,
};
use kernels::{Activation, LANES, Lanes, Sides, Window};
use proptest::prelude::*;
use seed::stream;

use crate::array::{Array, plain, wide, written};
use crate::ending::{self, Ending, ending};
use crate::{check, reference, shapes};

/// The map of `array`'s images with `pad` zeros around.
pub fn map(array: &Array, pad: usize) -> Map {
    let [_, channels, h, w] = array.shape;
    Map { channels, h, w, pad }
}

/// The only image of `array` as a map.
pub fn laid(array: &Array, pad: usize) -> Vec<f32> {
    let map = map(array, pad);
    written(map.len(), |values| flat::from_plain(&array.plain(), Output { map, values, tasks: 2 }))
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

/// How the channels of a convolution of one image are split, and how many zeros are around its
/// input and its output, at least.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    pub groups: usize,
    pub pads: [usize; 2],
}

/// A convolution of one image in groups, with its operands.
pub struct Case {
    conv: Conv,
    x: Array,
    weight: Array,
    bias: Vec<f32>,
    add: Option<Array>,
    activation: Option<Activation>,
    expected: Array,
    /// Relative error that is allowed.
    tolerance: f64,
}

impl Case {
    pub fn new(sizes: &Sizes, layout: Layout, end: Ending, density: f64) -> Self {
        let Layout { groups, pads } = layout;
        let each = Sizes { lanes: Lanes::of(1), ..*sizes };
        let full = Sizes { inputs: each.inputs * groups, outputs: each.outputs * groups, ..each };
        let mut random = stream(density.to_bits(), "test/flat", full.weight_len() as u64);
        let [input, _, output] = shapes::of_conv(&full);
        let x = Array::normal(input, &mut random);
        let shape = [full.outputs, each.inputs, each.window.kernel.h, each.window.kernel.w];
        let mut weight = Array::normal(shape, &mut random);
        weight.values.iter_mut().filter(|_| !random.chance(density)).for_each(|w| *w = 0.0);
        let bias = Array::normal([full.outputs, 1, 1, 1], &mut random).values;
        let bias = if end.bias { bias } else { vec![] };
        let add = end.summand(&Array::zeros(output));
        let mut expected = reference::conv::forward(&full, &x, &blocked(&weight, groups), &bias);
        let tolerance = ending::end(&mut expected, add.as_ref(), end.activation, 5e-6);
        let [input, output] = [(&x, pads[0]), (&expected, pads[1])].map(|(array, pad)| {
            let map = map(array, pad);
            if map.is_vector() { Map { pad: 1, ..map } } else { map }
        });
        let mut conv = Conv { input, output, window: each.window, groups };
        if conv.arranged() {
            conv.output.pad = conv.output.pad.max(conv.reach().w);
        }
        Self {
            conv,
            x,
            weight,
            bias: plain(&bias),
            add,
            activation: end.activation,
            expected,
            tolerance,
        }
    }

    #[track_caller]
    fn check(&self, run: impl Fn((&[f32], &mut [f32]), &Epilogue, &mut [f32], usize)) {
        let pad = self.conv.output.pad;
        let add = self.add.as_ref().map_or(vec![], |add| laid(add, pad));
        let end = Epilogue { bias: &self.bias, add: &add, activation: self.activation };
        let x = laid(&self.x, self.conv.input.pad);
        let of = |tasks: usize| {
            let mut room = vec![f32::NAN; self.conv.room()];
            written(self.conv.output.len(), |y| {
                y.fill(f32::NAN);
                run((&x, &mut room), &end, y, tasks);
            })
        };
        let one = of(1);
        holds(&one, &self.expected, pad, self.tolerance);
        let same = one.iter().zip(&of(3)).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same, "three tasks differ from one");
    }

    #[track_caller]
    pub fn check_dense(&self) {
        let dense = Dense::new(&self.conv, &self.weight.plain());
        self.check(|x, end, y, tasks| dense.forward(x, end, y, tasks));
    }

    #[track_caller]
    fn check_winograd(&self) {
        let winograd = Winograd::new(&self.conv, &self.weight.plain());
        self.check(|(x, _), end, y, tasks| winograd.forward(x, end, y, tasks));
    }

    #[track_caller]
    fn check_unrolled(&self) {
        let unrolled = Unrolled::new(&self.conv, &self.weight.plain());
        self.check(|(x, _), end, y, tasks| {
            let mut room = vec![f32::NAN; unrolled.room()];
            unrolled.forward((x, &mut room), end, y, tasks);
        });
    }

    #[track_caller]
    fn check_depthwise(&self) {
        let depthwise = Depthwise::new(&self.conv, &self.weight.plain());
        self.check(|(x, _), end, y, tasks| depthwise.forward(x, end, y, tasks));
    }

    #[track_caller]
    pub fn check_sparse(&self) {
        if self.conv.groups > 1 {
            for sparse in [false, true] {
                let grouped = Grouped::new(&self.conv, &self.weight.plain(), sparse);
                self.check(|(x, _), end, y, tasks| grouped.forward(x, end, y, tasks));
            }
            return;
        }
        let sparse = Sparse::new(&self.conv, &self.weight.plain());
        let kept = self.weight.values.iter().filter(|w| **w != 0.0).count();
        assert_eq!(sparse.kept(), kept);
        self.check(|x, end, y, tasks| sparse.forward(x, end, y, tasks));
    }
}

/// The weight in groups as that of a full convolution, zero outside its blocks.
fn blocked(weight: &Array, groups: usize) -> Array {
    let [outputs, inputs, h, w] = weight.shape;
    let mut full = Array::zeros([outputs, inputs * groups, h, w]);
    for (i, value) in weight.values.iter().enumerate() {
        let (o, rest) = (i / (inputs * h * w), i % (inputs * h * w));
        let first = o / (outputs / groups) * inputs;
        full.values[(o * inputs * groups + first) * h * w + rest] = *value;
    }
    full
}

/// Asserts that whole and sparse matrices give what a convolution of one pixel does.
#[track_caller]
pub fn check_matrices(inputs: usize, outputs: usize, end: Ending, density: f64) {
    let (lanes, window) = (Lanes::of(1), Window::square(1, 1, 0));
    let sizes = Sizes { lanes, inputs, h: 1, w: 1, outputs, window };
    let case = Case::new(&sizes, Layout { groups: 1, pads: [0, 0] }, end, density);
    let (x, weight) = (case.x.plain(), case.weight.plain());
    let add = case.add.as_ref().map_or(vec![], Array::plain);
    let end = Epilogue { bias: &case.bias, add: &add, activation: case.activation };
    for matrix in [Matrix::dense, Matrix::sparse].map(|of| of((outputs, inputs), &weight)) {
        let of = |tasks| written(outputs, |y| matrix.forward(&x, &end, y, tasks));
        check::close(&wide(&of(1)), &case.expected.values, case.tolerance);
        assert_eq!(of(1), of(3));
    }
}

/// Zeros around an input and an output: the same in most cases.
fn pads() -> impl Strategy<Value = [usize; 2]> {
    let same = (0..=8_usize).prop_map(|pad| [pad, pad]);
    prop_oneof![2 => same, 1 => [0..=8_usize, 0..=8_usize]]
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn sparse_of_any_shape(
        sizes in shapes::conv(1, 20), groups in 1..=3_usize, pads in pads(), end in ending(),
        density in prop_oneof![Just(0.0), Just(1.0), 0.0..1.0],
    ) {
        Case::new(&sizes, Layout { groups, pads }, end, density).check_sparse();
    }

    #[test]
    fn dense_of_any_shape(sizes in shapes::conv(1, 40), pads in pads(), end in ending()) {
        Case::new(&sizes, Layout { groups: 1, pads }, end, 1.0).check_dense();
    }

    #[test]
    fn depthwise_of_any_shape(
        sizes in shapes::conv(1, 2), groups in 2..=20_usize, pads in pads(), end in ending(),
    ) {
        let sizes = Sizes { inputs: 1, ..sizes };
        Case::new(&sizes, Layout { groups, pads }, end, 1.0).check_depthwise();
    }

    #[test]
    fn groups_of_whole_panels(
        sizes in shapes::conv(1, 20), panels in 1..=2_usize, groups in 2..=4_usize, pads in pads(),
        end in ending(),
    ) {
        let sizes = Sizes { outputs: 8 * panels, ..sizes };
        Case::new(&sizes, Layout { groups, pads }, end, 0.8).check_sparse();
    }

    #[test]
    fn windows_in_lanes(sizes in shapes::conv(1, 20), pads in pads(), end in ending()) {
        Case::new(&sizes, Layout { groups: 1, pads }, end, 1.0).check_unrolled();
    }

    #[test]
    fn tiles_of_any_shape(
        (h, w) in (9..=25_usize, 9..=25_usize), (inputs, outputs) in (64..=67_usize, 64..=73_usize),
        (top, left, bottom, right) in (0..=2_usize, 0..=2_usize, 0..=2_usize, 0..=2_usize),
        pads in (2..=3_usize, 0..=3_usize), end in ending(),
    ) {
        let padding = Sides { top, left, bottom, right };
        let window = Window { padding, ..Window::square(3, 1, 0) };
        let sizes = Sizes { lanes: Lanes::of(1), inputs, h, w, outputs, window };
        let case = Case::new(&sizes, Layout { groups: 1, pads: pads.into() }, end, 1.0);
        if kernels::isa::plain() == Ok(true) {
            // Algorithms are forced.
            return Ok(());
        }
        // In the smallest maps tiles may be too few.
        prop_assert!(Winograd::fits(&case.conv) || h.min(w) < 16);
        if Winograd::fits(&case.conv) {
            case.check_winograd();
        }
    }

    #[test]
    fn matrices(inputs in 1..=300_usize, outputs in 1..=40_usize, end in ending(), density in 0.0..1.0) {
        check_matrices(inputs, outputs, end, density);
    }

    #[test]
    fn blocks_of_images(shape in shapes::activation(), pad in 0..3_usize) {
        let [n, c, h, w] = shape;
        let n = n.min(LANES);
        let all = Array::normal([n, c, h, w], &mut stream(1, "test/flat", 2));
        let map = map(&all, pad);
        let mut images = vec![f32::NAN; n * map.len()];
        for (image, to) in all.plain().chunks(c * h * w).zip(images.chunks_mut(map.len())) {
            flat::from_plain(image, Output { map, values: to, tasks: 1 });
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
        let window = Window::square(3, stride, 1);
        let sizes = Sizes { lanes, inputs, h, w, outputs, window };
        let case = Case::new(&sizes, Layout { groups: 1, pads: [1, 1] }, Ending::FULL, 0.2);
        case.check_dense();
        case.check_sparse();
    }
    for (channels, h, w, stride) in [(5, 112, 112, 1), (7, 57, 224, 2)] {
        let window = Window::square(3, stride, 1);
        let sizes = Sizes { lanes, inputs: 1, h, w, outputs: 1, window };
        let layout = Layout { groups: channels, pads: [1, 1] };
        Case::new(&sizes, layout, Ending::FULL, 1.0).check_depthwise();
    }
}

/// Inputs that come in several chunks, rows in several tiles, work for several tasks.
#[test]
fn single_pixels_of_many_channels() {
    for (inputs, h, w, outputs, stride) in
        [(600, 14, 14, 200, 1), (40, 56, 56, 24, 1), (1100, 7, 7, 136, 1), (300, 9, 8, 250, 2)]
    {
        let window = Window::square(1, stride, 0);
        let sizes = Sizes { lanes: Lanes::of(1), inputs, h, w, outputs, window };
        for end in [Ending::FULL, Ending::NONE] {
            Case::new(&sizes, Layout { groups: 1, pads: [1, 1] }, end, 1.0).check_dense();
        }
    }
}

/// So many tiles that chunks of them are computed at the same time.
#[test]
fn many_tiles_on_several_threads() {
    let window = Window::square(3, 1, 1);
    let sizes = Sizes { lanes: Lanes::of(1), inputs: 64, h: 131, w: 133, outputs: 64, window };
    let case = Case::new(&sizes, Layout { groups: 1, pads: [1, 1] }, Ending::FULL, 1.0);
    if kernels::isa::plain() == Ok(true) {
        // Algorithms are forced.
        return;
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().expect("threads");
    (0..5).for_each(|_| pool.install(|| case.check_winograd()));
}

#[test]
fn which_shapes_go_into_lanes() {
    let conv = |channels: usize, side: usize, kernel: usize| {
        let map = Map { channels, h: side, w: side, pad: 1 };
        let window = Window::square(kernel, 1, kernel / 2);
        Conv { input: map, output: map, window, groups: 1 }
    };
    let fits = |conv: Conv| (Winograd::fits(&conv), Unrolled::fits(&conv));
    let tiles = kernels::isa::plain() != Ok(true);
    assert_eq!(fits(conv(64, 32, 3)), (tiles, false), "64 tiles");
    assert_eq!(fits(conv(64, 14, 3)), (tiles, false), "sixteen tiles, some of them in part");
    assert_eq!(fits(conv(64, 8, 3)), (false, false), "four tiles");
    assert_eq!(fits(conv(64, 4, 3)), (false, true), "sixteen windows");
    assert_eq!(fits(conv(64, 4, 1)), (false, true), "sixteen pixels");
    assert_eq!(fits(conv(32, 32, 3)), (false, false), "few channels");
}
