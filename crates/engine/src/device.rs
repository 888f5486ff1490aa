//! Which device a run computes on.

use artifact::{Error, Result};
use candle_core::Device;

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

impl Choice {
    /// Opens the device.
    pub fn open(self) -> Result<Device> {
        match self {
            Self::Cpu | Self::Auto => Ok(Device::Cpu),
            Self::Cuda => Err(Error::Resource(
                "--device cuda: this program was built without CUDA; use --device cpu".into(),
            )),
        }
    }
}
