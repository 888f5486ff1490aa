//! Operations on single values: sums, products, channels in any order, maps as vectors.

use rayon::prelude::*;

use super::ending::{Rounder, activated};
use super::pool::Rounded;
use super::words::Maps;
use super::{Layout, Rounding, Word, quads};
use crate::channels::{Source, check};
use crate::{Kernel, LANES, Size, simd};

/// Maps of integers, and what these stand for.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    /// Their shape and layout.
    pub maps: Maps,
    /// What their integers stand for.
    pub rounding: Rounding,
    /// Their words.
    pub words: &'a [Word],
}

/// What is computed of each value.
#[derive(Debug, Clone, PartialEq)]
pub enum Pointwise {
    /// The sum of two inputs.
    Add,
    /// The product of two inputs of the same shape, or of each channel and its value in the second, a vector.
    Multiply,
    /// Channels of the inputs, in any order, and channels of one value.
    Gather(Vec<Source>),
}

impl Pointwise {
    /// `y = op(inputs)`, with `end` applied to each value; `maps` is the shape of `y`.
    ///
    /// # Panics
    /// If shapes do not fit each other.
    pub fn forward(&self, inputs: &[Value], maps: Maps, end: Rounded, y: &mut [Word]) {
        let Maps { layout, channels, size } = maps;
        for x in inputs {
            assert_eq!(x.words.len(), x.maps.words(), "input");
            let vector = *self == Self::Multiply && x.maps.size == Size::square(1);
            assert!(x.maps.layout == layout && (vector || x.maps.size == size), "maps");
            assert!(matches!(self, Self::Gather(_)) || x.maps.channels == channels, "channels");
        }
        if let Self::Gather(sources) = self {
            assert_eq!(sources.len(), channels, "channels");
            check(sources, |input| inputs[input].maps.channels);
        }
        assert_eq!(y.len(), maps.words(), "output");
        let plane = layout.map(size).pixels() * LANES;
        y.par_chunks_exact_mut(plane).enumerate().for_each(|(i, y)| {
            let (block, quad) = (i / quads(channels), i % quads(channels));
            let own = quad * 4..channels.min(quad * 4 + 4);
            if let Some(x) = self.copied(inputs, own.clone(), end) {
                y.copy_from_slice(x.plane(block));
                return;
            }
            y.fill(0);
            for channel in own {
                let terms = self.terms(inputs, (block, channel));
                simd::<Run, _>(Operands { terms, place: channel % 4, end, y });
            }
        });
    }

    /// The quad of an input that the channels `own` are as they stand there, if they are one.
    fn copied<'a>(
        &self,
        inputs: &[Value<'a>],
        own: std::ops::Range<usize>,
        end: Rounded,
    ) -> Option<Channel<'a>> {
        let Self::Gather(sources) = self else { return None };
        let Source::Channel { input, channel: first } = sources[own.start] else { return None };
        let whole = |(i, source): (usize, &Source)| {
            *source == Source::Channel { input, channel: first + i }
        };
        let same = end.activation.is_none() && end.to == inputs[input].rounding;
        let all = first.is_multiple_of(4) && sources[own].iter().enumerate().all(whole);
        (same && all).then(|| Channel { of: inputs[input], channel: first })
    }

    /// What `channel` of the output is computed from.
    fn terms<'a>(&self, inputs: &[Value<'a>], (block, channel): (usize, usize)) -> Terms<'a> {
        let of = |input: usize, channel| Channel { of: inputs[input], channel }.term(block);
        match self {
            Self::Add => Terms::Sum(of(0, channel), of(1, channel)),
            Self::Multiply if inputs[0].maps.size == inputs[1].maps.size => {
                Terms::Product(of(0, channel), of(1, channel))
            }
            Self::Multiply => {
                let by = Channel { of: inputs[1], channel };
                Terms::Scaled(of(0, channel), by.values_of_vector(block))
            }
            Self::Gather(sources) => match sources[channel] {
                Source::Channel { input, channel } => Terms::One(of(input, channel)),
                Source::Value(value) => Terms::Constant(value),
            },
        }
    }
}

/// A channel of maps.
struct Channel<'a> {
    of: Value<'a>,
    channel: usize,
}

impl<'a> Channel<'a> {
    /// The words that hold it in `block`.
    fn plane(&self, block: usize) -> &'a [Word] {
        let Maps { layout, channels, size } = self.of.maps;
        let plane = layout.map(size).pixels() * LANES;
        &self.of.words[(block * quads(channels) + self.channel / 4) * plane..][..plane]
    }

    fn term(&self, block: usize) -> Term<'a> {
        Term { words: self.plane(block), place: self.channel % 4, rounding: self.of.rounding }
    }

    /// The value of each lane where maps are single pixels.
    fn values_of_vector(&self, block: usize) -> [f32; LANES] {
        let values = self.term(block).values(0);
        match self.of.maps.layout {
            Layout::Images(_) => values,
            // The one pixel is that of the first tile.
            Layout::Tiles => [values[0]; LANES],
        }
    }
}

/// What a channel of the output is computed from.
#[derive(Clone, Copy)]
enum Terms<'a> {
    One(Term<'a>),
    Sum(Term<'a>, Term<'a>),
    Product(Term<'a>, Term<'a>),
    /// By a factor of each lane.
    Scaled(Term<'a>, [f32; LANES]),
    Constant(f32),
}

/// A channel of a block.
#[derive(Clone, Copy)]
struct Term<'a> {
    words: &'a [Word],
    place: usize,
    rounding: Rounding,
}

impl Term<'_> {
    /// The values of a vector.
    #[inline(always)]
    fn values(&self, vector: usize) -> [f32; LANES] {
        let words: &[Word; LANES] =
            self.words[vector * LANES..].first_chunk().expect("whole vectors");
        let mut values = [0.0; LANES];
        for lane in 0..LANES {
            values[lane] = self.rounding.value((words[lane] >> (8 * self.place)) as u8);
        }
        values
    }
}

struct Operands<'a> {
    terms: Terms<'a>,
    /// Where in its words the channel lies.
    place: usize,
    end: Rounded,
    y: &'a mut [Word],
}

struct Run;

impl Kernel<Operands<'_>> for Run {
    type Out = ();

    #[inline(always)]
    fn run(Operands { terms, place, end, y }: Operands) {
        let to = Rounder::new(end.to);
        for (vector, words) in y.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let mut values = match terms {
                Terms::One(x) => x.values(vector),
                Terms::Sum(a, b) => both(a.values(vector), b.values(vector), |a, b| a + b),
                Terms::Product(a, b) => both(a.values(vector), b.values(vector), |a, b| a * b),
                Terms::Scaled(x, factors) => both(x.values(vector), factors, |a, b| a * b),
                Terms::Constant(value) => [value; LANES],
            };
            activated(&mut values, end.activation);
            let steps = to.steps(&values);
            for lane in 0..LANES {
                words[lane] |= steps[lane] << (8 * place);
            }
        }
    }
}

#[inline(always)]
fn both(a: [f32; LANES], b: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
    let mut values = [0.0; LANES];
    for lane in 0..LANES {
        values[lane] = f(a[lane], b[lane]);
    }
    values
}

/// The values of `x` as vectors of one pixel, in the order (channel, row, column); they keep their rounding.
///
/// # Panics
/// If `y` has another number of words than these need.
pub fn flatten(x: Value, y: &mut [Word]) {
    let Maps { layout, channels, size } = x.maps;
    let count = channels * size.pixels();
    assert_eq!(x.words.len(), x.maps.words(), "input");
    assert_eq!(y.len(), layout.words(count, Size::square(1)), "output");
    y.par_chunks_exact_mut(LANES).enumerate().for_each(|(i, y)| {
        let (block, quad) = (i / quads(count), i % quads(count));
        y.fill(0);
        for value in quad * 4..count.min(quad * 4 + 4) {
            let (channel, pixel) = (value / size.pixels(), value % size.pixels());
            let from = Channel { of: x, channel };
            let place = layout.place(size, block * LANES, pixel / size.w, pixel % size.w);
            let words = &from.plane(block)[place.vector * LANES..][..LANES];
            let byte = |word: Word| (word >> (8 * (channel % 4)) & 255) << (8 * (value % 4));
            match layout {
                Layout::Images(_) => y.iter_mut().zip(words).for_each(|(y, x)| *y |= byte(*x)),
                Layout::Tiles => y[0] |= byte(words[place.lane]),
            }
        }
    });
}
