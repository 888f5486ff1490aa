//! Sums of products by AMX, which multiplies matrices of bytes: the weights of sixteen outputs with the words of
//! sixteen lanes, up to sixteen quads at once.
//!
//! Words lie as the instructions want them: a row of a matrix is a vector, and the rows are the same pixel of
//! several quads.
#![allow(unsafe_code, reason = "instructions, and operands read through pointers")]

use std::arch::asm;
use std::sync::OnceLock;

use super::Word;
use super::dot::Vnni512;
use super::ending::QuadEnding;
use super::quads::Quads;
use super::task::Task;
use crate::LANES;
use crate::conv::segment::segments;
use crate::conv::stencil::Stencil;
use crate::conv::tiling::{Part, Tiling};

/// Outputs, or quads, of a matrix at most.
const ROWS: usize = 16;
/// Outputs that are computed together, in two matrices.
pub(super) const OUTPUTS: usize = 2 * ROWS;
/// Windows that are computed together.
const WINDOWS: usize = 2;

/// Whether the processor has the instructions, and the operating system lets this process use them.
pub(super) fn available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| has_instructions() && is_allowed())
}

fn has_instructions() -> bool {
    use std::arch::x86_64::{__cpuid_count, __get_cpuid_max};
    const TILE: u32 = 1 << 24;
    const INT8: u32 = 1 << 25;
    __get_cpuid_max(0).0 >= 7 && __cpuid_count(7, 0).edx & (TILE | INT8) == TILE | INT8
}

/// Asks Linux for the registers' state, which it keeps for no process that has not asked.
#[cfg(target_os = "linux")]
fn is_allowed() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_ulong = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_ulong = 18;
    // SAFETY: the call reads its two numbers alone.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn is_allowed() -> bool {
    false
}

/// The weights of sixteen outputs for the quads of a step: a row is an output.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Matrix([[[i8; 4]; ROWS]; ROWS]);

/// The weights of a convolution as matrices.
#[derive(Debug, Clone)]
pub(super) struct Matrices {
    /// By sixteen outputs, of which there is an even number, and then by step.
    weights: Vec<Matrix>,
    /// Where each step reads, from where a window stands, in words.
    steps: Vec<u32>,
    /// Quads of a step.
    depth: usize,
    /// Words between the vectors that the quads of a step read.
    pitch: usize,
}

/// From a cache line's start on, so that no row straddles two.
#[repr(C, align(64))]
struct Aligned<T>(T);

/// Where two windows read.
#[derive(Clone, Copy)]
struct TwoWindows {
    /// Where the first one stands.
    x: *const Word,
    /// Words from there to where the second one stands.
    apart: usize,
}

/// A quad of weights that a step has at one of its places.
#[derive(Clone, Copy)]
struct Source {
    quad: usize,
    tap: usize,
}

/// The products of a step: where it reads first, and the weights' sources, none where a quad is in another step.
struct Step {
    at: usize,
    sources: Vec<Option<Source>>,
}

impl Matrices {
    /// Those of `quads`, all of which are read at the same time.
    pub fn new(s: &Stencil, tiling: &Tiling, quads: &Quads) -> Self {
        let (steps, pitch) = if s.channels == 1 {
            (runs(s, tiling), LANES)
        } else {
            (ranges(s, tiling), tiling.channel(1))
        };
        let matrix = |first: usize, step: &Step| {
            let mut matrix = Matrix([[[0; 4]; ROWS]; ROWS]);
            for (output, row) in (first..quads.outputs()).zip(&mut matrix.0) {
                for (to, source) in row.iter_mut().zip(&step.sources) {
                    *to = source.map_or([0; 4], |s| quads.of(output, s.quad)[s.tap]);
                }
            }
            matrix
        };
        let blocks = quads.outputs().div_ceil(OUTPUTS) * 2;
        let of = |block: usize| steps.iter().map(move |step| (block * ROWS, step));
        let weights = (0..blocks).flat_map(of).map(|(first, step)| matrix(first, step)).collect();
        let depth = steps[0].sources.len();
        let steps = steps.iter().map(|step| u32::try_from(step.at).expect("a room")).collect();
        Self { weights, steps, depth, pitch }
    }

    /// Writes the sums of [`OUTPUTS`] outputs from `32 * block` on, `outputs x windows x lanes`, that begin at
    /// `starts`.
    ///
    /// # Safety
    /// The registers must be [configured](configure) for these weights, and every step's reads be in range.
    unsafe fn sums(
        &self,
        block: usize,
        windows: TwoWindows,
        starts: &Aligned<[[i32; LANES]; OUTPUTS]>,
        sums: &mut Aligned<[[[i32; LANES]; WINDOWS]; OUTPUTS]>,
    ) {
        let steps = self.steps.len();
        let weights = &self.weights[2 * block * steps..][..2 * steps];
        // SAFETY: the caller's promise; all else is in the ranges given. No compiler uses these registers.
        unsafe {
            asm!(
                "tileloadd tmm0, [{starts} + {row}*1]",
                "tileloadd tmm1, [{starts} + {row}*1]",
                "tileloadd tmm2, [{starts} + {row}*1 + 1024]",
                "tileloadd tmm3, [{starts} + {row}*1 + 1024]",
                "2:",
                "mov {at:e}, dword ptr [{steps}]",
                "lea {at}, [{x} + {at}*4]",
                "tileloadd tmm6, [{first} + {row}*1]",
                "tileloadd tmm4, [{at} + {pitch}*1]",
                "tdpbsud tmm0, tmm6, tmm4",
                "add {at}, {apart}",
                "tileloadd tmm7, [{second} + {row}*1]",
                "tdpbsud tmm2, tmm7, tmm4",
                "tileloadd tmm5, [{at} + {pitch}*1]",
                "tdpbsud tmm1, tmm6, tmm5",
                "tdpbsud tmm3, tmm7, tmm5",
                "add {first}, 1024",
                "add {second}, 1024",
                "add {steps}, 4",
                "cmp {steps}, {end}",
                "jne 2b",
                "add {row}, {row}",
                "tilestored [{sums} + {row}*1], tmm0",
                "tilestored [{sums} + {row}*1 + 64], tmm1",
                "tilestored [{sums} + {row}*1 + 2048], tmm2",
                "tilestored [{sums} + {row}*1 + 2112], tmm3",
                starts = in(reg) &raw const starts.0,
                row = inout(reg) 64_usize => _,
                steps = inout(reg) self.steps.as_ptr() => _,
                end = in(reg) self.steps.as_ptr_range().end,
                x = in(reg) windows.x,
                at = out(reg) _,
                apart = in(reg) 4 * windows.apart,
                pitch = in(reg) 4 * self.pitch,
                first = inout(reg) weights.as_ptr() => _,
                second = inout(reg) weights[steps..].as_ptr() => _,
                sums = in(reg) &raw mut sums.0,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _, out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack)
            );
        }
    }
}

/// Prepares the registers of this thread, until [`release`], for steps of `depth` quads: four matrices of sums, two
/// of words, two of weights.
///
/// # Safety
/// The instructions must be [available].
unsafe fn configure(depth: usize) {
    #[repr(C, align(64))]
    struct Configuration {
        palette: u8,
        start: u8,
        reserved: [u8; 14],
        row_bytes: [u16; 16],
        rows: [u8; 16],
    }
    let mut own = Configuration {
        palette: 1,
        start: 0,
        reserved: [0; 14],
        row_bytes: [0; 16],
        rows: [0; 16],
    };
    let whole = (ROWS, 4 * LANES);
    let (words, weights) = ((depth, 4 * LANES), (ROWS, 4 * depth));
    let all = [whole, whole, whole, whole, words, words, weights, weights];
    for (i, (rows, bytes)) in all.into_iter().enumerate() {
        own.rows[i] = rows as u8;
        own.row_bytes[i] = bytes as u16;
    }
    // SAFETY: the caller's promise; the registers' shapes are within their bounds.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const own, options(nostack, readonly)) };
}

/// `steps` times the products of two matrices of words and two of weights, all in registers; gives the number of
/// multiply-adds.
///
/// # Safety
/// The instructions must be [available].
pub(super) unsafe fn multiply_adds(steps: usize) -> f64 {
    // SAFETY: the caller's promise. No compiler uses these registers.
    unsafe {
        configure(ROWS);
        asm!(
            "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
            "tilezero tmm4", "tilezero tmm5", "tilezero tmm6", "tilezero tmm7",
            "2:",
            "tdpbsud tmm0, tmm6, tmm4",
            "tdpbsud tmm2, tmm7, tmm4",
            "tdpbsud tmm1, tmm6, tmm5",
            "tdpbsud tmm3, tmm7, tmm5",
            "dec {steps}",
            "jnz 2b",
            steps = inout(reg) steps.max(1) => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _, out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack, nomem)
        );
        release();
    }
    (steps.max(1) * 4 * ROWS * ROWS * 4 * LANES) as f64
}

/// Gives the registers back, so that the operating system need not save them.
///
/// # Safety
/// The instructions must be [available].
unsafe fn release() {
    // SAFETY: the caller's promise.
    unsafe { asm!("tilerelease", options(nostack, nomem)) };
}

/// Steps of as many quads each; where they do not divide, two steps read some of the same, for which the second
/// one's weights are zero.
fn ranges(s: &Stencil, tiling: &Tiling) -> Vec<Step> {
    let count = s.channels.div_ceil(ROWS);
    let depth = s.channels.div_ceil(count);
    let of = |step: usize| {
        let first = (step * depth).min(s.channels - depth);
        s.taps.iter().map(move |tap| Step {
            at: tiling.tap(s, *tap) + tiling.channel(first),
            sources: (first..first + depth)
                .map(|quad| (quad >= step * depth).then_some(Source { quad, tap: tap.index }))
                .collect(),
        })
    };
    (0..count).flat_map(of).collect()
}

/// Steps of taps of a single quad that read neighbours. All steps are as long as the longest; a shorter one begins
/// earlier, with weights of zero, or ends later where there is nothing before: the longest lies behind it.
fn runs(s: &Stencil, tiling: &Tiling) -> Vec<Step> {
    let mut taps: Vec<(usize, usize)> =
        s.taps.iter().map(|tap| (tiling.tap(s, *tap), tap.index)).collect();
    taps.sort_unstable();
    let runs: Vec<&[(usize, usize)]> = taps.chunk_by(|a, b| a.0 + LANES == b.0).collect();
    let depth = runs.iter().map(|run| run.len().min(ROWS)).max().expect("a window has taps");
    let step = |run: &[(usize, usize)]| {
        let first = run[0].0;
        let missing = depth - run.len();
        let before = if first >= missing * LANES { missing } else { 0 };
        let source = |i: usize| {
            let (_, tap) = run.get(i.checked_sub(before)?)?;
            Some(Source { quad: 0, tap: *tap })
        };
        Step { at: first - before * LANES, sources: (0..depth).map(source).collect() }
    };
    runs.into_iter().flat_map(|run| run.chunks(depth)).map(step).collect()
}

/// Computes the outputs of `task`, whose weights are `matrices`.
///
/// # Safety
/// The instructions must be there.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn run(task: &Task, matrices: &Matrices, room: &mut [Word]) {
    let Task { reader, item, .. } = task;
    let (s, tiling) = (&reader.s, &reader.tiling);
    let targets = task.targets();
    let part = Part { item, channels: 0..s.channels };
    let read = reader.read(part, task.gather, (task.source, room), task.border);
    let columns = item.columns.len();
    let place = |block: usize, row: usize, column: usize| {
        (block * item.rows.len() + row) * columns + column
    };
    let segments = segments(tiling, item, WINDOWS, place);
    let mut sums = Aligned([[[0; LANES]; WINDOWS]; OUTPUTS]);
    // SAFETY: the caller's promise.
    unsafe { configure(matrices.depth) };
    for first in task.quads.clone().step_by(OUTPUTS / 4) {
        let quads = first..(first + OUTPUTS / 4).min(task.quads.end);
        let mut starts = Aligned([[0; LANES]; OUTPUTS]);
        for (starts, quad) in starts.0.as_chunks_mut::<4>().0.iter_mut().zip(quads.clone()) {
            *starts = task.start::<Vnni512>(quad).map(|start| [start; LANES]);
        }
        let ends: [QuadEnding; OUTPUTS / 4] = std::array::from_fn(|i| task.end.of_quad(first + i));
        for segment in &segments {
            let windows = segment.rows * segment.columns;
            let apart = match (segment.rows, segment.columns) {
                (2, 1) => tiling.pitch,
                (1, 2) => LANES,
                // The same again, of which nothing is kept.
                _ => 0,
            };
            let own = TwoWindows { x: read[segment.at..].as_ptr(), apart };
            let block = first * 4 / OUTPUTS;
            // SAFETY: configured above; steps reach no farther than the taps that `read` provides for.
            unsafe { matrices.sums(block, own, &starts, &mut sums) };
            let targets = &targets[segment.to..][..windows];
            let all = sums.0.as_flattened().as_flattened();
            let each = all.chunks_exact(4 * WINDOWS * LANES);
            for ((quad, end), sums) in quads.clone().zip(&ends).zip(each) {
                task.finish(quad, end, (sums, WINDOWS), targets);
            }
        }
    }
    // SAFETY: as above.
    unsafe { release() };
}
