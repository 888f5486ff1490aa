//! Finding CUDA's libraries: where they are looked for, and what to say where one is missing.
#![allow(unsafe_code, reason = "opening a shared library runs its initialisers")]

use std::env;
use std::path::{Path, PathBuf};

use artifact::{Error, Result};
use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

/// Folders, separated by colons, that are looked through first: of libraries, or the folder `nvidia`
/// of Python's wheels.
pub(crate) const FOLDERS: &str = "SECATEUR_CUDA";

/// Where wheels, toolkits and drivers put libraries.
const WHEELS: [&str; 5] =
    ["cu13/lib", "cudnn/lib", "cuda_nvrtc/lib", "cublas/lib", "cuda_runtime/lib"];
const USUAL: [&str; 5] = [
    "/usr/local/cuda/lib64",
    "/usr/local/nvidia/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib/wsl/lib",
];

/// One of CUDA's libraries.
pub(crate) struct Needed {
    /// What it is, for people.
    pub what: &'static str,
    /// Its names, any of which will do.
    pub names: &'static [&'static str],
    /// What it opens by plain name: found only if opened before, or on the system's path.
    pub before: &'static [&'static str],
    /// What to do where there is none.
    pub advice: &'static str,
}

pub(crate) const DRIVER: Needed = Needed {
    what: "NVIDIA's driver",
    names: &["libcuda.so.1", "libcuda.so"],
    before: &[],
    advice: "install the driver, or use --device cpu",
};
pub(crate) const NVRTC: Needed = Needed {
    what: "CUDA's run-time compiler",
    names: &["libnvrtc.so.13", "libnvrtc.so.12"],
    before: &[],
    advice: "install the package nvidia-cuda-nvrtc, or a CUDA toolkit",
};
pub(crate) const CUDNN: Needed = Needed {
    what: "cuDNN 9",
    names: &["libcudnn.so.9"],
    before: &["libcublasLt.so.13", "libcublasLt.so.12"],
    advice: "install the package nvidia-cudnn-cu13 (PyTorch's CUDA wheels bring it)",
};

impl Needed {
    /// Opens the library for good, so that cudarc finds it by its name.
    pub(crate) fn open(&self) -> Result<()> {
        for name in self.before {
            // Not everywhere needed, nor of this very version.
            find(name);
        }
        if self.names.iter().any(|name| find(name)) {
            return Ok(());
        }
        let folders: Vec<String> = folders().iter().map(|f| f.display().to_string()).collect();
        Err(Error::Resource(format!(
            "{} is missing: {} was looked for in LD_LIBRARY_PATH, the system's folders, {}; {}. One \
             that is elsewhere is found with {FOLDERS}=FOLDER",
            self.what,
            self.names.join(" or "),
            folders.join(", "),
            self.advice
        )))
    }
}

/// NVRTC opens its builtins by their plain name, which is that of its version: they are found only if
/// they were opened before, or are on the system's path.
pub(crate) fn open_builtins((major, minor): (i32, i32)) {
    find(&format!("libnvrtc-builtins.so.{major}.{minor}"));
}

/// Opens the library `name` from the first place that has it; whether there was one.
fn find(name: &str) -> bool {
    let named = folders_named().into_iter().map(|folder| folder.join(name));
    let plain = PathBuf::from(name);
    let usual = USUAL.iter().map(|folder| Path::new(folder).join(name));
    named.chain([plain]).chain(usual).any(|path| {
        // SAFETY: these are NVIDIA's libraries, whose initialisers do nothing but set up themselves.
        let opened = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_GLOBAL) };
        if opened.is_ok() {
            tracing::debug!("opened {}", path.display());
        }
        // Never closed: addresses into it stay with cudarc.
        opened.map(std::mem::forget).is_ok()
    })
}

fn folders() -> Vec<PathBuf> {
    folders_named().into_iter().chain(USUAL.map(PathBuf::from)).collect()
}

fn folders_named() -> Vec<PathBuf> {
    let named = env::var_os(FOLDERS).unwrap_or_default();
    let each = env::split_paths(&named).filter(|f| !f.as_os_str().is_empty());
    each.flat_map(|f| {
        let wheels = WHEELS
            .map(|w| f.join(w))
            .into_iter()
            .filter(|w| std::fs::metadata(w).is_ok_and(|m| m.is_dir()));
        [f.clone()].into_iter().chain(wheels).collect::<Vec<_>>()
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nowhere_is_told() {
        let needed = Needed {
            what: "a library",
            names: &["libnowhere.so.1", "libnowhere.so"],
            before: &["libneither.so"],
            advice: "write it",
        };
        let error = needed.open().expect_err("there is none");
        assert_eq!(error.exit_code(), 6);
        let text = error.to_string();
        for words in ["a library is missing", "libnowhere.so.1 or", "/usr/local/cuda", "write it"] {
            assert!(text.contains(words), "{text}");
        }
    }
}
