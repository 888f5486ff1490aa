//! Which device a run computes on.

use artifact::{Error, Result};
use candle_core::Device;
use kernels::isa;

/// The values of `--device`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Choice {
    /// This machine's processor.
    Cpu,
    /// An NVIDIA GPU, or an error where there is none.
    Cuda,
    /// A GPU where there is one, else the processor.
    Auto,
}

/// Manifests say what `auto` came to.
impl serde::Serialize for Choice {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(match self {
            Self::Cpu | Self::Auto => "cpu",
            Self::Cuda => "cuda",
        })
    }
}

/// Vector instructions in use.
///
/// # Panics
/// Before a device was opened: that checks them.
pub fn simd() -> &'static str {
    isa::name().expect("checked when the device was opened")
}

impl Choice {
    /// Opens the device, and refuses words that the kernels' variables do not have.
    pub fn open(self) -> Result<Device> {
        isa::name().map_err(Error::Config)?;
        isa::plain().map_err(Error::Config)?;
        match self {
            Self::Cpu | Self::Auto => Ok(Device::Cpu),
            Self::Cuda => Err(Error::Resource(
                "--device cuda: this program was built without CUDA; use --device cpu".into(),
            )),
        }
    }
}
