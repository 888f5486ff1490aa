//! Sums of products of a few windows, which stay in registers.
#![allow(unsafe_code, reason = "operands are read and sums written through pointers")]

use super::Word;
use super::dot::Dot;
use super::lists::Pair;
use super::panels::ChunkPanels;
use crate::LANES;

/// Distances between the windows of a segment; columns are a vector apart.
#[derive(Clone, Copy)]
pub(super) struct Steps {
    /// Between rows of what is read, in words.
    pub pitch: usize,
    /// Between rows of sums.
    pub down: usize,
    /// Between outputs' sums.
    pub output: usize,
}

/// What windows read, and where their sums are.
#[derive(Clone, Copy)]
pub(super) struct Windows {
    pub x: *const Word,
    pub sums: *mut i32,
    pub steps: Steps,
}

impl Windows {
    /// Words of `R x C` windows, each of `V` registers, `at` words from where the first stands.
    ///
    /// # Safety
    /// They must be in range.
    #[inline(always)]
    unsafe fn read<D: Dot, const R: usize, const C: usize, const V: usize>(
        &self,
        at: u32,
    ) -> [[[D::Words; V]; C]; R] {
        // SAFETY: the caller's promise.
        unsafe {
            let x = self.x.add(at as usize);
            let mut words = [[[D::words(x); V]; C]; R];
            for r in 0..R {
                for c in 0..C {
                    for v in 0..V {
                        let place = r * self.steps.pitch + c * LANES + v * D::LANES;
                        words[r][c][v] = D::words(x.add(place));
                    }
                }
            }
            words
        }
    }

    /// Calls `f` with each register of sums of `output` and its place.
    #[inline(always)]
    fn each<D: Dot, const R: usize, const C: usize, const V: usize>(
        &self,
        output: usize,
        mut f: impl FnMut(*mut i32, [usize; 3]),
    ) {
        for r in 0..R {
            for c in 0..C {
                for v in 0..V {
                    let Steps { down, output: outputs, .. } = self.steps;
                    let place = output * outputs + r * down + c * LANES + v * D::LANES;
                    f(self.sums.wrapping_add(place), [r, c, v]);
                }
            }
        }
    }

    /// Adds the products of `pairs` to the sums of `R x C` windows of an output, or to `start`, where sums begin.
    /// `U` pairs are added to sums of their own, so that where windows are few they do not wait for each other.
    ///
    /// # Safety
    /// All reads and writes must be in range.
    #[inline(always)]
    pub(super) unsafe fn list<
        D: Dot,
        const R: usize,
        const C: usize,
        const V: usize,
        const U: usize,
    >(
        self,
        pairs: &[Pair],
        start: Option<i32>,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let aid = D::aid();
            let mut sums = [[[[D::splat(0); V]; C]; R]; U];
            match start {
                Some(start) => sums[0] = [[[D::splat(start); V]; C]; R],
                None => self.each::<D, R, C, V>(0, |at, [r, c, v]| sums[0][r][c][v] = D::load(at)),
            }
            let (many, rest) = pairs.as_chunks::<U>();
            for pairs in many {
                for u in 0..U {
                    self.pair::<D, R, C, V>(aid, &pairs[u], &mut sums[u]);
                }
            }
            for pair in rest {
                self.pair::<D, R, C, V>(aid, pair, &mut sums[0]);
            }
            let [first, others @ ..] = &mut sums[..] else { unreachable!("U is not 0") };
            for other in others {
                for r in 0..R {
                    for c in 0..C {
                        for v in 0..V {
                            first[r][c][v] = D::sum(first[r][c][v], other[r][c][v]);
                        }
                    }
                }
            }
            self.each::<D, R, C, V>(0, |at, [r, c, v]| D::store(at, first[r][c][v]));
        }
    }

    /// Adds the products of `pair` to `sums`.
    ///
    /// # Safety
    /// As for [`Self::list`].
    #[inline(always)]
    unsafe fn pair<D: Dot, const R: usize, const C: usize, const V: usize>(
        self,
        aid: D::Aid,
        pair: &Pair,
        sums: &mut [[[D::Sums; V]; C]; R],
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let weights = [D::weights(pair.weights[0]), D::weights(pair.weights[1])];
            for r in 0..R {
                for c in 0..C {
                    for v in 0..V {
                        let place = r * self.steps.pitch + c * LANES + v * D::LANES;
                        let [a, b] = pair.at;
                        let x = [
                            D::words(self.x.add(a as usize + place)),
                            D::words(self.x.add(b as usize + place)),
                        ];
                        sums[r][c][v] = D::add_both(aid, sums[r][c][v], x, weights);
                    }
                }
            }
        }
    }

    /// Adds the products of panels to the sums of `R x C` windows of four outputs, or to
    /// `start`, where sums begin.
    ///
    /// # Safety
    /// As for [`Self::list`].
    #[inline(always)]
    pub(super) unsafe fn panel<D: Dot, const R: usize, const C: usize, const V: usize>(
        self,
        ChunkPanels { panels, taps }: ChunkPanels,
        start: Option<[i32; 4]>,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let aid = D::aid();
            let mut sums = [[[[D::splat(0); V]; C]; R]; 4];
            for o in 0..4 {
                if let Some(start) = start {
                    sums[o] = [[[D::splat(start[o]); V]; C]; R];
                } else {
                    self.each::<D, R, C, V>(o, |at, [r, c, v]| sums[o][r][c][v] = D::load(at));
                }
            }
            for ([first, second], [a, b]) in panels.iter().zip(taps) {
                let x = self.read::<D, R, C, V>(*a);
                let z = self.read::<D, R, C, V>(*b);
                for o in 0..4 {
                    let weights = [D::weights(first[o]), D::weights(second[o])];
                    for r in 0..R {
                        for c in 0..C {
                            for v in 0..V {
                                let both = [x[r][c][v], z[r][c][v]];
                                sums[o][r][c][v] =
                                    D::add_both(aid, sums[o][r][c][v], both, weights);
                            }
                        }
                    }
                }
            }
            for o in 0..4 {
                self.each::<D, R, C, V>(o, |at, [r, c, v]| D::store(at, sums[o][r][c][v]));
            }
        }
    }
}
