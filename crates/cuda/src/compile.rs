//! Our kernels, compiled when first used.
#![allow(unsafe_code, reason = "NVRTC's machine code has no safe form")]

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::sync::Arc;

use artifact::{Error, Result};
use cudarc::driver::{CudaContext, CudaFunction, CudaModule, DriverError};
use cudarc::nvrtc::{Ptx, result, sys};

use crate::Kind;

/// A source with kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    Conv,
    Elementwise,
    Images,
    LayerNorm,
    Loss,
    Moves,
    Norm,
    Optimiser,
    Pool,
}

/// A kernel for activations of a kind, one or 16 bytes of them at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kernel {
    pub source: Source,
    pub name: &'static str,
    pub kind: Kind,
    pub wide: bool,
}

/// What stands before every source.
const COMMON: &str =
    concat!(include_str!("kernels/common.cu"), "\n", include_str!("kernels/activation.cu"));

impl Source {
    fn text(self) -> &'static str {
        match self {
            Self::Conv => include_str!("kernels/conv.cu"),
            Self::Elementwise => include_str!("kernels/elementwise.cu"),
            Self::Images => include_str!("kernels/images.cu"),
            Self::LayerNorm => include_str!("kernels/layer_norm.cu"),
            Self::Loss => include_str!("kernels/loss.cu"),
            Self::Moves => include_str!("kernels/moves.cu"),
            Self::Norm => include_str!("kernels/norm.cu"),
            Self::Optimiser => include_str!("kernels/optimiser.cu"),
            Self::Pool => include_str!("kernels/pool.cu"),
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

    /// Compute capability: major, minor.
    pub(crate) fn capability(&self) -> (i32, i32) {
        self.capability
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
        let text = Text::of(kernel, self.capability);
        let load = |code| self.context.load_module(Ptx::from_binary(code));
        let kept = tuning::made(&text.name, &text.all(), || text.compile())?;
        // What was kept may be of another time: then it is compiled again.
        let loaded = match load(kept) {
            Ok(loaded) => loaded,
            Err(_) => load(text.compile()?).map_err(|e| text.does_not_load(e))?,
        };
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

/// A source as NVRTC gets it.
struct Text {
    name: String,
    source: String,
    options: Vec<String>,
}

impl Text {
    fn of(kernel: Kernel, (major, minor): (i32, i32)) -> Self {
        let mut options = vec![format!("--gpu-architecture=sm_{major}{minor}")];
        options.extend((kernel.kind == Kind::Bf16).then(|| "-DBF16".to_owned()));
        options.extend(kernel.wide.then(|| "-DWIDE".to_owned()));
        // Grey levels come out as on the processor: products are rounded before they are summed.
        let exact = kernel.source == Source::Images;
        options.extend(exact.then(|| "--fmad=false".to_owned()));
        let source = format!("{COMMON}\n{}", kernel.source.text());
        Self { name: format!("{:?}.cu", kernel.source), source, options }
    }

    /// All that the code depends on.
    fn all(&self) -> String {
        format!("{:?} {:?}\n{}", nvrtc_version(), self.options, self.source)
    }

    /// Machine code.
    fn compile(&self) -> Result<Vec<u8>> {
        let c_text = |text: &str| CString::new(text).expect("our own text");
        let failed = |what: &str| Error::Resource(format!("{what} of {} failed", self.name));
        let program = result::create_program(&c_text(&self.source), Some(&c_text(&self.name)));
        let program = Program(program.map_err(|_| failed("NVRTC's start"))?);
        // SAFETY: the program is alive; the options are plain text.
        let compiled = unsafe { result::compile_program(program.0, &self.options) };
        compiled.map_err(|e| {
            let (major, minor) = nvrtc_version();
            let options = self.options.join(" ");
            Error::Resource(format!(
                "NVRTC {major}.{minor} does not compile {} with {options}: {:?}\n{}",
                self.name,
                e.0,
                program.log()
            ))
        })?;
        program.code().ok_or_else(|| failed("reading the code"))
    }

    fn does_not_load(&self, error: DriverError) -> Error {
        let (major, minor) = nvrtc_version();
        Error::Resource(format!(
            "{}, compiled by NVRTC {major}.{minor} with {}, does not load: {error}; the driver may be \
             of an older CUDA than that",
            self.name,
            self.options.join(" ")
        ))
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libraries::{NVRTC, open_builtins};
    use std::io::Write as _;

    /// Needs NVRTC alone, no device.
    #[test]
    fn every_source_compiles() {
        if let Err(e) = NVRTC.open() {
            assert!(std::env::var_os("SECATEUR_NEEDS_CUDA").is_none(), "{e}");
            let line = format!("SKIPPED: compiling kernels, nothing was checked: {e}\n");
            std::io::stderr().write_all(line.as_bytes()).expect("prints");
            return;
        }
        open_builtins(nvrtc_version());
        let sources = [
            Source::Conv,
            Source::Elementwise,
            Source::Images,
            Source::LayerNorm,
            Source::Loss,
            Source::Moves,
            Source::Norm,
            Source::Optimiser,
            Source::Pool,
        ];
        let kinds = [Kind::F32, Kind::Bf16].into_iter().flat_map(|k| [(k, false), (k, true)]);
        for (kind, wide) in kinds {
            for source in sources {
                let kernel = Kernel { source, name: "", kind, wide };
                let code = Text::of(kernel, (8, 0)).compile();
                assert!(!code.expect("compiles").is_empty(), "{kernel:?}");
            }
        }
    }
}
