//! Small uploads that the host does not wait for: copied to pinned memory first, which is kept until
//! the device has read it.
#![allow(unsafe_code, reason = "pinned memory is unset at first")]

use std::collections::VecDeque;

use artifact::Result;
use cudarc::driver::{CudaEvent, CudaSlice, DevicePtrMut, PinnedHostSlice, result};

use crate::Gpu;

/// Bytes of the largest upload that goes this way.
const MOST: usize = 64 << 20;

/// Bytes of the smallest pinned memory, and how many there are at most.
const LEAST: usize = 1 << 12;
const MANY: usize = 256;

/// Pinned memory that the device reads or has read, oldest first.
pub(crate) type Staging = VecDeque<Pinned>;

pub(crate) struct Pinned {
    memory: PinnedHostSlice<u8>,
    /// Behind the copy to the device.
    read: CudaEvent,
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // Not freed while the device reads it; a device that fails here says so at the next call.
        let _ = self.read.synchronize();
    }
}

impl Gpu {
    /// Copies `bytes` to `to`. The host goes on at once where they are few, else when they are there.
    pub(crate) fn copy_up(&self, bytes: &[u8], to: &mut CudaSlice<u8>) -> Result<()> {
        let doing = "copying to the device";
        if bytes.len() > MOST {
            self.check(doing, self.stream().memcpy_htod(bytes, to))?;
            return self.wait();
        }
        let mut pinned = self.pinned(bytes.len())?;
        let from = &mut self.check(doing, pinned.memory.as_mut_slice())?[..bytes.len()];
        from.copy_from_slice(bytes);
        let (address, _same_stream) = to.device_ptr_mut(self.stream());
        // SAFETY: there is room for all of `bytes`; the memory stays until `read` has passed.
        let copied = unsafe { result::memcpy_htod_async(address, from, self.stream().cu_stream()) };
        self.check(doing, copied.and_then(|()| pinned.read.record(self.stream())))?;
        self.staging.borrow_mut().push_back(pinned);
        Ok(())
    }

    /// Pinned memory of at least `bytes` that the device does not read: the oldest if it is long
    /// enough and done, else some more.
    fn pinned(&self, bytes: usize) -> Result<Pinned> {
        let mut staging = self.staging.borrow_mut();
        let usable = |p: &Pinned| p.memory.len() >= bytes && p.read.is_complete();
        if let Some(k) = staging.iter().position(usable) {
            return Ok(staging.remove(k).expect("just found"));
        }
        let doing = "allocating pinned memory";
        if staging.len() >= MANY {
            let long = |p: &Pinned| p.memory.len() >= bytes;
            // Dropping one waits until it was read.
            let oldest = staging.iter().position(long).unwrap_or(0);
            let oldest = staging.remove(oldest).expect("there are many");
            if long(&oldest) {
                self.check(doing, oldest.read.synchronize())?;
                return Ok(oldest);
            }
        }
        let length = bytes.next_power_of_two().max(LEAST);
        // SAFETY: written before it is read.
        let memory = unsafe { self.context().alloc_pinned_with_flags::<u8>(length, 0) };
        let memory = self.check(doing, memory)?;
        Ok(Pinned { memory, read: self.check(doing, self.context().new_event(None))? })
    }
}
