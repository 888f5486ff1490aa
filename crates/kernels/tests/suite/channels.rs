//! Operations on whole channels.

use kernels::channels::{
    Part, Shuffle, Source, Span, concat, gather, pad, scale, scale_backward, shift, shift_backward,
    shuffle, slice,
};
use proptest::prelude::*;
use seed::stream;

use crate::array::{Array, empty_lanes, plain, wide, written};
use crate::{check, shapes};

/// The channels of `x` that `order` names, zeros for none.
pub fn arranged(x: &Array, order: &[Option<usize>]) -> Array {
    let [n, c, h, w] = x.shape;
    let mut y = Array::zeros([n, order.len(), h, w]);
    for (i, plane) in y.values.chunks_mut(h * w).enumerate() {
        if let Some(channel) = order[i % order.len()] {
            let from = (i / order.len() * c + channel) * h * w;
            plane.copy_from_slice(&x.values[from..from + h * w]);
        }
    }
    y
}

/// Some channels of two inputs, and a value, in any order: where each is from.
pub fn sources(counts: [usize; 2]) -> impl Strategy<Value = Vec<Source>> {
    let channel = move |(second, index): (bool, prop::sample::Index)| {
        let input = usize::from(second);
        Source::Channel { input, channel: index.index(counts[input]) }
    };
    let source = prop_oneof![
        4 => any::<(bool, prop::sample::Index)>().prop_map(channel),
        1 => (-2.0..2.0_f32).prop_map(Source::Value),
    ];
    proptest::collection::vec(source, 1..=8)
}

/// What `sources` name of two inputs.
pub fn gathered(inputs: [&Array; 2], sources: &[Source]) -> Array {
    let [n, _, h, w] = inputs[0].shape;
    let mut y = Array::zeros([n, sources.len(), h, w]);
    for (i, plane) in y.values.chunks_mut(h * w).enumerate() {
        match sources[i % sources.len()] {
            Source::Value(value) => plane.fill(f64::from(value)),
            Source::Channel { input, channel } => {
                let x = inputs[input];
                let from = (i / sources.len() * x.shape[1] + channel) * h * w;
                plane.copy_from_slice(&x.values[from..from + h * w]);
            }
        }
    }
    y
}

/// `x` with each channel multiplied and shifted.
pub fn affine(x: &Array, factors: &[f64], shifts: &[f64]) -> Array {
    let [_, c, h, w] = x.shape;
    let of = |(i, v): (usize, &f64)| v * factors[i / (h * w) % c] + shifts[i / (h * w) % c];
    x.with(&x.values.iter().enumerate().map(of).collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn concatenation(
        shape in shapes::activation(),
        counts in proptest::collection::vec(1..=5_usize, 1..=4),
        seed: u64,
    ) {
        let [n, _, h, w] = shape;
        let all = Array::normal([n, counts.iter().sum(), h, w], &mut stream(seed, "test/concat", 0));
        let mut next = 0;
        let parts = counts.iter().map(|count| {
            next += count;
            arranged(&all, &(next - count..next).map(Some).collect::<Vec<_>>()).blocks()
        });
        let parts: Vec<Vec<f32>> = parts.collect();
        let parts = parts.iter().zip(&counts);
        let parts: Vec<Part> =
            parts.map(|(values, channels)| Part { values, channels: *channels }).collect();
        let found = written(all.blocks_len(), |y| concat(&parts, h * w, y));
        prop_assert_eq!(found, all.blocks());
    }

    /// A slice, and the zeros around its gradient.
    #[test]
    fn slices(shape in shapes::activation(), ends: [prop::sample::Index; 2], seed: u64) {
        let [n, channels, h, w] = shape;
        let x = Array::normal(shape, &mut stream(seed, "test/slice", 0));
        let start = ends[0].index(channels);
        let end = start + 1 + ends[1].index(channels - start);
        let span = Span { channels, start, end, pixels: h * w };
        let y = arranged(&x, &(start..end).map(Some).collect::<Vec<_>>());
        let found = written(y.blocks_len(), |y| slice(span, &x.blocks(), y));
        prop_assert_eq!(found, y.blocks());
        let dy = Array::normal([n, end - start, h, w], &mut stream(seed, "test/slice", 1));
        let order = (0..channels).map(|c| (start..end).contains(&c).then(|| c - start));
        let dx = arranged(&dy, &order.collect::<Vec<_>>());
        let found = written(dx.blocks_len(), |dx| pad(span, &dy.blocks(), dx));
        prop_assert_eq!(found, dx.blocks());
    }

    /// As `torch.nn.ChannelShuffle`: as a matrix of groups, transposed.
    #[test]
    fn shuffles(shape in shapes::activation(), groups in 1..=5_usize, seed: u64) {
        let [n, each, h, w] = shape;
        let x = Array::normal([n, groups * each, h, w], &mut stream(seed, "test/shuffle", 0));
        let order = (0..each).flat_map(|i| (0..groups).map(move |group| Some(group * each + i)));
        let y = arranged(&x, &order.collect::<Vec<_>>());
        let of = Shuffle { channels: groups * each, groups, pixels: h * w };
        let found = written(y.blocks_len(), |y| shuffle(of, &x.blocks(), y));
        prop_assert_eq!(&found, &y.blocks());
        let back = written(x.blocks_len(), |dx| shuffle(of.inverse(), &found, dx));
        prop_assert_eq!(back, x.blocks());
    }

    #[test]
    fn channels_of_two_inputs(
        shape in shapes::activation(),
        (counts, sources) in [1..=5_usize, 1..=5_usize].prop_flat_map(|c| (Just(c), sources(c))),
        seed: u64,
    ) {
        let [n, _, h, w] = shape;
        let mut random = stream(seed, "test/gather", 0);
        let inputs = counts.map(|c| Array::normal([n, c, h, w], &mut random));
        let blocks = [0, 1].map(|i| inputs[i].blocks());
        let parts = [0, 1].map(|i| Part { values: &blocks[i], channels: counts[i] });
        let y = gathered([&inputs[0], &inputs[1]], &sources);
        let found = written(y.blocks_len(), |y| gather(&parts, &sources, h * w, y));
        check::close(&y.read(&found), &y.values, 0.0);
    }

    #[test]
    fn factors_and_shifts(shape in shapes::activation(), seed: u64) {
        let [n, c, h, w] = shape;
        let mut random = stream(seed, "test/affine", 0);
        let (x, dy) = (Array::normal(shape, &mut random), Array::normal(shape, &mut random));
        let [factors, shifts] = [(); 2].map(|()| Array::normal([c, 1, 1, 1], &mut random).values);
        let (none, ones) = (vec![0.0; c], vec![1.0; c]);
        let plane = shapes::plane(&x);
        let check_forward = |found: &[f32], expected: &Array| {
            check::close(&x.read(found), &expected.values, 1e-7);
            assert_eq!(found.len(), n.div_ceil(16) * 16 * c * h * w);
            assert!(empty_lanes(found, c * h * w, x.lanes()).iter().all(|v| *v == 0.0));
        };
        let junk = x.blocks_with(1e4);
        let found = written(junk.len(), |y| scale(plane, &plain(&factors), &junk, y));
        check_forward(&found, &affine(&x, &factors, &none));
        let found = written(junk.len(), |y| shift(plane, &plain(&shifts), &junk, y));
        check_forward(&found, &affine(&x, &ones, &shifts));
        let dy_junk = dy.blocks_with(f32::NAN);
        let dx = written(junk.len(), |dx| scale(plane, &plain(&factors), &dy_junk, dx));
        let value = |v: &[f64]| check::dot(&dy.values, &affine(&x.with(v), &factors, &none).values);
        check::gradient(value, &x.values, &x.read(&dx));
        let sums = written(c, |sums| scale_backward(plane, &junk, &dy_junk, sums));
        let value = |factors: &[f64]| check::dot(&dy.values, &affine(&x, factors, &none).values);
        check::gradient(value, &factors, &wide(&sums));
        let sums = written(c, |sums| shift_backward(plane, &dy_junk, sums));
        let value = |shifts: &[f64]| check::dot(&dy.values, &affine(&x, &ones, shifts).values);
        check::gradient(value, &shifts, &wide(&sums));
    }
}

/// `torch.nn.functional.channel_shuffle` of six channels.
#[test]
fn shuffles_as_in_pytorch() {
    let check = |groups: usize, expected: [usize; 6]| {
        let shuffle = Shuffle { channels: 6, groups, pixels: 1 };
        assert_eq!([0, 1, 2, 3, 4, 5].map(|channel| shuffle.source(channel)), expected);
    };
    check(2, [0, 3, 1, 4, 2, 5]);
    check(3, [0, 2, 4, 1, 3, 5]);
}
