//! Dense convolution of one small image, of which a row fills no vector: the values of its windows are
//! copied so that sixteen windows are the lanes of a vector, without the zeros between rows.
#![allow(unsafe_code, reason = "several tasks write one image")]

use super::{Conv, Map, parts};
use crate::activation::Applied;
use crate::conv::{self, Crew, Epilogue};
use crate::shared::Shared;
use crate::{Activation, LANES, Lanes, Window, isa};

/// Channels on either side below which the copy takes longer than it saves.
const FEWEST: usize = 64;

/// The weights of a convolution of one group, ready for windows in lanes.
pub struct Unrolled {
    conv: Conv,
    /// Windows as images of one pixel, whose channels are the values of a window.
    sizes: conv::Conv,
    dense: conv::Dense,
    /// Where each (tap, window) reads in each channel; none beyond the pixels.
    from: Vec<Option<usize>>,
    /// Where each window's value goes in each channel.
    to: Vec<usize>,
}

impl Unrolled {
    /// Whether windows in lanes take at least a quarter fewer vectors than the map does, and are worth the copy.
    ///
    /// That is so in maps of 4x4 pixels, twice as fast where there are hundreds of channels. Maps of 7x7
    /// and more were as fast or faster without the copy.
    pub fn fits(conv: &Conv) -> bool {
        let Conv { input, output, groups, .. } = *conv;
        groups == 1
            && input.channels.min(output.channels) >= FEWEST
            && 4 * (output.h * output.w).div_ceil(LANES) <= 3 * output.vectors()
    }

    /// Arranges `weight`, `outputs x inputs x kernel`.
    pub fn new(conv: &Conv, weight: &[f32]) -> Self {
        assert!(!weight.is_empty() && weight.len() == conv.weight_len(), "weight");
        let sizes = conv::Conv {
            lanes: Lanes::of(conv.output.h * conv.output.w),
            inputs: conv.row(),
            h: 1,
            w: 1,
            outputs: conv.output.channels,
            window: Window::square(1, 1, 0),
        };
        let Map { h, w, .. } = conv.output;
        let to = (0..h * w).map(|window| conv.output.at(0, window / w, window % w)).collect();
        let dense = conv::Dense::new(&sizes, weight);
        Self { conv: *conv, sizes, dense, from: from(conv), to }
    }

    /// Values of the room that it takes: those of all windows, and the sums.
    pub fn room(&self) -> usize {
        self.sizes.input_len() + self.sizes.output_len()
    }

    /// As [`super::Dense::forward`].
    pub fn forward(
        &self,
        (x, room): (&[f32], &mut [f32]),
        end: &Epilogue,
        y: &mut [f32],
        tasks: usize,
    ) {
        let Conv { input, output, .. } = self.conv;
        assert!(x.len() == input.len() && y.len() == output.len(), "sizes");
        self.conv.check_epilogue(end);
        let (windows, sums) = room[..self.room()].split_at_mut(self.sizes.input_len());
        self.unroll(x, windows, tasks);
        // Without a summand the product ends with the activation, where the sums are in registers.
        let (within, behind) =
            if end.add.is_empty() { (end.activation, None) } else { (None, end.activation) };
        let first = Epilogue { bias: end.bias, activation: within, ..Epilogue::default() };
        self.dense.run(&self.sizes, windows, (&first, Crew::of(tasks)), sums);
        let (out, sums) = (Shared::new(y), &*sums);
        parts(output.channels, tasks, |outputs| {
            for o in outputs {
                // SAFETY: this output belongs to this task alone.
                let plane = unsafe { out.part(o * output.plane(), output.plane()) };
                plane.fill(0.0);
                let add = end.add.get(o * output.plane()..(o + 1) * output.plane());
                self.finish(sums, o, (add, behind), plane);
            }
        });
    }

    /// Copies the values of all windows.
    fn unroll(&self, x: &[f32], windows: &mut [f32], tasks: usize) {
        let (input, row) = (self.conv.input, self.conv.row());
        let taps = self.conv.window.kernel.pixels();
        let count = self.from.len() / taps;
        let out = Shared::new(windows);
        parts(input.channels, tasks, |channels| {
            for channel in channels {
                let plane = &x[channel * input.plane()..][..input.plane()];
                for (tap, from) in self.from.chunks_exact(count).enumerate() {
                    for (block, from) in from.chunks(LANES).enumerate() {
                        let to = (block * row + channel * taps + tap) * LANES;
                        // SAFETY: this channel belongs to this task alone.
                        let to = unsafe { out.part(to, LANES) };
                        let value = |from: &Option<usize>| from.map_or(0.0, |at| plane[at]);
                        to.iter_mut().zip(from).for_each(|(to, from)| *to = value(from));
                        to[from.len()..].fill(0.0);
                    }
                }
            }
        });
    }

    /// Writes output `o` to its `plane`: the sums, and what follows them.
    fn finish(
        &self,
        sums: &[f32],
        o: usize,
        (add, activation): (Option<&[f32]>, Option<Activation>),
        plane: &mut [f32],
    ) {
        let channels = self.conv.output.channels;
        for (block, to) in self.to.chunks(LANES).enumerate() {
            let mut values = [0.0; LANES];
            values.copy_from_slice(&sums[(block * channels + o) * LANES..][..LANES]);
            if let Some(add) = add {
                to.iter().zip(&mut values).for_each(|(to, value)| *value += add[*to]);
            }
            if let Some(activation) = activation {
                isa::dispatch(Applied { activation, y: &mut values });
            }
            to.iter().zip(values).for_each(|(to, value)| plane[*to] = value);
        }
    }
}

/// Where each (tap, window) of `conv` reads.
fn from(conv: &Conv) -> Vec<Option<usize>> {
    let Conv { input, output, window, .. } = *conv;
    let along = |first: usize, tap: usize, step: usize, before: usize, size: usize| {
        (first + tap * step).checked_sub(before).filter(|at| *at < size)
    };
    let at = |tap: usize, place: usize| {
        let (ky, kx) = (tap / window.kernel.w, tap % window.kernel.w);
        let (oy, ox) = (place / output.w, place % output.w);
        let (stride, dilation, padding) = (window.stride, window.dilation, window.padding);
        let y = along(oy * stride.h, ky, dilation.h, padding.top, input.h)?;
        let x = along(ox * stride.w, kx, dilation.w, padding.left, input.w)?;
        Some(input.at(0, y, x))
    };
    let windows = output.h * output.w;
    let taps = 0..window.kernel.pixels();
    taps.flat_map(|tap| (0..windows).map(move |place| at(tap, place))).collect()
}
