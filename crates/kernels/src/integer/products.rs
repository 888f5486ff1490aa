//! Sums of products of a few windows, which stay in registers.
#![allow(unsafe_code, reason = "operands are read and sums written through pointers")]

use super::Word;
use super::dot::Dot;
use super::lists::Pair;
use super::panels::Panel;
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

    /// Adds the products of `pairs` to the sums of `R x C` windows of an output.
    ///
    /// # Safety
    /// All reads and writes must be in range.
    #[inline(always)]
    pub(super) unsafe fn list<D: Dot, const R: usize, const C: usize, const V: usize>(
        self,
        pairs: &[Pair],
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let aid = D::aid();
            let mut sums = [[[D::splat(0); V]; C]; R];
            self.each::<D, R, C, V>(0, |at, [r, c, v]| sums[r][c][v] = D::load(at));
            for pair in pairs {
                let weights = pair.weights.map(|w| D::weights(w));
                for r in 0..R {
                    for c in 0..C {
                        for v in 0..V {
                            let place = r * self.steps.pitch + c * LANES + v * D::LANES;
                            let x = pair.at.map(|at| D::words(self.x.add(at as usize + place)));
                            sums[r][c][v] = D::add_both(aid, sums[r][c][v], x, weights);
                        }
                    }
                }
            }
            self.each::<D, R, C, V>(0, |at, [r, c, v]| D::store(at, sums[r][c][v]));
        }
    }

    /// Adds the products of `panels`, which read at `taps`, to the sums of `R x C` windows of four outputs.
    ///
    /// # Safety
    /// As for [`Self::list`].
    #[inline(always)]
    pub(super) unsafe fn panel<D: Dot, const R: usize, const C: usize, const V: usize>(
        self,
        (panels, taps): (&[Panel], &[[u32; 2]]),
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let aid = D::aid();
            let mut sums = [[[[D::splat(0); V]; C]; R]; 4];
            for o in 0..4 {
                self.each::<D, R, C, V>(o, |at, [r, c, v]| sums[o][r][c][v] = D::load(at));
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
