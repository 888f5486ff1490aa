//! The descriptors of one convolution, and the calls that take them.

use std::ffi::{c_int, c_void};
use std::ptr;

use artifact::Result;
use cudarc::cudnn::sys::cudnnStatus_t as Status;
use cudarc::cudnn::{CudnnError, result, sys};

use super::algorithm::{Chosen, DATA, FILTER, FORWARD};
use super::{Addresses, Convolution, Direction, failed};
use crate::Kind;

/// Results that a search returns, at most.
const RESULTS: usize = 16;

pub(super) struct Descriptors {
    direction: Direction,
    x: sys::cudnnTensorDescriptor_t,
    w: sys::cudnnFilterDescriptor_t,
    y: sys::cudnnTensorDescriptor_t,
    conv: sys::cudnnConvolutionDescriptor_t,
}

impl Descriptors {
    /// Activations in NHWC order, weights as (outputs, rows, columns, inputs of a group).
    pub(super) fn new(direction: Direction, v: &Convolution, kind: Kind) -> Result<Self> {
        let all = Self::fill(direction, v, kind);
        all.map_err(|e| failed(e.0, &format!("describing {v:?}")))
    }

    fn fill(direction: Direction, v: &Convolution, kind: Kind) -> Result<Self, CudnnError> {
        let data = match kind {
            Kind::Bf16 => sys::cudnnDataType_t::CUDNN_DATA_BFLOAT16,
            _ => sys::cudnnDataType_t::CUDNN_DATA_FLOAT,
        };
        let format = sys::cudnnTensorFormat_t::CUDNN_TENSOR_NHWC;
        let mut all = Self {
            direction,
            x: ptr::null_mut(),
            w: ptr::null_mut(),
            y: ptr::null_mut(),
            conv: ptr::null_mut(),
        };
        // SAFETY: each descriptor is made before it is set; dropping `all` destroys those made.
        unsafe {
            all.x = result::create_tensor_descriptor()?;
            all.w = result::create_filter_descriptor()?;
            all.y = result::create_tensor_descriptor()?;
            all.conv = result::create_convolution_descriptor()?;
            result::set_tensor4d_descriptor(all.x, format, data, [v.n, v.c, v.h, v.w])?;
            let inputs = v.c / v.groups;
            let sizes = [v.k, inputs, v.down.kernel, v.across.kernel];
            result::set_filter4d_descriptor(all.w, data, format, sizes)?;
            result::set_tensor4d_descriptor(all.y, format, data, [v.n, v.k, v.oh, v.ow])?;
            result::set_convolution2d_descriptor(
                all.conv,
                v.down.before,
                v.across.before,
                v.down.stride,
                v.across.stride,
                v.down.dilation,
                v.across.dilation,
                sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION,
                sys::cudnnDataType_t::CUDNN_DATA_FLOAT,
            )?;
            result::set_convolution_group_count(all.conv, v.groups)?;
        }
        Ok(all)
    }

    pub(super) fn set_math(&mut self, math: sys::cudnnMathType_t) -> Result<()> {
        // SAFETY: the descriptor is alive.
        let set = unsafe { result::set_convolution_math_type(self.conv, math) };
        set.map_err(|e| failed(e.0, "setting the precision"))
    }

    /// Bytes of workspace that `chosen` needs.
    pub(super) fn workspace(
        &self,
        handle: sys::cudnnHandle_t,
        chosen: Chosen,
    ) -> Result<usize, Status> {
        let mut size = 0;
        let to = &raw mut size;
        let Self { x, w, y, conv, .. } = *self;
        // SAFETY: handle and descriptors are alive; one number is written.
        let status = unsafe {
            match self.direction {
                Direction::Forward => sys::cudnnGetConvolutionForwardWorkspaceSize(
                    handle,
                    x,
                    w,
                    conv,
                    y,
                    chosen.of(&FORWARD, |a| a as u32),
                    to,
                ),
                Direction::InputGrad => sys::cudnnGetConvolutionBackwardDataWorkspaceSize(
                    handle,
                    w,
                    y,
                    conv,
                    x,
                    chosen.of(&DATA, |a| a as u32),
                    to,
                ),
                Direction::WeightGrad => sys::cudnnGetConvolutionBackwardFilterWorkspaceSize(
                    handle,
                    x,
                    y,
                    conv,
                    w,
                    chosen.of(&FILTER, |a| a as u32),
                    to,
                ),
            }
        };
        status.result().map(|()| size).map_err(|e| e.0)
    }

    /// Computes by `chosen`.
    ///
    /// # Safety
    /// The addresses must be of memory of the descriptors' sizes, the workspace of that in bytes.
    pub(super) unsafe fn run(
        &self,
        handle: sys::cudnnHandle_t,
        chosen: Chosen,
        at: Addresses,
        (workspace, bytes): (*mut c_void, usize),
    ) -> Status {
        let (one, zero) = (1.0_f32, 0.0_f32);
        let (alpha, beta) = ((&raw const one).cast(), (&raw const zero).cast());
        let Self { x, w, y, conv, .. } = *self;
        // SAFETY: the caller's promise.
        unsafe {
            match self.direction {
                Direction::Forward => {
                    let algorithm = chosen.of(&FORWARD, |a| a as u32);
                    sys::cudnnConvolutionForward(
                        handle, alpha, x, at.x, w, at.w, conv, algorithm, workspace, bytes, beta,
                        y, at.y,
                    )
                }
                Direction::InputGrad => {
                    let algorithm = chosen.of(&DATA, |a| a as u32);
                    sys::cudnnConvolutionBackwardData(
                        handle, alpha, w, at.w, y, at.y, conv, algorithm, workspace, bytes, beta,
                        x, at.x,
                    )
                }
                Direction::WeightGrad => {
                    let algorithm = chosen.of(&FILTER, |a| a as u32);
                    sys::cudnnConvolutionBackwardFilter(
                        handle, alpha, x, at.x, y, at.y, conv, algorithm, workspace, bytes, beta,
                        w, at.w,
                    )
                }
            }
        }
    }

    /// The fastest algorithm that sums in a fixed order, else the fastest; none where cuDNN has none for
    /// this shape.
    ///
    /// # Errors
    /// The status, where all fail for another reason.
    ///
    /// # Safety
    /// As of [`Self::run`].
    pub(super) unsafe fn find(
        &self,
        handle: sys::cudnnHandle_t,
        at: Addresses,
        (workspace, bytes): (*mut c_void, usize),
    ) -> Result<Option<Chosen>, Status> {
        let Self { x, w, y, conv, .. } = *self;
        let (most, mut count) = (RESULTS as c_int, 0);
        let to = &raw mut count;
        // SAFETY: the caller's promise; results are plain numbers, of which `most` fit.
        macro_rules! search {
            ($function:ident, $($argument:expr),+) => {{
                let mut all = unsafe { [std::mem::zeroed(); RESULTS] };
                let status = unsafe {
                    sys::$function(
                        handle, $($argument,)+ most, to, all.as_mut_ptr(), workspace, bytes,
                    )
                };
                if refused(status) {
                    return Ok(None);
                }
                status.result().map_err(|e| e.0)?;
                let all = &all[..(count as usize).min(RESULTS)];
                let usable = || {
                    all.iter().filter(|p| p.status == Status::CUDNN_STATUS_SUCCESS)
                };
                let fixed = sys::cudnnDeterminism_t::CUDNN_DETERMINISTIC;
                let best = usable().find(|p| p.determinism == fixed).or_else(|| usable().next());
                match (best, all.iter().find(|p| !refused(p.status))) {
                    (Some(p), _) => {
                        let same = p.determinism == fixed;
                        Ok(Some(Chosen::new(p.algo as u32, p.mathType, same)))
                    }
                    (None, Some(p)) => Err(p.status),
                    (None, None) => Ok(None),
                }
            }};
        }
        match self.direction {
            Direction::Forward => {
                search!(cudnnFindConvolutionForwardAlgorithmEx, x, at.x, w, at.w, conv, y, at.y)
            }
            Direction::InputGrad => search!(
                cudnnFindConvolutionBackwardDataAlgorithmEx,
                w,
                at.w,
                y,
                at.y,
                conv,
                x,
                at.x
            ),
            Direction::WeightGrad => search!(
                cudnnFindConvolutionBackwardFilterAlgorithmEx,
                x,
                at.x,
                y,
                at.y,
                conv,
                w,
                at.w
            ),
        }
    }
}

/// Whether cuDNN does not serve a shape, as opposed to failing at it or being half installed.
fn refused(status: Status) -> bool {
    let installation = [
        Status::CUDNN_STATUS_NOT_SUPPORTED_INCOMPATIBLE_CUDA_DRIVER,
        Status::CUDNN_STATUS_NOT_SUPPORTED_INCOMPATIBLE_CUDART,
        Status::CUDNN_STATUS_NOT_SUPPORTED_SUBLIBRARY_UNAVAILABLE,
    ];
    if installation.contains(&status) {
        return false;
    }
    // The kinds of refusal have numbers of their own behind the general ones.
    let number = status as u32;
    let (bad, unsupported) = (Status::CUDNN_STATUS_BAD_PARAM, Status::CUDNN_STATUS_NOT_SUPPORTED);
    [bad as u32, unsupported as u32].iter().any(|first| (*first..first + 1000).contains(&number))
}

impl Drop for Descriptors {
    fn drop(&mut self) {
        // SAFETY: each was made by cuDNN and is destroyed once; nothing is to be done where that
        // fails.
        unsafe {
            if !self.x.is_null() {
                let _ = result::destroy_tensor_descriptor(self.x);
            }
            if !self.w.is_null() {
                let _ = result::destroy_filter_descriptor(self.w);
            }
            if !self.y.is_null() {
                let _ = result::destroy_tensor_descriptor(self.y);
            }
            if !self.conv.is_null() {
                let _ = result::destroy_convolution_descriptor(self.conv);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_no_failures() {
        let check = |status, expected| assert_eq!(refused(status), expected, "{status:?}");
        check(Status::CUDNN_STATUS_NOT_SUPPORTED, true);
        check(Status::CUDNN_STATUS_BAD_PARAM, true);
        check(Status::CUDNN_STATUS_NOT_SUPPORTED_SHAPE, true);
        check(Status::CUDNN_STATUS_NOT_SUPPORTED_SUBLIBRARY_UNAVAILABLE, false);
        check(Status::CUDNN_STATUS_SUCCESS, false);
        check(Status::CUDNN_STATUS_EXECUTION_FAILED, false);
        check(Status::CUDNN_STATUS_ALLOC_FAILED, false);
        check(Status::CUDNN_STATUS_INTERNAL_ERROR, false);
    }
}
