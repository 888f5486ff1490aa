//! Convolutions by cuDNN: for each shape the fastest algorithm that sums in a fixed order, found
//! once a machine and kept, with descriptors made once and one workspace for all.
#![allow(unsafe_code, reason = "cuDNN's functions take addresses")]

mod algorithm;
mod descriptors;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr;

use artifact::{Error, Result};
use cudarc::cudnn::{CudnnError, result, sys};
use kernels::border::Border;
use kernels::conv::Conv;
use kernels::conv::grouped::Grouped;
use kernels::{Sides, Size};

use crate::{Axis, Buffer, Gpu, Kind};
use algorithm::Chosen;
use descriptors::Descriptors;

/// Sizes of a convolution as the kernels have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub struct Convolution {
    /// Images.
    pub n: i32,
    /// Input height.
    pub h: i32,
    /// Input width.
    pub w: i32,
    /// Channels of the input, those that only fill it up included.
    pub c: i32,
    /// Channels of the output.
    pub k: i32,
    /// Output height.
    pub oh: i32,
    /// Output width.
    pub ow: i32,
    /// Groups of channels.
    pub groups: i32,
    /// The windows down.
    pub down: Axis,
    /// The windows across.
    pub across: Axis,
}

// SAFETY: eighteen 32-bit integers, as the kernels declare it.
unsafe impl cudarc::driver::DeviceRepr for Convolution {}

/// Values of an activation that cuDNN does not take.
const MOST_VALUES: usize = 1 << 31;
/// Bytes of workspace that an algorithm may have.
const MOST_WORKSPACE: usize = 1 << 30;

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Direction {
    Forward,
    InputGrad,
    WeightGrad,
}

impl Convolution {
    /// A convolution of one group whose input has `c` channels: as many as `conv` says, or more, that
    /// are zero.
    pub fn plain(conv: &Conv, c: usize) -> Self {
        Self::new(conv, c, conv.outputs, 1)
    }

    /// A convolution in groups.
    pub fn grouped(grouped: &Grouped) -> Self {
        let (each, groups) = (&grouped.each, grouped.groups);
        Self::new(each, each.inputs * groups, each.outputs * groups, groups)
    }

    fn new(v: &Conv, c: usize, k: usize, groups: usize) -> Self {
        let [n, h, w, c, k, oh, ow, groups] =
            [v.lanes.images(), v.h, v.w, c, k, v.oh(), v.ow(), groups]
                .map(|v| i32::try_from(v).expect("sizes of a network"));
        let [down, across] = Axis::both(&v.window);
        Self { n, h, w, c, k, oh, ow, groups, down, across }
    }

    /// Where opposite sides have unequal padding: the same convolution over maps in a border of what
    /// one side has more than the other, and that border.
    pub(crate) fn evened(&self) -> Option<(Self, Border)> {
        let ((down, [top, bottom]), (across, [left, right])) =
            (self.down.evened(), self.across.evened());
        let sides = Sides { top, left, bottom, right };
        if sides == Sides::all(0) {
            return None;
        }
        let border = Border { size: Size { h: self.h as usize, w: self.w as usize }, sides };
        let Size { h, w } = border.output();
        Some((Self { h: h as i32, w: w as i32, down, across, ..*self }, border))
    }

    /// Values of the input.
    pub fn input_len(&self) -> usize {
        product([self.n, self.h, self.w, self.c])
    }

    /// Values of the weight.
    pub fn weight_len(&self) -> usize {
        product([self.k, self.down.kernel, self.across.kernel, self.c / self.groups])
    }

    /// Values of the output.
    pub fn output_len(&self) -> usize {
        product([self.n, self.oh, self.ow, self.k])
    }

    /// Whether each channel is convolved by itself.
    pub fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.groups == self.c && self.c == self.k
    }
}

pub(crate) fn product(sizes: [i32; 4]) -> usize {
    sizes.into_iter().map(|v| v as usize).product()
}

/// cuDNN with what it has planned.
pub(crate) struct Dnn {
    handle: sys::cudnnHandle_t,
    version: usize,
    /// None where cuDNN refuses the shape.
    plans: RefCell<BTreeMap<(Direction, Convolution, Kind), Option<Plan>>>,
    workspace: RefCell<Option<Buffer>>,
}

struct Plan {
    descriptors: Descriptors,
    chosen: Chosen,
    /// Bytes of workspace.
    workspace: usize,
}

impl Drop for Dnn {
    fn drop(&mut self) {
        self.plans.take();
        // SAFETY: made by cuDNN, destroyed once.
        let _ = unsafe { result::destroy_handle(self.handle) };
    }
}

/// The addresses of a convolution's three tensors.
#[derive(Clone, Copy)]
struct Addresses {
    x: *mut c_void,
    w: *mut c_void,
    y: *mut c_void,
}

impl Gpu {
    fn dnn(&self) -> Result<&Dnn> {
        if let Some(dnn) = self.dnn.get() {
            return Ok(dnn);
        }
        self.on_this_thread()?;
        let failed = |e: CudnnError| Error::Resource(format!("cuDNN does not start: {}", words(e)));
        let handle = result::create_handle().map_err(failed)?;
        // SAFETY: handle and stream are alive.
        unsafe { result::set_stream(handle, self.stream().cu_stream().cast()) }.map_err(failed)?;
        let (plans, workspace) = (RefCell::default(), RefCell::default());
        let dnn = Dnn { handle, version: result::get_version(), plans, workspace };
        Ok(self.dnn.get_or_init(|| dnn))
    }

    /// Computes `direction` of `conv` into whichever of `x`, `w` and `y` it is. False where cuDNN has
    /// nothing for this shape; then nothing was computed.
    ///
    /// # Panics
    /// If a buffer has not the shape's size, they differ in kind, or opposite sides have unequal
    /// padding, which cuDNN does not know.
    pub(crate) fn by_cudnn(
        &self,
        direction: Direction,
        conv: &Convolution,
        [x, w, y]: [&Buffer; 3],
    ) -> Result<bool> {
        let kind = x.kind();
        assert!(conv.evened().is_none(), "padding of {conv:?}");
        assert!(w.kind() == kind && y.kind() == kind, "activations of one kind");
        assert_eq!(x.len(), conv.input_len(), "input of {conv:?}");
        assert_eq!(w.len(), conv.weight_len(), "weight of {conv:?}");
        assert_eq!(y.len(), conv.output_len(), "output of {conv:?}");
        let largest = conv.input_len().max(conv.output_len());
        if largest >= MOST_VALUES {
            return Err(Error::Resource(format!(
                "{conv:?} has an activation of {largest} values, and cuDNN takes less than \
                 {MOST_VALUES}: take fewer images at a time"
            )));
        }
        let dnn = self.dnn()?;
        let [x, w, y] = [x, w, y].map(|b| b.address() as *mut c_void);
        let at = Addresses { x, w, y };
        let key = (direction, *conv, kind);
        if !dnn.plans.borrow().contains_key(&key) {
            let plan = self.plan(dnn, key, at)?;
            dnn.plans.borrow_mut().insert(key, plan);
        }
        let plans = dnn.plans.borrow();
        let Some(plan) = &plans[&key] else { return Ok(false) };
        let workspace = self.workspace(dnn, plan.workspace)?;
        let room = (workspace, plan.workspace);
        // SAFETY: the addresses are of buffers of the descriptors' sizes, as asserted above.
        let status = unsafe { plan.descriptors.run(dnn.handle, plan.chosen, at, room) };
        check(status, &format!("{direction:?} of {conv:?}"))?;
        Ok(true)
    }

    fn plan(
        &self,
        dnn: &Dnn,
        key: (Direction, Convolution, Kind),
        at: Addresses,
    ) -> Result<Option<Plan>> {
        let (direction, conv, kind) = key;
        let mut descriptors = Descriptors::new(direction, &conv, kind)?;
        descriptors.set_math(algorithm::math(kind, self.tf32()))?;
        let name = algorithm::name(self, dnn.version, key);
        // Of all memory, not of what is free: what is chosen must not depend on that.
        let room = MOST_WORKSPACE.min(self.memory()?.1 / 16);
        let known = algorithm::known(&name).filter(|chosen| {
            let workspace = descriptors.workspace(dnn.handle, *chosen);
            workspace.is_ok_and(|size| size <= room) && chosen.fits(kind, self.tf32())
        });
        let chosen = if let Some(known) = known {
            known
        } else if let Some(found) = self.find(dnn, &descriptors, (at, room))? {
            algorithm::keep(&name, found.with_math(kind, self.tf32()))
        } else {
            tracing::warn!("cuDNN has nothing for {direction:?} of {conv:?}: plain loops");
            return Ok(None);
        };
        if !chosen.is_fixed() {
            tracing::warn!("{direction:?} of {conv:?} sums in an order that may change");
        }
        descriptors.set_math(chosen.math())?;
        let size = descriptors.workspace(dnn.handle, chosen);
        let workspace = size.map_err(|status| failed(status, "sizing a workspace"))?;
        Ok(Some(Plan { descriptors, chosen, workspace }))
    }

    /// The fastest algorithm, by running them all in `room` bytes of workspace.
    fn find(
        &self,
        dnn: &Dnn,
        descriptors: &Descriptors,
        (at, room): (Addresses, usize),
    ) -> Result<Option<Chosen>> {
        let room = self.room(Kind::U8, room)?;
        let workspace = (room.address() as *mut c_void, room.len());
        // SAFETY: addresses of the descriptors' sizes; what is written there is written over.
        let found = unsafe { descriptors.find(dnn.handle, at, workspace) };
        found.map_err(|status| failed(status, "looking for an algorithm"))
    }

    /// Room of at least `bytes`, the same for all convolutions.
    fn workspace(&self, dnn: &Dnn, bytes: usize) -> Result<*mut c_void> {
        if bytes == 0 {
            return Ok(ptr::null_mut());
        }
        let mut workspace = dnn.workspace.borrow_mut();
        if let Some(room) = workspace.as_ref().filter(|room| room.len() >= bytes) {
            return Ok(room.address() as *mut c_void);
        }
        // The smaller one is freed in the stream's order.
        Ok(workspace.insert(self.room(Kind::U8, bytes)?).address() as *mut c_void)
    }
}

fn check(status: sys::cudnnStatus_t, doing: &str) -> Result<()> {
    status.result().map_err(|e| failed(e.0, doing))
}

fn failed(status: sys::cudnnStatus_t, doing: &str) -> Error {
    Error::Resource(format!("cuDNN: {doing}: {}", words(CudnnError(status))))
}

fn words(error: CudnnError) -> String {
    // SAFETY: cuDNN's texts are static.
    let text = unsafe { std::ffi::CStr::from_ptr(sys::cudnnGetErrorString(error.0)) };
    text.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernels::{Lanes, Window};

    #[test]
    fn unequal_padding_becomes_a_border() {
        let of = |padding: Sides| {
            let window = Window { padding, ..Window::square(3, 2, 0) };
            let lanes = Lanes::of(2);
            let conv = Conv { lanes, inputs: 4, h: 9, w: 8, outputs: 6, window };
            Convolution::plain(&conv, 4)
        };
        assert!(of(Sides::all(1)).evened().is_none());
        let uneven = of(Sides { top: 0, left: 2, bottom: 1, right: 1 });
        let (even, border) = uneven.evened().expect("opposite sides differ");
        assert_eq!(border.sides, Sides { top: 0, left: 1, bottom: 1, right: 0 });
        assert_eq!([even.h, even.w, even.oh, even.ow], [10, 9, uneven.oh, uneven.ow]);
        assert_eq!([even.down, even.across].map(|a| [a.before, a.after]), [[0, 0], [1, 1]]);
    }
}
