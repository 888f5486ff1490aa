//! Which algorithm a convolution runs by: measured once a machine, and kept.

use cudarc::cudnn::sys::{
    cudnnConvolutionBwdDataAlgo_t as Data, cudnnConvolutionBwdFilterAlgo_t as Filter,
    cudnnConvolutionFwdAlgo_t as Forward, cudnnMathType_t as Math,
};
use kernels::Size;
use serde::{Deserialize, Serialize};
use tuning::Table;

use super::{Convolution, Direction};
use crate::{Axis, Gpu, Kind};

/// An algorithm, by cuDNN's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Chosen {
    algorithm: u32,
    math: u32,
    /// Whether it sums in the same order each time.
    fixed: bool,
}

/// What was found on this machine's devices. A later run decides as this one did, so that it rounds
/// as this one did.
static KNOWN: Table<Chosen> = Table::new("cudnn.yaml");

const MATHS: [Math; 4] = [
    Math::CUDNN_DEFAULT_MATH,
    Math::CUDNN_TENSOR_OP_MATH,
    Math::CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION,
    Math::CUDNN_FMA_MATH,
];
pub(super) const FORWARD: [Forward; 8] = [
    Forward::CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM,
    Forward::CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM,
    Forward::CUDNN_CONVOLUTION_FWD_ALGO_GEMM,
    Forward::CUDNN_CONVOLUTION_FWD_ALGO_DIRECT,
    Forward::CUDNN_CONVOLUTION_FWD_ALGO_FFT,
    Forward::CUDNN_CONVOLUTION_FWD_ALGO_FFT_TILING,
    Forward::CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD,
    Forward::CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD_NONFUSED,
];
pub(super) const DATA: [Data; 6] = [
    Data::CUDNN_CONVOLUTION_BWD_DATA_ALGO_0,
    Data::CUDNN_CONVOLUTION_BWD_DATA_ALGO_1,
    Data::CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT,
    Data::CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT_TILING,
    Data::CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD,
    Data::CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD_NONFUSED,
];
pub(super) const FILTER: [Filter; 7] = [
    Filter::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0,
    Filter::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1,
    Filter::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_FFT,
    Filter::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_3,
    Filter::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_WINOGRAD,
    Filter::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_WINOGRAD_NONFUSED,
    Filter::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_FFT_TILING,
];

impl Chosen {
    pub(super) fn new(algorithm: u32, math: Math, fixed: bool) -> Self {
        Self { algorithm, math: math as u32, fixed }
    }

    pub(super) fn is_fixed(self) -> bool {
        self.fixed
    }

    /// The one of `all` that it is; the first for a number that is none of theirs.
    pub(super) fn of<A: Copy>(self, all: &[A], number: impl Fn(A) -> u32) -> A {
        all.iter().copied().find(|a| number(*a) == self.algorithm).unwrap_or(all[0])
    }

    pub(super) fn math(self) -> Math {
        MATHS.into_iter().find(|m| *m as u32 == self.math).unwrap_or(Math::CUDNN_FMA_MATH)
    }

    /// With the rounding that is allowed, whatever it was found with: cuDNN's default rounds f32 to
    /// 19 bits.
    pub(super) fn with_math(self, kind: Kind, tf32: bool) -> Self {
        match (kind, tf32) {
            (Kind::F32, false) => Self { math: Math::CUDNN_FMA_MATH as u32, ..self },
            _ => self,
        }
    }

    /// Whether it rounds no more than is allowed.
    pub(super) fn fits(self, kind: Kind, tf32: bool) -> bool {
        self == self.with_math(kind, tf32)
    }
}

/// The rounding to look for algorithms with.
pub(super) fn math(kind: Kind, tf32: bool) -> Math {
    match (kind, tf32) {
        (Kind::F32, false) => Math::CUDNN_FMA_MATH,
        _ => Math::CUDNN_TENSOR_OP_MATH,
    }
}

/// The name that a plan is kept by.
pub(super) fn name(
    gpu: &Gpu,
    version: usize,
    (direction, v, kind): (Direction, Convolution, Kind),
) -> String {
    let kind = match (kind, gpu.tf32()) {
        (Kind::F32, true) => "tf32",
        (Kind::F32, false) => "f32",
        _ => "bf16",
    };
    // One number for both axes, and no dilation, where that is all there is to say.
    let both = |of: fn(Axis) -> i32| {
        let [h, w] = [v.down, v.across].map(|axis| of(axis) as usize);
        Size { h, w }
    };
    let dilation = match both(|axis| axis.dilation) {
        Size { h: 1, w: 1 } => String::new(),
        dilation => format!(" dilation {dilation}"),
    };
    format!(
        "{}, cuDNN {version}: {direction:?} {kind} {}x{}x{}x{} -> {} kernel {} stride {} padding {}\
         {dilation} groups {}",
        gpu.name(),
        v.n,
        v.c,
        v.h,
        v.w,
        v.k,
        both(|axis| axis.kernel),
        both(|axis| axis.stride),
        both(|axis| axis.before),
        v.groups
    )
}

pub(super) fn known(name: &str) -> Option<Chosen> {
    KNOWN.peek(name)
}

/// Keeps `found`; where another process was first, its stands.
pub(super) fn keep(name: &str, found: Chosen) -> Chosen {
    KNOWN.get(name, || found)
}
