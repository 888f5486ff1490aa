//! How images lie in the lanes of words.

use crate::{LANES, Lanes, Size};

/// Tiles along each side of an image.
pub(super) const ACROSS: usize = 4;

/// What the sixteen lanes of a vector of words hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The same pixel of sixteen images.
    Images(Lanes),
    /// The same pixel of sixteen tiles of one image, four down and four across. Past the
    /// image's edge the last tiles hold unspecified values.
    Tiles,
}

/// Where a pixel of an image lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub block: usize,
    /// The vector of a quad's map.
    pub vector: usize,
    pub lane: usize,
}

impl Layout {
    /// That of `images` images: tiles for a single one.
    pub fn of(images: usize) -> Self {
        if images == 1 { Self::Tiles } else { Self::Images(Lanes::of(images)) }
    }

    /// Real images.
    pub fn images(self) -> usize {
        match self {
            Self::Images(lanes) => lanes.images(),
            Self::Tiles => 1,
        }
    }

    /// Blocks of sixteen lanes.
    pub fn blocks(self) -> usize {
        match self {
            Self::Images(lanes) => lanes.blocks(),
            Self::Tiles => 1,
        }
    }

    /// Rows and columns of the vectors that a map of `size` pixels takes.
    pub fn map(self, size: Size) -> Size {
        match self {
            Self::Images(_) => size,
            Self::Tiles => Size { h: size.h.div_ceil(ACROSS), w: size.w.div_ceil(ACROSS) },
        }
    }

    /// Words of `channels` maps of `size` pixels.
    pub fn words(self, channels: usize, size: Size) -> usize {
        self.blocks() * super::quads(channels) * self.map(size).pixels() * LANES
    }

    /// Where pixel (`row`, `column`) of `image` lies in maps of `size` pixels.
    pub(super) fn place(self, size: Size, image: usize, row: usize, column: usize) -> Place {
        let map = self.map(size);
        match self {
            Self::Images(_) => {
                Place { block: image / LANES, vector: row * map.w + column, lane: image % LANES }
            }
            Self::Tiles => Place {
                block: 0,
                vector: row % map.h * map.w + column % map.w,
                lane: row / map.h * ACROSS + column / map.w,
            },
        }
    }

    /// The part of an image of `size` pixels that a lane of `block` holds; None where it holds none.
    pub(super) fn tile(self, size: Size, block: usize, lane: usize) -> Option<Tile> {
        let map = self.map(size);
        match self {
            Self::Images(lanes) => {
                let image = block * LANES + lane;
                (image < lanes.images()).then_some(Tile { image, row: 0, column: 0, size })
            }
            Self::Tiles => {
                let (row, column) = (lane / ACROSS * map.h, lane % ACROSS * map.w);
                let size = Size {
                    h: map.h.min(size.h.saturating_sub(row)),
                    w: map.w.min(size.w.saturating_sub(column)),
                };
                (size.pixels() > 0).then_some(Tile { image: 0, row, column, size })
            }
        }
    }
}

/// A part of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tile {
    pub image: usize,
    /// The image's row and column of its first pixel.
    pub row: usize,
    pub column: usize,
    /// Real pixels.
    pub size: Size,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_has_a_place_of_its_own() {
        for (layout, h, w) in
            [(Layout::Tiles, 1, 1), (Layout::Tiles, 7, 9), (Layout::Images(Lanes::of(17)), 3, 2)]
        {
            let size = Size { h, w };
            let map = layout.map(size);
            let mut seen = vec![];
            for block in 0..layout.blocks() {
                for lane in 0..LANES {
                    let Some(tile) = layout.tile(size, block, lane) else { continue };
                    for y in 0..tile.size.h {
                        for x in 0..tile.size.w {
                            let (row, column) = (tile.row + y, tile.column + x);
                            let place = layout.place(size, tile.image, row, column);
                            assert_eq!(place, Place { block, vector: y * map.w + x, lane });
                            seen.push((tile.image, row, column));
                        }
                    }
                }
            }
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), layout.images() * h * w, "{layout:?}");
        }
    }
}
