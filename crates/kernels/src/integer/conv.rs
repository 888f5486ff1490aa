//! Convolution of bytes: four input channels a product, dense or by lists of what is not zero.

use rayon::prelude::*;

use super::ending::Rounder;
use super::lists::Lists;
#[cfg(target_arch = "x86_64")]
use super::matrix::{self, Matrices};
use super::panels::Panels;
use super::quads::Quads;
use super::reader::{Gather, Reader};
use super::task::{Destination, Task};
use super::{Ending, Instructions, Layout, Rounding, Word};
use crate::conv::Conv;
use crate::conv::tiling::{Item, Share};
use crate::shared::Shared;
use crate::{LANES, Lanes, Size};

/// Windows that are computed together.
const WINDOWS: usize = 16;
/// Words of the source that are in the room at the same time, about: 40 KiB.
const ROOM: usize = 10 << 10;
/// The most products of a sum: beyond, it could leave 32 bits.
const MOST: usize = (i32::MAX / (255 * 128)) as usize;

/// How the weights are walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// All of them, four outputs together.
    Dense,
    /// Those quads of which a weight is not zero.
    Sparse,
}

/// How the weights of a convolution are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrangement {
    /// How the weights are walked.
    pub method: Method,
    /// Whether a vector's lanes are sixteen tiles of one image; otherwise they are sixteen images.
    pub tiles: bool,
    /// Which instructions multiply.
    pub instructions: Instructions,
}

/// The weights of a convolution, arranged for one way to compute it.
pub struct Weights {
    pub(super) conv: Conv,
    pub(super) arrangement: Arrangement,
    /// For one block of lanes.
    reader: Reader,
    /// Those of one image, all of which are in that block.
    items: Vec<(Item, Gather)>,
    pub(super) dense: Dense,
    /// All quads that are not zero, or what `dense` leaves.
    pub(super) lists: Lists,
    /// The sum of each output's weights.
    pub(super) totals: Vec<i32>,
}

/// All weights, as the instructions want them.
pub(super) enum Dense {
    /// Only those that are not zero are needed.
    Skipped,
    Panels(Panels),
    #[cfg(target_arch = "x86_64")]
    Matrices(Matrices),
}

/// Where the results go.
pub enum Output<'a> {
    /// Rounded, as words.
    Words(&'a mut [Word], Rounding),
    /// As they are: where words have four channels these have one.
    Floats(&'a mut [f32]),
}

/// What a convolution reads.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// How the images lie.
    pub layout: Layout,
    /// Its words.
    pub words: &'a [Word],
    /// What they stand for.
    pub rounding: Rounding,
}

impl Weights {
    /// Whether sums of so many products always fit 32 bits.
    pub fn fits_i32(products: usize) -> bool {
        products <= MOST
    }

    /// Arranges the weights `quads` of `conv`; its batch does not matter.
    ///
    /// # Panics
    /// If sums may not [fit](Self::fits_i32), there are other weights than the convolution has, or the machine
    /// lacks the instructions.
    pub fn new(conv: &Conv, quads: &Quads, arrangement: Arrangement) -> Self {
        assert!(quads.are_of(conv), "weights");
        assert!(Self::fits_i32(conv.inputs * conv.window.taps()), "a sum may overflow 32 bits");
        assert!(
            Instructions::available().contains(&arrangement.instructions),
            "instructions of this machine"
        );
        let layout = if arrangement.tiles { Layout::Tiles } else { Layout::Images(Lanes::of(1)) };
        let by_matrices =
            arrangement.method == Method::Dense && arrangement.instructions == Instructions::Amx;
        // Matrices read all channels of a window at once.
        let room = if by_matrices { usize::MAX } else { ROOM };
        let reader = Reader::new(conv, layout, Share { windows: WINDOWS, room, in_place: true });
        let (s, tiling) = (&reader.s, &reader.tiling);
        let narrow_sums = arrangement.instructions.have_narrow_sums();
        let (dense, lists) = match arrangement {
            Arrangement { method: Method::Sparse, .. } => {
                (Dense::Skipped, Lists::new(s, tiling, quads, narrow_sums))
            }
            #[cfg(target_arch = "x86_64")]
            Arrangement { instructions: Instructions::Amx, .. } => {
                let matrices = Matrices::new(s, tiling, quads);
                (Dense::Matrices(matrices), Lists::none(1, quads.outputs()))
            }
            _ => {
                let (panels, rest) = Panels::new(s, tiling, quads, narrow_sums);
                (Dense::Panels(panels), rest)
            }
        };
        let items = if arrangement.tiles { reader.items() } else { vec![] };
        Self { conv: *conv, arrangement, items, dense, lists, totals: quads.totals(), reader }
    }

    /// Which of them are multiplied.
    pub fn method(&self) -> Method {
        self.arrangement.method
    }

    /// What multiplies them.
    pub fn instructions(&self) -> Instructions {
        match self.dense {
            Dense::Skipped | Dense::Panels(_) => self.arrangement.instructions.of_vectors(),
            #[cfg(target_arch = "x86_64")]
            Dense::Matrices(_) => self.arrangement.instructions,
        }
    }

    /// `y = end(conv(x))`.
    pub fn forward(&self, x: Input, end: &Ending, y: Output) {
        let Self { conv, reader, .. } = self;
        let (layout, output) = (x.layout, conv.output());
        assert_eq!(
            self.arrangement.tiles,
            layout == Layout::Tiles,
            "the layout that the weights were arranged for"
        );
        let real = Size { h: conv.h, w: conv.w };
        assert_eq!(x.words.len(), layout.words(conv.inputs, real), "input");
        assert!(end.factors.len() == conv.outputs && end.bias.len() == conv.outputs, "ending");
        let words = layout.words(conv.outputs, output);
        assert!(end.add.is_none_or(|add| add.words.len() == words), "summand");
        let to = match y {
            Output::Words(y, rounding) => {
                assert_eq!(y.len(), words, "output");
                let rounder = Rounder::new(rounding);
                match rounder.after(end.activation) {
                    Some(bounded) => Destination::Bounded(Shared::new(y), bounded),
                    None => Destination::Words(Shared::new(y), rounder),
                }
            }
            Output::Floats(y) => {
                let pixels = layout.map(output).pixels();
                assert_eq!(y.len(), layout.blocks() * conv.outputs * pixels * LANES, "output");
                Destination::Floats(Shared::new(y))
            }
        };
        let of_all;
        let reader = if layout.blocks() == reader.s.blocks {
            reader
        } else {
            of_all = reader.of_blocks(layout.blocks());
            &of_all
        };
        let items = reader.tiling.items;
        // With tiles each task makes its own copy of what it reads: no more tasks than threads.
        let tasks = if self.arrangement.tiles { 1 } else { 2 } * rayon::current_num_threads();
        let (outputs, unit) = (reader.s.outputs, self.unit());
        let units = outputs.div_ceil(unit);
        let splits = tasks.div_ceil(items).min(units);
        let border = Word::from_le_bytes([x.rounding.zero; 4]);
        let run = |i: usize| {
            let split = i % splits;
            let first = |split: usize| (split * units / splits * unit).min(outputs);
            let of_batch;
            let (item, gather) = if let Some((item, gather)) = self.items.get(i / splits) {
                (item, gather)
            } else {
                // Each lane reads its own lane: nothing is gathered.
                of_batch = (reader.tiling.item(&reader.s, i / splits), Gather::default());
                (&of_batch.0, &of_batch.1)
            };
            let task = Task {
                weights: self,
                reader,
                source: x.words,
                border,
                end,
                windows: item.blocks.len() * item.windows(),
                item,
                gather,
                quads: first(split)..first(split + 1),
                to: &to,
            };
            task.run();
        };
        let tasks = items * splits;
        if tasks == 1 { run(0) } else { (0..tasks).into_par_iter().for_each(run) }
    }

    /// Quads of outputs that are computed together.
    fn unit(&self) -> usize {
        match self.dense {
            Dense::Skipped | Dense::Panels(_) => 1,
            #[cfg(target_arch = "x86_64")]
            Dense::Matrices(_) => matrix::OUTPUTS / 4,
        }
    }
}
