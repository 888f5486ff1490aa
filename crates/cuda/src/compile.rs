//! Our kernels, compiled when first used.
#![allow(unsafe_code, reason = "NVRTC's machine code has no safe form")]

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::sync::Arc;

use artifact::{Error, Result};
use cudarc::driver::{CudaContext, CudaFunction, CudaModule};
use cudarc::nvrtc::{Ptx, result, sys};

use crate::Kind;

/// A source with kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    Conv,
    Elementwise,
    Images,
    Loss,
    Norm,
    Optimiser,
}

/// A kernel for activations of a kind, one or 16 bytes of them at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kernel {
    pub source: Source,
    pub name: &'static str,
    pub kind: Kind,
    pub wide: bool,
}

const COMMON: &str = include_str!("kernels/common.cu");

impl Source {
    fn text(self) -> &'static str {
        match self {
            Self::Conv => include_str!("kernels/conv.cu"),
            Self::Elementwise => include_str!("kernels/elementwise.cu"),
            Self::Images => include_str!("kernels/images.cu"),
            Self::Loss => include_str!("kernels/loss.cu"),
            Self::Norm => include_str!("kernels/norm.cu"),
            Self::Optimiser => include_str!("kernels/optimiser.cu"),
        }
    }
}

/// What was compiled so far for a device.
pub(crate) struct Programs {
    context: Arc<CudaContext>,
    /// Compute capability.
    capability: (i32, i32),
    modules: BTreeMap<(Source, Kind, bool), Arc<CudaModule>>,
    functions: BTreeMap<Kernel, CudaFunction>,
}

impl Programs {
    pub(crate) fn new(context: &Arc<CudaContext>, capability: (i32, i32)) -> Self {
        let context = Arc::clone(context);
        Self { context, capability, modules: BTreeMap::new(), functions: BTreeMap::new() }
    }

    /// The kernel, ready to be launched.
    pub(crate) fn function(&mut self, kernel: Kernel) -> Result<CudaFunction> {
        if let Some(function) = self.functions.get(&kernel) {
            return Ok(function.clone());
        }
        let module = self.module(kernel)?;
        let function = module
            .load_function(kernel.name)
            .map_err(|e| Error::Resource(format!("kernel {} does not load: {e}", kernel.name)))?;
        self.functions.insert(kernel, function.clone());
        Ok(function)
    }

    fn module(&mut self, kernel: Kernel) -> Result<Arc<CudaModule>> {
        let key = (kernel.source, kernel.kind, kernel.wide);
        if let Some(module) = self.modules.get(&key) {
            return Ok(Arc::clone(module));
        }
        let code = compile(kernel, self.capability)?;
        let loaded = self.context.load_module(Ptx::from_binary(code)).map_err(|e| {
            let (major, minor) = nvrtc_version();
            Error::Resource(format!(
                "kernels of {:?} do not load: {e}; they were compiled by NVRTC {major}.{minor} for \
                 compute capability {}.{}: a driver of an older CUDA cannot load them",
                kernel.source, self.capability.0, self.capability.1
            ))
        })?;
        self.modules.insert(key, Arc::clone(&loaded));
        Ok(loaded)
    }
}

/// NVRTC's version: major, minor.
pub(crate) fn nvrtc_version() -> (i32, i32) {
    let (mut major, mut minor) = (0, 0);
    // SAFETY: it writes two numbers.
    unsafe { sys::nvrtcVersion(&raw mut major, &raw mut minor) };
    (major, minor)
}

/// Machine code of the kernel's source.
fn compile(kernel: Kernel, (major, minor): (i32, i32)) -> Result<Vec<u8>> {
    let text = CString::new(format!("{COMMON}\n{}", kernel.source.text())).expect("our own text");
    let name = CString::new(format!("{:?}.cu", kernel.source)).expect("a name");
    let failed = |what: &str| Error::Resource(format!("{what} of {name:?} failed"));
    let program =
        Program(result::create_program(&text, Some(&name)).map_err(|_| failed("NVRTC's start"))?);
    let mut options = vec![format!("--gpu-architecture=sm_{major}{minor}")];
    options.extend((kernel.kind == Kind::Bf16).then(|| "-DBF16".to_owned()));
    options.extend(kernel.wide.then(|| "-DWIDE".to_owned()));
    // SAFETY: the program is alive; the options are plain text.
    let compiled = unsafe { result::compile_program(program.0, &options) };
    compiled.map_err(|e| {
        Error::Resource(format!(
            "NVRTC {}.{} does not compile {name:?} with {}: {:?}\n{}",
            nvrtc_version().0,
            nvrtc_version().1,
            options.join(" "),
            e.0,
            program.log()
        ))
    })?;
    program.code().ok_or_else(|| failed("reading the code"))
}

/// A program of NVRTC's, destroyed in the end.
struct Program(sys::nvrtcProgram);

impl Program {
    fn log(&self) -> String {
        // SAFETY: the program is alive.
        let log = unsafe { result::get_program_log(self.0) }.unwrap_or_default();
        let bytes: Vec<u8> = log.into_iter().map(|c| c as u8).collect();
        CStr::from_bytes_until_nul(&bytes).map_or_else(
            |_| String::from_utf8_lossy(&bytes).into_owned(),
            |c| c.to_string_lossy().into_owned(),
        )
    }

    fn code(&self) -> Option<Vec<u8>> {
        let mut size = 0;
        // SAFETY: the program is alive and compiled; the buffer has the size that was asked for.
        unsafe {
            sys::nvrtcGetCUBINSize(self.0, &raw mut size).result().ok()?;
            let mut code = vec![0_u8; size];
            sys::nvrtcGetCUBIN(self.0, code.as_mut_ptr().cast()).result().ok()?;
            Some(code)
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: made by NVRTC, destroyed once. Nothing is to be done should that fail.
        let _ = unsafe { result::destroy_program(self.0) };
    }
}
