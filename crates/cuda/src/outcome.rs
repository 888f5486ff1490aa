//! What a loss came to, read while the device goes on.
#![allow(unsafe_code, reason = "memory that the device copies to is unset at first")]

use artifact::Result;
use cudarc::driver::{CudaEvent, CudaSlice, DevicePtr, PinnedHostSlice};

use crate::Gpu;

/// Loss and hits of a batch on their way to the host.
pub struct Outcome {
    device: CudaSlice<f64>,
    host: PinnedHostSlice<f64>,
    /// Behind the last copy to the host: cudarc's own events are off.
    copied: CudaEvent,
}

impl Outcome {
    /// The sum of the losses, and how many images were classified rightly, as soon as they are
    /// known.
    pub fn read(self, gpu: &Gpu) -> Result<(f64, f64)> {
        gpu.check("reading the loss", self.copied.synchronize())?;
        let read = gpu.check("reading the loss", self.host.as_slice());
        let [loss, correct] = *read? else { unreachable!("two numbers") };
        gpu.outcomes.borrow_mut().push(self);
        Ok((loss, correct))
    }

    pub(crate) fn address(&self) -> u64 {
        self.device.device_ptr(self.device.stream()).0
    }

    /// Asks for the numbers; the host goes on.
    pub(crate) fn fetch(&mut self, gpu: &Gpu) -> Result<()> {
        let copy = gpu.stream().memcpy_dtoh(&self.device, &mut self.host);
        gpu.check("reading the loss", copy.and_then(|()| self.copied.record(gpu.stream())))
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        // The copy may be under way, and the memory it goes to is about to be freed. A device that
        // fails here says so at the next call.
        let _ = self.copied.synchronize();
    }
}

impl Gpu {
    /// Room for an outcome: one that was read, if there is one.
    pub(crate) fn outcome(&self) -> Result<Outcome> {
        if let Some(free) = self.outcomes.borrow_mut().pop() {
            return Ok(free);
        }
        let device = self.check("allocating memory", self.stream().alloc_zeros::<f64>(2))?;
        // SAFETY: read only after the device wrote it.
        let host = unsafe { self.context().alloc_pinned_with_flags::<f64>(2, 0) };
        let host = self.check("allocating pinned memory", host)?;
        let copied = self.check("making an event", self.context().new_event(None))?;
        Ok(Outcome { device, host, copied })
    }
}
