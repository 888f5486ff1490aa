//! An opened device.
#![allow(unsafe_code, reason = "calls of the driver that have no safe form")]

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;

use artifact::{Error, Result};
use cudarc::driver::sys::CUresult;
use cudarc::driver::{CudaContext, CudaStream, DriverError, result, sys};

use crate::compile::{Programs, nvrtc_version};
use crate::dnn::Dnn;
use crate::libraries::{CUDNN, DRIVER, NVRTC, open_builtins};
use crate::staging::Staging;
use crate::{Buffer, Kind, Outcome};

/// The oldest driver that will do, as `cuDriverGetVersion` counts: 12.0.
const OLDEST: i32 = 12_000;

/// A GPU with a stream of its own; everything is done in the order it was asked for.
pub struct Gpu {
    // What uses the stream goes before it.
    pub(crate) dnn: OnceCell<Dnn>,
    pub(crate) staging: RefCell<Staging>,
    pub(crate) programs: RefCell<Programs>,
    /// Room for sums of blocks, shared by all kernels, since no two run at a time.
    pub(crate) partial: RefCell<Option<Buffer>>,
    /// Outcomes that were read, to be used again.
    pub(crate) outcomes: RefCell<Vec<Outcome>>,
    exhausted: Cell<Option<Exhausted>>,
    name: String,
    tf32: bool,
    stream: Arc<CudaStream>,
    context: Arc<CudaContext>,
}

/// An allocation that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted {
    /// Bytes asked for.
    pub wanted: usize,
    /// Bytes that were free.
    pub free: usize,
    /// Bytes of the device.
    pub total: usize,
}

impl Gpu {
    /// Opens device `number`; with `tf32`, products of f32 values may be computed from their upper 19
    /// bits.
    ///
    /// # Errors
    /// `Resource` where driver, libraries or device are missing or too old.
    pub fn open(number: usize, tf32: bool) -> Result<Self> {
        DRIVER.open()?;
        check_driver()?;
        check_number(number)?;
        NVRTC.open()?;
        open_builtins(nvrtc_version());
        CUDNN.open()?;
        check_cudnn()?;
        let failed = |e| Error::Resource(format!("device {number} does not open: {}", words(e)));
        let context = CudaContext::new(number).map_err(failed)?;
        // SAFETY: there is one stream, so that nothing runs beside anything else.
        unsafe { context.disable_event_tracking() };
        let stream = context.new_stream().map_err(failed)?;
        let name = context.name().map_err(failed)?;
        keep_freed_memory(&context);
        let (major, minor) = context.compute_capability().map_err(failed)?;
        tracing::debug!("device {number}: {name}, compute capability {major}.{minor}");
        Ok(Self {
            programs: RefCell::new(Programs::new(&context, (major, minor))),
            context,
            stream,
            name,
            tf32,
            dnn: OnceCell::new(),
            staging: RefCell::default(),
            partial: RefCell::default(),
            outcomes: RefCell::default(),
            exhausted: Cell::default(),
        })
    }

    /// What the driver calls the device.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Compute capability: major, minor.
    pub fn capability(&self) -> (i32, i32) {
        self.programs.borrow().capability()
    }

    /// Whether f32 products may be rounded.
    pub(crate) fn tf32(&self) -> bool {
        self.tf32
    }

    pub(crate) fn stream(&self) -> &Arc<CudaStream> {
        &self.stream
    }

    pub(crate) fn context(&self) -> &Arc<CudaContext> {
        &self.context
    }

    pub(crate) fn on_this_thread(&self) -> Result<()> {
        self.check("binding the device", self.context.bind_to_thread())
    }

    /// Waits until everything asked for is done.
    ///
    /// # Errors
    /// `Resource` with what the device says, should a kernel have failed.
    pub fn wait(&self) -> Result<()> {
        self.check("computing", self.stream.synchronize())
    }

    /// Free bytes, and bytes in all.
    pub fn memory(&self) -> Result<(usize, usize)> {
        self.check("asking for free memory", self.context.mem_get_info())
    }

    /// The last allocation that failed.
    pub fn exhausted(&self) -> Option<Exhausted> {
        self.exhausted.get()
    }

    /// Room of at least `values` for the sums of a kernel's blocks; the next kernel's are in the same.
    pub(crate) fn partial(&self, values: usize) -> Result<u64> {
        let mut partial = self.partial.borrow_mut();
        if let Some(buffer) = partial.as_ref().filter(|b| b.len() >= values) {
            return Ok(buffer.address());
        }
        // The old one is freed in the stream's order, when what uses it is done.
        let buffer = partial.insert(self.room(Kind::F32, values)?);
        Ok(buffer.address())
    }

    /// The error of a failed allocation of `bytes`.
    pub(crate) fn allocation(&self, error: DriverError, bytes: usize) -> Error {
        if error.0 != CUresult::CUDA_ERROR_OUT_OF_MEMORY {
            return Error::Resource(format!("{}: allocating memory: {}", self.name, words(error)));
        }
        let (free, total) = self.context.mem_get_info().unwrap_or_default();
        self.exhausted.set(Some(Exhausted { wanted: bytes, free, total }));
        let mib = |bytes: usize| artifact::size::mib(bytes as u64);
        Error::Resource(format!(
            "{}: out of memory: {:.1} MiB were wanted, {:.0} of {:.0} MiB are free",
            self.name,
            mib(bytes),
            mib(free),
            mib(total)
        ))
    }

    /// Says what was done where the driver refuses.
    pub(crate) fn check<T>(&self, doing: &str, result: Result<T, DriverError>) -> Result<T> {
        result.map_err(|e| Error::Resource(format!("{}: {doing}: {}", self.name, words(e))))
    }
}

/// What the driver says of an error.
fn words(error: DriverError) -> String {
    let text = |c: Result<&std::ffi::CStr, DriverError>| {
        c.map(|c| c.to_string_lossy().into_owned()).unwrap_or_default()
    };
    format!("{} ({})", text(error.error_string()), text(error.error_name()))
}

fn check_driver() -> Result<()> {
    result::init().map_err(|e| {
        Error::Resource(format!("NVIDIA's driver finds no device to use: {}", words(e)))
    })?;
    let mut version = 0;
    // SAFETY: it writes one number.
    let asked = unsafe { sys::cuDriverGetVersion(&raw mut version) };
    asked.result().map_err(|e| Error::Resource(format!("NVIDIA's driver: {}", words(e))))?;
    if version >= OLDEST {
        return Ok(());
    }
    Err(Error::Resource(format!(
        "NVIDIA's driver is too old: it is for CUDA {}, and 12.0 or later is needed; update the \
         driver, or use --device cpu",
        release(version)
    )))
}

/// A version as people write it.
fn release(version: i32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

fn check_number(number: usize) -> Result<()> {
    let count = CudaContext::device_count()
        .map_err(|e| Error::Resource(format!("NVIDIA's driver: {}", words(e))))?;
    match usize::try_from(count).unwrap_or(0) {
        0 => Err(Error::Resource("NVIDIA's driver finds no GPU; use --device cpu".into())),
        count if number < count => Ok(()),
        1 => Err(Error::Resource(format!(
            "there is no device {number}: this machine has one, --device cuda:0"
        ))),
        count => Err(Error::Resource(format!(
            "there is no device {number}: this machine has {count}, from --device cuda:0 to cuda:{}",
            count - 1
        ))),
    }
}

fn check_cudnn() -> Result<()> {
    // A library without a version in its name is found before the one that was opened.
    match cudarc::cudnn::result::get_version() {
        found if found / 10_000 == 9 => Ok(()),
        found => Err(Error::Resource(format!(
            "cuDNN 9 is needed, and a library of version {found} was found first; is there a \
             libcudnn.so of it in LD_LIBRARY_PATH or the system's folders?"
        ))),
    }
}

/// Memory that is freed stays with this process: giving it back to the system at each wait would
/// cost more than the steps.
fn keep_freed_memory(context: &CudaContext) {
    let mut all = u64::MAX;
    // SAFETY: the pool is the device's own, the attribute a 64-bit number.
    let kept = unsafe {
        result::device::get_default_mem_pool(context.cu_device()).and_then(|pool| {
            sys::cuMemPoolSetAttribute(
                pool,
                sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD,
                (&raw mut all).cast(),
            )
            .result()
        })
    };
    if kept.is_err() {
        tracing::debug!("the device has no memory pool");
    }
}
