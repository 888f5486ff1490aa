//! Depthwise convolution: each channel has a kernel of its own and reads itself alone.
//!
//! A channel's few weights are walked as a sparse output's are: its windows stay in registers.
#![allow(unsafe_code, reason = "segments are computed through pointers into room and output")]

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::epilogue::{Finish, activate};
use super::segment;
use super::sparse::{Entry, Steps, Sum, dots, total, walk, window};
use super::stencil::{Stencil, Tap};
use super::tiling::{Item, Part, Share, Tiling};
use super::{Conv, Epilogue};
use crate::shared::Shared;
use crate::{LANES, Lanes, Window, isa, scratch};

/// Sizes of a depthwise convolution over a batch. Weight: `channels x 1 x kernel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depthwise {
    /// The batch.
    pub lanes: Lanes,
    /// Channels, of input and output.
    pub channels: usize,
    /// Input height.
    pub h: usize,
    /// Input width.
    pub w: usize,
    /// What each output reads.
    pub window: Window,
}

/// One channel at a time.
const SHARE: Share = Share { windows: 256, room: 0, in_place: true };
/// Channels of a task.
const CHANNELS: usize = 8;

impl Depthwise {
    /// The full convolution of the same windows.
    fn full(&self) -> Conv {
        Conv {
            lanes: self.lanes,
            inputs: self.channels,
            h: self.h,
            w: self.w,
            outputs: self.channels,
            window: self.window,
        }
    }

    /// Output height.
    pub fn oh(&self) -> usize {
        self.full().oh()
    }

    /// Output width.
    pub fn ow(&self) -> usize {
        self.full().ow()
    }

    /// Values of the input.
    pub fn input_len(&self) -> usize {
        self.full().input_len()
    }

    /// Values of the output.
    pub fn output_len(&self) -> usize {
        self.full().output_len()
    }

    /// Values of the weight.
    pub fn weight_len(&self) -> usize {
        self.channels * self.taps()
    }

    fn taps(&self) -> usize {
        self.window.kernel.pixels()
    }

    fn check(&self, (input, weight, output): (usize, usize, usize)) {
        assert!(weight > 0 && weight == self.weight_len(), "weight");
        assert!(self.window.dilation.pixels() > 0, "dilation");
        assert!(input == self.input_len() && output == self.output_len(), "sizes");
    }
}

/// `y[n, c] = end(sum over (ky, kx) of weight[c, ky, kx] * x[n, c, ..])`.
pub fn forward(d: &Depthwise, x: &[f32], weight: &[f32], end: &Epilogue, y: &mut [f32]) {
    d.check((x.len(), weight.len(), y.len()));
    end.check(d.channels, y.len());
    run(&Stencil::forward(&d.full()), (x, weight), end, y);
}

/// `dx[n, c] = sum over (ky, kx) of weight[c, ky, kx] * dy[n, c, ..]`.
pub fn input_grad(d: &Depthwise, dy: &[f32], weight: &[f32], dx: &mut [f32]) {
    d.check((dx.len(), weight.len(), dy.len()));
    for s in Stencil::input_grad(&d.full()) {
        run(&s, (dy, weight), &Epilogue::default(), dx);
    }
}

/// `dw[c, ky, kx] = sum over images and pixels of dy[n, c, y, x] * x[n, c, ..]`.
///
/// Lanes without an image must be zero in `dy` and finite in `x`.
pub fn weight_grad(d: &Depthwise, dy: &[f32], x: &[f32], dw: &mut [f32]) {
    d.check((x.len(), dw.len(), dy.len()));
    let s = Stencil::forward(&d.full());
    let tiling = Tiling::new(&s, SHARE);
    let taps = tiling.taps(&s);
    dw.par_chunks_mut(d.taps()).enumerate().for_each(|(channel, dw)| {
        scratch::with(tiling.room(&s) + d.taps() * LANES, |room| {
            let (room, sums) = room.split_at_mut(tiling.room(&s));
            let of = Weights { s: &s, tiling: &tiling, taps: &taps, channel, dy, x };
            isa::dispatch(WeightGrad { of, room, sums, dw });
        });
    });
}

/// Sums over the windows of each channel.
fn run(s: &Stencil, (source, weight): (&[f32], &[f32]), end: &Epilogue, y: &mut [f32]) {
    let tiling = Tiling::new(s, SHARE);
    let taps = tiling.taps(s);
    let groups = s.channels.div_ceil(CHANNELS);
    let out = Shared::new(y);
    (0..tiling.items * groups).into_par_iter().for_each(|i| {
        let first = i % groups * CHANNELS;
        let channels = first..(first + CHANNELS).min(s.channels);
        let item = tiling.item(s, i / groups);
        scratch::with(tiling.room(s), |room| {
            let (tiling, taps) = (&tiling, &taps[..]);
            let task = Task { s, tiling, taps, source, weight, end, item, channels, room };
            isa::dispatch(Run(task, &out));
        });
    });
}

struct Task<'a> {
    s: &'a Stencil,
    tiling: &'a Tiling,
    /// Where each tap reads.
    taps: &'a [u32],
    source: &'a [f32],
    weight: &'a [f32],
    end: &'a Epilogue<'a>,
    item: Item,
    channels: Range<usize>,
    room: &'a mut [f32],
}

struct Run<'a>(Task<'a>, &'a Shared<'a>);

/// The weights of one channel and where they read.
fn entries(s: &Stencil, taps: &[u32], weight: &[f32]) -> Vec<Entry> {
    let entry = |(tap, at): (&Tap, &u32)| Entry { at: *at, value: weight[tap.index] };
    s.taps.iter().zip(taps).map(entry).collect()
}

impl WithSimd for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self(Task { s, tiling, taps, source, weight, end, item, channels, room }, out) = self;
        let kernel = weight.len() / s.channels;
        let segments = segment::of_floats(s, tiling, &item);
        let steps = Steps {
            pitch: tiling.pitch,
            down: s.grid.step.h * s.grid.w * LANES,
            across: s.grid.step.w * LANES,
        };
        for channel in channels {
            let part = Part { item: &item, channels: channel..channel + 1 };
            let read = tiling.read(s, part, (source, room), 0.0);
            let entries = entries(s, taps, &weight[channel * kernel..][..kernel]);
            let sum = Sum {
                entries: &entries,
                start: Some(end.bias_of(channel)),
                finish: Finish::new(end, out),
            };
            for segment in &segments {
                let at = (read[segment.at..].as_ptr(), window(s, segment, channel, out));
                // SAFETY: taps stay inside what `read` gave for these windows; these windows of
                // this channel belong to this task alone.
                unsafe { walk(simd, segment, at, sum, steps) };
            }
            if let Some(activation) = end.curve() {
                for range in s.written(&item, channel) {
                    // SAFETY: as above.
                    activate(simd, activation, unsafe { out.part(range.start, range.len()) });
                }
            }
        }
    }
}

/// The gradient of one channel's weights.
struct Weights<'a> {
    s: &'a Stencil,
    tiling: &'a Tiling,
    taps: &'a [u32],
    channel: usize,
    dy: &'a [f32],
    x: &'a [f32],
}

struct WeightGrad<'a> {
    of: Weights<'a>,
    room: &'a mut [f32],
    /// A vector a tap.
    sums: &'a mut [f32],
    dw: &'a mut [f32],
}

impl WithSimd for WeightGrad<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { of: Weights { s, tiling, taps, channel, dy, x }, room, sums, dw } = self;
        let entries: Vec<Entry> = taps.iter().map(|at| Entry { at: *at, value: 0.0 }).collect();
        let steps = Steps { pitch: tiling.pitch, down: s.grid.w * LANES, across: LANES };
        sums.fill(0.0);
        for item in (0..tiling.items).map(|i| tiling.item(s, i)) {
            let part = Part { item: &item, channels: channel..channel + 1 };
            let read = tiling.read(s, part, (x, room), 0.0);
            for segment in &segment::of_floats(s, tiling, &item) {
                let last = (segment.rows - 1) * s.grid.w + segment.columns;
                let dy = &dy[segment.to + channel * s.plane()..][..last * LANES];
                let at = (read[segment.at..].as_ptr(), dy.as_ptr());
                // SAFETY: taps stay inside what `read` gave for these windows; the windows lie in
                // `dy`, and `sums` holds a vector a tap.
                unsafe { dots(simd, segment, at, (&entries, sums.as_mut_ptr(), false), steps) };
            }
        }
        for (dw, sum) in dw.iter_mut().zip(sums.chunks_exact(LANES)) {
            *dw = total(simd, sum);
        }
    }
}
