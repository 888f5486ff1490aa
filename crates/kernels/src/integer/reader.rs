//! Where the windows of a convolution read: local copies of words, borders included.

use super::layout::{ACROSS, Layout};
use super::{Word, quads};
use crate::conv::Conv;
use crate::conv::stencil::Stencil;
use crate::conv::tiling::{Item, Part, Share, Tiling};
use crate::{LANES, Size, Window};

/// The windows of a convolution over words, and how they are shared out.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    /// Its sizes are those of the words' maps, of tiles where an image is cut into tiles.
    pub s: Stencil,
    pub tiling: Tiling,
    /// Whether each lane reads only its own lane.
    own_lanes: bool,
    /// Pixels of a channel of the input.
    real: Size,
}

impl Reader {
    /// Of `conv`, whose channels are real ones, shared out as `share` has it.
    pub fn new(conv: &Conv, layout: Layout, share: Share) -> Self {
        Self::with_output(conv, conv.output(), layout, share)
    }

    /// The same, for an output of this size instead of the convolution's own.
    pub fn with_output(conv: &Conv, output: Size, layout: Layout, share: Share) -> Self {
        let words = Conv { inputs: quads(conv.inputs), outputs: quads(conv.outputs), ..*conv };
        let real = Size { h: conv.h, w: conv.w };
        let single = Window::square(1, 1, 0);
        let own_lanes = layout != Layout::Tiles || conv.window == single;
        let s = match layout {
            Layout::Images(lanes) => {
                Stencil::between(&Conv { lanes, ..words }, real, output).in_a_row()
            }
            Layout::Tiles => {
                let s = Stencil::between(&words, layout.map(real), layout.map(output));
                // What is gathered is found by its rows and columns.
                if own_lanes { s.in_a_row() } else { s }
            }
        };
        let in_place = share.in_place && own_lanes;
        // There is one block of tiles: no room for windows of others.
        let windows = match layout {
            Layout::Images(_) => share.windows,
            Layout::Tiles => share.windows.min(s.rows * s.columns),
        };
        let tiling = Tiling::new(&s, Share { windows, in_place, ..share });
        Self { s, tiling, own_lanes, real }
    }

    /// The same over so many blocks.
    pub fn of_blocks(&self, blocks: usize) -> Self {
        let s = Stencil { blocks, ..self.s.clone() };
        let tiling = self.tiling.of_blocks(&s);
        Self { s, tiling, ..*self }
    }

    /// All items, and how what each of them reads is gathered.
    pub fn items(&self) -> Vec<(Item, Gather)> {
        let item = |i| {
            let item = self.tiling.item(&self.s, i);
            let gather = self.gather(&item);
            (item, gather)
        };
        (0..self.tiling.items).map(item).collect()
    }

    /// Words that the room of an item takes.
    pub fn room(&self) -> usize {
        self.tiling.room(&self.s)
    }

    /// How what `item` reads is gathered, the same for all channels.
    fn gather(&self, item: &Item) -> Gather {
        let mut maps = vec![];
        if !self.own_lanes {
            for phase in self.tiling.phases(&self.s, item) {
                let vectors = self.vectors(&phase.rows, &phase.columns);
                maps.push(GatheredMap { at: phase.at, vectors });
            }
        }
        Gather { maps }
    }

    /// Where the windows of `part` read `source`: there, or in `room`; `border` stands around maps.
    #[inline(always)]
    pub fn read<'a>(
        &self,
        part: Part,
        gather: &Gather,
        (source, room): (&'a [Word], &'a mut [Word]),
        border: Word,
    ) -> &'a [Word] {
        if self.own_lanes {
            return self.tiling.read(&self.s, part, (source, room), border);
        }
        let plane = self.s.h * self.s.w * LANES;
        for (i, channel) in part.channels.enumerate() {
            for GatheredMap { at, vectors } in &gather.maps {
                let to = &mut room[self.tiling.channel(i) + at..][..vectors.len() * LANES];
                for (vector, to) in vectors.iter().zip(to.as_chunks_mut::<LANES>().0) {
                    vector.copy((source, channel * plane), to, border);
                }
            }
        }
        room
    }

    /// Where the sixteen lanes of each vector of a room's map come from, of which `rows` and `columns` say
    /// where the first tile's lie.
    fn vectors(&self, rows: &[isize], columns: &[isize]) -> Vec<Origin> {
        let Stencil { h, w, step, .. } = self.s;
        let windows = Size { h: self.s.rows * step.h, w: self.s.columns * step.w };
        let rows: Vec<AxisOrigin> =
            rows.iter().map(|row| AxisOrigin::new(*row, windows.h, (h, self.real.h))).collect();
        let columns: Vec<AxisOrigin> = columns
            .iter()
            .map(|column| AxisOrigin::new(*column, windows.w, (w, self.real.w)))
            .collect();
        let vector = |row: &AxisOrigin, column: &AxisOrigin| Origin::new(row, column, w);
        rows.iter().flat_map(|row| columns.iter().map(move |column| vector(row, column))).collect()
    }
}

/// How the lanes of what an item reads are gathered; empty where each lane reads only its own lane.
#[derive(Debug, Clone, Default)]
pub(super) struct Gather {
    maps: Vec<GatheredMap>,
}

/// A map of a channel in the room, with the origin of each of its vectors.
#[derive(Debug, Clone)]
struct GatheredMap {
    /// Where it begins.
    at: usize,
    vectors: Vec<Origin>,
}

/// Where one row (or column) of the four tiles along an axis comes from: a place in a tile, and which tile.
#[derive(Clone, Copy, PartialEq, Eq)]
struct AxisOrigin([Option<(usize, usize)>; ACROSS]);

impl AxisOrigin {
    /// Row `first` of the first tile's windows; those of the next tile lie `step` rows below. Tiles have
    /// `tile` rows each, the image `all`.
    fn new(first: isize, step: usize, (tile, all): (usize, usize)) -> Self {
        let of = |i: usize| {
            let row = usize::try_from(first + (i * step) as isize).ok()?;
            (row < all).then_some((row % tile, row / tile))
        };
        Self(std::array::from_fn(of))
    }

    /// The place in a tile, where each tile's own lies there.
    fn own(&self) -> Option<usize> {
        let (place, _) = self.0[0]?;
        (0..ACROSS).all(|i| self.0[i] == Some((place, i))).then_some(place)
    }
}

/// Marks a lane of the border; no map has that many words.
const BORDER: u32 = u32::MAX;

/// Where the lanes of a vector come from, as places of words in a map.
#[derive(Debug, Clone)]
enum Origin {
    /// A vector as it lies.
    Whole(usize),
    /// Four lanes that lie beside each other, for each row of tiles.
    Rows(Rows),
    /// Each lane; [`BORDER`] where there is none.
    Lanes([u32; LANES]),
}

/// Rows of four lanes.
#[derive(Debug, Clone)]
struct Rows {
    /// The least of the rows' places; it may lie before the map where the row's first lane is masked.
    first: isize,
    /// Words from there to each row.
    at: [usize; ACROSS],
    /// Where it has no bits stands the border.
    mask: [Word; LANES],
}

impl Rows {
    #[inline(always)]
    fn copy(&self, (source, map): (&[Word], usize), to: &mut [Word; LANES], border: Word) {
        let Self { first, at, mask } = self;
        let start = map.wrapping_add_signed(*first);
        let mut lanes = [0; LANES];
        let rows = lanes.as_chunks_mut::<ACROSS>().0.iter_mut().zip(at);
        let most = at.iter().fold(0, |most: usize, at| most.max(*at)) + ACROSS;
        if let Some(near) = source.get(start..start.wrapping_add(most)) {
            for (row, at) in rows {
                row.copy_from_slice(&near[*at..][..ACROSS]);
            }
        } else {
            // Beyond the source only what is masked is missing.
            for (row, at) in rows {
                for (i, lane) in row.iter_mut().enumerate() {
                    let place = start.wrapping_add(at + i);
                    *lane = source.get(place).copied().unwrap_or(0);
                }
            }
        }
        for lane in 0..LANES {
            to[lane] = lanes[lane] & mask[lane] | border & !mask[lane];
        }
    }
}

impl Origin {
    /// The lanes at `row` and `column` of maps that are `width` vectors wide.
    fn new(row: &AxisOrigin, column: &AxisOrigin, width: usize) -> Self {
        let at = |(y, down): (usize, usize), (x, across): (usize, usize)| {
            (y * width + x) * LANES + down * ACROSS + across
        };
        if let (Some(y), Some(x)) = (row.own(), column.own()) {
            return Self::Whole(at((y, 0), (x, 0)));
        }
        let lanes: [Option<usize>; LANES] =
            std::array::from_fn(|lane| Some(at(row.0[lane / ACROSS]?, column.0[lane % ACROSS]?)));
        let mut first = [0; ACROSS];
        for (first, four) in first.iter_mut().zip(lanes.as_chunks::<ACROSS>().0) {
            let mut starts = (0..ACROSS).filter_map(|i| Some(four[i]? as isize - i as isize));
            *first = starts.next().unwrap_or(0);
            if starts.any(|start| start != *first) {
                return Self::Lanes(lanes.map(|lane| lane.map_or(BORDER, |at| at as u32)));
            }
        }
        let least = first.into_iter().min().expect("rows");
        let at = first.map(|place| (place - least) as usize);
        let mask = lanes.map(|lane| if lane.is_some() { Word::MAX } else { 0 });
        Self::Rows(Rows { first: least, at, mask })
    }

    /// Copies the vector of the map that begins at `map` of `source`.
    #[inline(always)]
    fn copy(&self, (source, map): (&[Word], usize), to: &mut [Word; LANES], border: Word) {
        match self {
            Self::Whole(at) => to.copy_from_slice(&source[map + at..][..LANES]),
            Self::Rows(rows) => rows.copy((source, map), to, border),
            Self::Lanes(lanes) => {
                for (at, to) in lanes.iter().zip(to) {
                    *to = if *at == BORDER { border } else { source[map + *at as usize] };
                }
            }
        }
    }
}
