//! Memory of a device.
#![allow(unsafe_code, reason = "fresh memory, and values seen as bytes")]

use artifact::Result;
use cudarc::driver::{CudaSlice, DevicePtr};
use half::bf16;

use crate::Gpu;

/// What a buffer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// 32-bit floating point.
    F32,
    /// The upper half of that.
    Bf16,
    /// Bytes, and whatever is read as such.
    U8,
}

/// Values on a device. What is written to it is written in the device's order: reading it back
/// waits for that.
pub struct Buffer {
    bytes: CudaSlice<u8>,
    kind: Kind,
    len: usize,
}

impl Kind {
    /// Bytes of a value.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
            Self::U8 => 1,
        }
    }
}

impl Buffer {
    /// What it holds.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its address on the device.
    pub(crate) fn address(&self) -> u64 {
        self.bytes.device_ptr(self.bytes.stream()).0
    }
}

impl Gpu {
    /// Room for `len` values, which may be anything.
    ///
    /// # Errors
    /// `Resource` where the memory does not suffice; [`Gpu::exhausted`] tells by how much.
    pub fn room(&self, kind: Kind, len: usize) -> Result<Buffer> {
        let bytes = (len * kind.size()).max(1);
        // SAFETY: bytes on a device that nobody reads as values of a type with invalid ones.
        let slice = unsafe { self.stream().alloc::<u8>(bytes) };
        let bytes = slice.map_err(|e| self.allocation(e, bytes))?;
        Ok(Buffer { bytes, kind, len })
    }

    /// `len` zeros.
    pub fn zeros(&self, kind: Kind, len: usize) -> Result<Buffer> {
        let mut buffer = self.room(kind, len)?;
        self.check("filling memory", self.stream().memset_zeros(&mut buffer.bytes))?;
        Ok(buffer)
    }

    /// `values` on the device.
    pub fn upload(&self, values: &[f32]) -> Result<Buffer> {
        let buffer = self.upload_bytes(bytes_of(values))?;
        Ok(Buffer { kind: Kind::F32, len: values.len(), ..buffer })
    }

    /// `bytes` on the device.
    pub fn upload_bytes(&self, bytes: &[u8]) -> Result<Buffer> {
        let mut buffer = self.room(Kind::U8, bytes.len())?;
        self.copy_up(bytes, &mut buffer.bytes)?;
        Ok(buffer)
    }

    /// The values of `buffer`, as soon as all work before this is done.
    ///
    /// # Panics
    /// If it holds bytes.
    pub fn download(&self, buffer: &Buffer) -> Result<Vec<f32>> {
        let bytes = self.download_bytes(buffer)?;
        let bytes = &bytes[..buffer.len * buffer.kind.size()];
        Ok(match buffer.kind {
            Kind::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_ne_bytes(*b)).collect(),
            Kind::Bf16 => {
                bytes.as_chunks().0.iter().map(|b| bf16::from_ne_bytes(*b).to_f32()).collect()
            }
            Kind::U8 => panic!("bytes are no numbers"),
        })
    }

    /// The bytes of `buffer`, as soon as all work before this is done.
    pub(crate) fn download_bytes(&self, buffer: &Buffer) -> Result<Vec<u8>> {
        let copied = self.stream().clone_dtoh(&buffer.bytes);
        let bytes = self.check("copying from the device", copied)?;
        self.wait()?;
        Ok(bytes)
    }

    /// A copy of `buffer`.
    pub fn copied(&self, buffer: &Buffer) -> Result<Buffer> {
        let copy = self.room(buffer.kind, buffer.len)?;
        self.copy(buffer, &copy)?;
        Ok(copy)
    }

    /// Copies `from` over `to`.
    ///
    /// # Panics
    /// If they differ in kind or length.
    pub fn copy(&self, from: &Buffer, to: &Buffer) -> Result<()> {
        assert!(from.kind == to.kind && from.len == to.len, "a copy changes nothing");
        let bytes = from.len * from.kind.size();
        self.on_this_thread()?;
        // SAFETY: both ranges were allocated with at least this many bytes.
        let copied = unsafe {
            cudarc::driver::result::memcpy_dtod_async(
                to.address(),
                from.address(),
                bytes,
                self.stream().cu_stream(),
            )
        };
        self.check("copying on the device", copied)
    }
}

/// The bytes of plain values.
pub(crate) fn bytes_of<T: Copy>(values: &[T]) -> &[u8] {
    // SAFETY: callers pass numbers, and structs of 32-bit fields and addresses, without padding.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}
