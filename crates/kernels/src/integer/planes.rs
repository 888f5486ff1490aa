//! Windows over each channel by itself: depthwise convolution, maxima, averages.
#![allow(unsafe_code, reason = "words are looked at as the bytes that they hold")]

use rayon::prelude::*;

use super::conv::Input;
use super::ending::BYTES;
use super::reader::{Gather, Reader};
use super::{Layout, Word, quads};
use crate::conv::Conv;
use crate::conv::tiling::{Item, Part, Share};
use crate::{Kernel, LANES, Lanes, Size, Window, scratch, simd};

/// Windows of one quad of channels.
#[derive(Debug, Clone)]
pub(super) struct Planes {
    reader: Reader,
    items: Vec<(Item, Gather)>,
    taps: Vec<u32>,
    channels: usize,
    /// Pixels of a channel of the input.
    size: Size,
    /// Windows down and across.
    output: Size,
}

/// One quad of channels of a block.
#[derive(Clone, Copy)]
pub(super) struct Plane {
    /// Which of all (block, quad).
    pub index: usize,
    /// Which quad.
    pub quad: usize,
}

/// What a window reads: a vector for each tap.
#[derive(Clone, Copy)]
pub(super) struct Read<'a> {
    /// From where the window stands.
    words: &'a [Word],
    taps: &'a [u32],
}

impl Read<'_> {
    /// How many vectors.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.taps.len()
    }

    /// That of `tap`.
    #[inline(always)]
    pub fn tap(&self, tap: usize) -> &[u8; BYTES] {
        bytes(&self.words[self.taps[tap] as usize..])
    }
}

/// What is computed of each window.
pub(super) trait Each: Sync {
    /// The bytes of the `window`-th vector of `plane`.
    fn bytes(&self, plane: Plane, window: usize, read: Read) -> [u8; BYTES];

    /// Calls [`run_each`] where the instructions that it needs are enabled.
    fn run(operands: Operands<Self>)
    where
        Self: Sized,
    {
        simd::<Run, _>(operands);
    }
}

impl Planes {
    /// Those of `window` over `channels` maps of `size` pixels that give maps of `output` pixels.
    pub fn new(window: Window, channels: usize, (size, output): (Size, Size), tiles: bool) -> Self {
        let layout = if tiles { Layout::Tiles } else { Layout::Images(Lanes::of(1)) };
        let lanes = Lanes::of(1);
        let conv = Conv { lanes, inputs: 4, h: size.h, w: size.w, outputs: 4, window };
        // One chunk of one quad.
        let share = Share { windows: 256, room: 0, in_place: true };
        let reader = Reader::with_output(&conv, output, layout, share);
        Self {
            taps: reader.tiling.taps(&reader.s),
            items: reader.items(),
            reader,
            channels,
            size,
            output,
        }
    }

    /// Applies `each` to every window of `x`; `border` surrounds its maps.
    pub fn run<E: Each>(&self, x: Input, border: u8, each: &E, y: &mut [Word]) {
        let (layout, quads) = (x.layout, quads(self.channels));
        assert_eq!(x.words.len(), layout.words(self.channels, self.size), "input");
        assert_eq!(y.len(), layout.words(self.channels, self.output), "output");
        let of = |size: Size| layout.map(size).pixels() * LANES;
        let border = Word::from_le_bytes([border; 4]);
        let planes = y.par_chunks_exact_mut(of(self.output));
        planes.zip(x.words.par_chunks_exact(of(self.size))).enumerate().for_each(
            |(index, (y, x))| {
                let plane = Plane { index, quad: index % quads };
                scratch::with(self.reader.room(), |room| {
                    let room = scratch::words(room);
                    E::run(Operands { own: self, plane, x, room, border, each, y });
                });
            },
        );
    }
}

/// A plane, and what is computed of it.
pub(super) struct Operands<'a, E> {
    own: &'a Planes,
    plane: Plane,
    x: &'a [Word],
    room: &'a mut [Word],
    border: Word,
    each: &'a E,
    y: &'a mut [Word],
}

struct Run;

impl<E: Each> Kernel<Operands<'_, E>> for Run {
    type Out = ();

    #[inline(always)]
    fn run(operands: Operands<E>) {
        run_each(operands);
    }
}

/// Computes all windows of a plane.
#[inline(always)]
pub(super) fn run_each<E: Each>(operands: Operands<E>) {
    let Operands { own, plane, x, room, border, each, y } = operands;
    let Planes { reader, items, taps, .. } = own;
    let (s, tiling) = (&reader.s, &reader.tiling);
    for (item, gather) in items {
        let part = Part { item, channels: 0..1 };
        let read = reader.read(part, gather, (x, room), border);
        for (row, down) in item.rows.clone().enumerate() {
            for (column, across) in item.columns.clone().enumerate() {
                let at = tiling.window(0, row, column);
                let window = Read { words: &read[at..], taps };
                let to = s.target(0, down, across);
                *bytes_mut(&mut y[to..]) = each.bytes(plane, to / LANES, window);
            }
        }
    }
}

/// The bytes of a vector; in memory the first channel is the lowest byte.
#[inline(always)]
pub(super) fn bytes(words: &[Word]) -> &[u8; BYTES] {
    const { assert!(cfg!(target_endian = "little"), "the lowest byte comes first") };
    let vector: &[Word; LANES] = words.first_chunk().expect("a vector");
    // SAFETY: as many bytes, of which any are allowed; bytes need no alignment.
    unsafe { &*std::ptr::from_ref(vector).cast() }
}

/// As [`bytes`].
#[inline(always)]
pub(super) fn bytes_mut(words: &mut [Word]) -> &mut [u8; BYTES] {
    let vector: &mut [Word; LANES] = words.first_chunk_mut().expect("a vector");
    // SAFETY: as above; any bytes are words.
    unsafe { &mut *std::ptr::from_mut(vector).cast() }
}
