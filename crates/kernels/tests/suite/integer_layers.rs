//! What integers are computed from without weights: poolings, borders, sums, products, moves.

use kernels::border::Border;
use kernels::channels::Source;
use kernels::integer::{
    Averages, Input, Layout, Maps, Max, Padding, Pointwise, Rounded, Rounding, Value, Word,
    flatten, from_floats, round_images, to_floats,
};
use kernels::pool::{Average, Pooling};
use kernels::{Activation, LANES, Lanes, Sides, Size};
use proptest::prelude::*;
use seed::stream;

use crate::{check, shapes};

fn bytes(count: usize, seed: u64) -> Vec<u8> {
    let mut random = stream(seed, "test/integer/bytes", count as u64);
    (0..count).map(|_| (random.unit() * 256.0) as u8).collect()
}

/// The pixels of each window of a map, and how many are counted.
fn windows(average: &Average) -> Vec<(Vec<usize>, usize)> {
    let (size, output) = (average.input(), average.output());
    let Average::Windows { pooling, count_padding } = average else {
        return vec![((0..size.pixels()).collect(), size.pixels())];
    };
    let w = pooling.window;
    let mut all = vec![];
    for (oy, ox) in (0..output.h).flat_map(|y| (0..output.w).map(move |x| (y, x))) {
        let (mut pixels, mut counted) = (vec![], 0);
        for tap in 0..w.taps() {
            let y = oy * w.stride.h + tap / w.kernel.w * w.dilation.h;
            let x = ox * w.stride.w + tap % w.kernel.w * w.dilation.w;
            let inside = (w.padding.top..w.padding.top + size.h).contains(&y)
                && (w.padding.left..w.padding.left + size.w).contains(&x);
            let padded = y < w.padding.top + size.h + w.padding.bottom
                && x < w.padding.left + size.w + w.padding.right;
            if inside {
                pixels.push((y - w.padding.top) * size.w + x - w.padding.left);
            }
            counted += usize::from(inside || (padded && *count_padding));
        }
        all.push((pixels, counted));
    }
    all
}

fn pools(pooling: Pooling, channels: usize, images: usize, seed: u64) {
    let output = pooling.output();
    let (from, to) = (Rounding { scale: 0.02, zero: 31 }, Rounding { scale: 0.013, zero: 77 });
    let grid = Average::Grid { input: pooling.size, output: Size::square(1) };
    let averages = [false, true]
        .map(|count_padding| Average::Windows { pooling, count_padding })
        .into_iter()
        .chain([grid]);
    for layout in [Layout::Images(Lanes::of(images)), Layout::Tiles] {
        let tiles = layout == Layout::Tiles;
        let maps = Maps { layout, channels, size: pooling.size };
        let all = bytes(maps.bytes(), seed);
        let words = maps.to_words(&all, 77);
        let x = Input { layout, words: &words, rounding: from };
        let planes = || all.chunks_exact(pooling.size.pixels());
        let maxima = Maps { layout, channels, size: output };
        let mut y = vec![0; maxima.words()];
        Max::new(&pooling, channels, tiles).forward(x, &mut y);
        let some = windows(&Average::Windows { pooling, count_padding: false });
        let most = |plane: &[u8]| -> Vec<u8> {
            some.iter().map(|(w, _)| w.iter().map(|i| plane[*i]).max().unwrap_or(0)).collect()
        };
        assert_eq!(maxima.from_words(&y), planes().flat_map(most).collect::<Vec<u8>>());
        for average in averages.clone() {
            let activation = Some(Activation::Relu);
            let kernel = Averages::new(&average, channels, tiles).expect("windows of one size");
            let means = Maps { layout, channels, size: average.output() };
            let mut y = vec![0; means.words()];
            kernel.forward(x, Rounded { activation, to }, &mut y);
            let some = windows(&average);
            let mean = |plane: &[u8]| -> Vec<u8> {
                let of = |(window, counted): &(Vec<usize>, usize)| {
                    let zero = i32::from(from.zero);
                    let sum: i32 = window.iter().map(|i| i32::from(plane[*i]) - zero).sum();
                    let inverse = if *counted > 0 { 1.0 / *counted as f32 } else { 0.0 };
                    to.rounded((sum as f32 * inverse * from.scale).max(0.0))
                };
                some.iter().map(of).collect()
            };
            let expected: Vec<u8> = planes().flat_map(mean).collect();
            assert_eq!(means.from_words(&y), expected, "{average:?} {layout:?}");
        }
    }
}

/// Bytes of an input in each layout, with what they stand for.
struct Operand {
    bytes: Vec<u8>,
    rounding: Rounding,
    channels: usize,
    size: Size,
}

impl Operand {
    fn new(images: usize, (channels, size): (usize, Size), rounding: Rounding) -> Self {
        let count = images * channels * size.pixels();
        Self { bytes: bytes(count, count as u64), rounding, channels, size }
    }

    fn maps(&self, layout: Layout) -> Maps {
        Maps { layout, channels: self.channels, size: self.size }
    }

    /// The value of a channel of an image at a pixel.
    fn value(&self, image: usize, channel: usize, pixel: usize) -> f32 {
        let plane = image * self.channels + channel;
        self.rounding.value(self.bytes[plane * self.size.pixels() + pixel])
    }

    fn layouts(&self) -> Vec<Layout> {
        let images = self.bytes.len() / (self.channels * self.size.pixels());
        let tiles = (images == 1).then_some(Layout::Tiles);
        [Layout::Images(Lanes::of(images))].into_iter().chain(tiles).collect()
    }
}

const ROUNDINGS: [Rounding; 2] =
    [Rounding { scale: 0.02, zero: 31 }, Rounding { scale: 0.013, zero: 200 }];

/// Checks `op` of `inputs`, whose value at (image, channel, pixel) is that of `expected`.
fn pointwise(
    op: &Pointwise,
    inputs: &[Operand],
    channels: usize,
    expected: impl Fn(usize, usize, usize) -> f32,
) {
    let size = inputs[0].size;
    let ends = [
        Rounded { activation: None, to: ROUNDINGS[0] },
        Rounded { activation: Some(Activation::Silu), to: ROUNDINGS[1] },
    ];
    for (layout, end) in inputs[0].layouts().into_iter().flat_map(|l| ends.map(|e| (l, e))) {
        let words: Vec<Vec<Word>> =
            inputs.iter().map(|x| x.maps(layout).to_words(&x.bytes, 5)).collect();
        let value = |(x, words)| {
            let x: &Operand = x;
            Value { maps: x.maps(layout), rounding: x.rounding, words }
        };
        let values: Vec<Value> =
            inputs.iter().zip(words.iter().map(|w| &w[..])).map(value).collect();
        let maps = Maps { layout, channels, size };
        let mut y = vec![9; maps.words()];
        op.forward(&values, maps, end, &mut y);
        let mut all: Vec<f32> = (0..maps.bytes())
            .map(|i| {
                let plane = i / size.pixels();
                expected(plane / channels, plane % channels, i % size.pixels())
            })
            .collect();
        if let Some(activation) = end.activation {
            kernels::activation::apply(activation, &mut all);
        }
        let all: Vec<u8> = all.into_iter().map(|value| end.to.rounded(value)).collect();
        assert_eq!(maps.from_words(&y), all, "{op:?} {layout:?} {end:?}");
    }
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn sums_and_products(
        images in 1..=20_usize, channels in 1..=9_usize, h in 1..=9_usize, w in 1..=9_usize,
    ) {
        let of = |size, rounding| Operand::new(images, (channels, size), rounding);
        let size = Size { h, w };
        let [a, b] = ROUNDINGS.map(|rounding| of(size, rounding));
        let pair = [a, b];
        let [x, y] = &pair;
        pointwise(&Pointwise::Add, &pair, channels, |n, c, p| x.value(n, c, p) + y.value(n, c, p));
        pointwise(&Pointwise::Multiply, &pair, channels, |n, c, p| {
            x.value(n, c, p) * y.value(n, c, p)
        });
        let [a, _] = pair;
        let pair = [a, of(Size::square(1), ROUNDINGS[1])];
        let [x, by] = &pair;
        pointwise(&Pointwise::Multiply, &pair, channels, |n, c, p| {
            x.value(n, c, p) * by.value(n, c, 0)
        });
    }

    #[test]
    fn channels_in_any_order(
        images in 1..=20_usize, channels in 1..=13_usize, h in 1..=6_usize, w in 1..=9_usize,
        seed in any::<u64>(),
    ) {
        let size = Size { h, w };
        let [a, b] = ROUNDINGS.map(|rounding| Operand::new(images, (channels, size), rounding));
        let inputs = [a, b];
        let of = |input, channel| Source::Channel { input, channel };
        // One behind the other, so that quads are copied where `channels` is a multiple of four.
        let whole: Vec<Source> = (0..2 * channels).map(|c| of(c / channels, c % channels)).collect();
        let mut random = stream(seed, "test/gather", 0);
        let mut below = |n: usize| (random.unit() * n as f64) as usize;
        let any = (0..11).map(|_| match below(3) {
            2 => Source::Value(below(5) as f32 * 0.1),
            input => of(input, below(channels)),
        });
        for sources in [whole, any.collect()] {
            let count = sources.len();
            let expected = |n, c: usize, p| match sources[c] {
                Source::Channel { input, channel } => inputs[input].value(n, channel, p),
                Source::Value(value) => value,
            };
            pointwise(&Pointwise::Gather(sources.clone()), &inputs, count, expected);
        }
    }

    #[test]
    fn vectors_and_borders(
        images in 1..=20_usize, channels in 1..=6_usize, h in 1..=9_usize, w in 1..=9_usize,
        top in 0..=3_usize, left in 0..=3_usize, bottom in 0..=3_usize, right in 0..=3_usize,
    ) {
        let x = Operand::new(images, (channels, Size { h, w }), ROUNDINGS[0]);
        for layout in x.layouts() {
            let words = x.maps(layout).to_words(&x.bytes, 5);
            let flat =
                Maps { layout, channels: channels * h * w, size: Size::square(1) };
            let mut y = vec![9; flat.words()];
            flatten(Value { maps: x.maps(layout), rounding: x.rounding, words: &words }, &mut y);
            prop_assert_eq!(flat.from_words(&y), x.bytes.clone());

            let border = Border { size: x.size, sides: Sides { top, left, bottom, right } };
            let wide = Maps { layout, channels, size: border.output() };
            let mut y = vec![9; wide.words()];
            let input = Input { layout, words: &words, rounding: x.rounding };
            Padding::new(&border, channels, layout == Layout::Tiles).forward(input, &mut y);
            let padded = wide.from_words(&y);
            for (i, byte) in padded.into_iter().enumerate() {
                let (plane, pixel) = (i / border.output().pixels(), i % border.output().pixels());
                let (row, column) = (pixel / border.output().w, pixel % border.output().w);
                let inside = (top..top + h).contains(&row) && (left..left + w).contains(&column);
                let expected = if inside {
                    x.bytes[(plane * h + row - top) * w + column - left]
                } else {
                    x.rounding.zero
                };
                prop_assert_eq!(byte, expected, "{} {} {:?}", row, column, layout);
            }
        }
    }

    #[test]
    fn any_pooling(
        pooling in shapes::pooling(), channels in 1..=9_usize, images in 1..=20_usize,
        seed in any::<u64>(),
    ) {
        pools(pooling, channels, images, seed);
    }

    #[test]
    fn floats_there_and_back(
        images in 1..=20_usize, channels in 1..=6_usize, h in 1..=9_usize, w in 1..=9_usize,
    ) {
        for layout in [Layout::Images(Lanes::of(images)), Layout::Tiles] {
            let maps = Maps { layout, channels, size: Size { h, w } };
            let rounding = Rounding { scale: 0.5, zero: 9 };
            let all = bytes(maps.bytes(), 1);
            let values: Vec<f32> = all.iter().map(|q| rounding.value(*q)).collect();
            let mut words: Vec<Word> = vec![7; maps.words()];
            round_images(&values, maps, rounding, &mut words);
            prop_assert_eq!(maps.from_words(&words), all.clone());
            let mut blocks = vec![0.0; layout.blocks() * channels * h * w * LANES];
            to_floats(&words, (maps, rounding), &mut blocks);
            let mut found = vec![0.0; values.len()];
            let lanes = Lanes::of(layout.images());
            kernels::pack::from_blocks(&blocks, channels * h * w, lanes, &mut found);
            prop_assert_eq!(found, values);
            words.fill(5);
            from_floats(&blocks, (maps, rounding), &mut words);
            prop_assert_eq!(maps.from_words(&words), all);
        }
    }
}
