//! Which device a run computes on, and how it rounds.

use std::fmt;
#[cfg(feature = "cuda")]
use std::rc::Rc;
use std::str::FromStr;

use artifact::{Error, Result};
use kernels::isa;
use serde::Serialize;

/// An opened device.
#[derive(Clone)]
pub enum Device {
    /// This machine's processor.
    Cpu,
    /// A GPU.
    #[cfg(feature = "cuda")]
    Cuda(Rc<cuda::Gpu>, Precision),
}

/// The values of `--device`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// This machine's processor.
    Cpu,
    /// The NVIDIA GPU of this number, or an error where there is none.
    Cuda(usize),
    /// A GPU where there is one, else the processor.
    Auto,
}

/// How numbers are rounded. Weights, their gradients' sums and statistics are f32 in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Not beyond f32
    F32,
    /// Products of f32 values from their upper 19 bits, on a GPU
    Tf32,
    /// Activations, and the weights and gradients beside them, to 16 bits, on a GPU
    Bf16,
}

/// Where a command computes.
#[derive(Debug, Clone, Copy, clap::Args, Serialize)]
pub struct Flags {
    /// Where to compute: cpu, cuda, cuda:N (the GPU of that number), or auto (a GPU where there is
    /// one)
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    device: Choice,
    /// How to round; on cuda bf16 unless given, on cpu always f32
    #[arg(long, value_enum)]
    #[serde(skip_serializing_if = "Option::is_none")]
    precision: Option<Precision>,
}

/// Manifests say `cuda` of any number: which of a machine's GPUs it was is no setting.
impl Serialize for Choice {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(match self {
            Self::Cpu | Self::Auto => "cpu",
            Self::Cuda(_) => "cuda",
        })
    }
}

impl FromStr for Choice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "cpu" => Ok(Self::Cpu),
            "auto" => Ok(Self::Auto),
            "cuda" => Ok(Self::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|number| number.parse().ok())
                .map(Self::Cuda)
                .ok_or("expected cpu, cuda, cuda:N or auto"),
        }
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// Vector instructions in use.
///
/// # Panics
/// Before a device was opened: that checks them.
pub fn simd() -> &'static str {
    isa::name().expect("checked when the device was opened")
}

/// The processor. Refuses words that the kernels' variables do not have.
pub fn cpu() -> Result<Device> {
    isa::name().map_err(Error::Config)?;
    isa::plain().map_err(Error::Config)?;
    Ok(Device::Cpu)
}

/// The GPU of this `number`, rounding so.
///
/// # Errors
/// `Resource` where there is none, or this program was built without CUDA.
pub fn cuda(number: usize, precision: Precision) -> Result<Device> {
    #[cfg(feature = "cuda")]
    {
        let gpu = cuda::Gpu::open(number, precision == Precision::Tf32)?;
        let (major, minor) = gpu.capability();
        if precision == Precision::Bf16 && major < 8 {
            return Err(Error::Resource(format!(
                "{} (compute capability {major}.{minor}) does not compute in bf16, which takes 8.0 or \
                 later; use --precision f32",
                gpu.name()
            )));
        }
        Ok(Device::Cuda(Rc::new(gpu), precision))
    }
    #[cfg(not(feature = "cuda"))]
    {
        let _ = (number, precision);
        Err(Error::Resource(
            "this program was built without CUDA; use --device cpu, or build it with --features \
             cuda"
                .into(),
        ))
    }
}

impl Flags {
    /// Opens the device, and notes what was chosen: `auto` is one or the other from here on.
    ///
    /// # Errors
    /// `Resource` where there is no such device, `Config` for a precision that it has not or for words
    /// that the kernels' variables do not have.
    pub fn open(&mut self) -> Result<Device> {
        cpu()?;
        let device = match self.device {
            Choice::Cpu => self.cpu()?,
            Choice::Cuda(number) => {
                self.cuda(number).map_err(|e| Error::Resource(format!("--device cuda: {e}")))?
            }
            Choice::Auto => match self.cuda(0) {
                Ok(device) => device,
                Err(e) => {
                    tracing::info!("--device auto: the processor, since {e}");
                    self.cpu()?
                }
            },
        };
        if !device.is_cpu() {
            tracing::info!("computing on {}", device.name());
        }
        Ok(device)
    }

    /// As [`Self::open`], where nothing notes what was chosen.
    pub fn device(mut self) -> Result<Device> {
        self.open()
    }

    /// As [`Self::device`], in f32 unless another precision was asked for.
    pub fn in_f32(self) -> Result<Device> {
        Self { precision: self.precision.or(Some(Precision::F32)), ..self }.device()
    }

    fn cpu(&mut self) -> Result<Device> {
        self.device = Choice::Cpu;
        match self.precision.take() {
            None | Some(Precision::F32) => Ok(Device::Cpu),
            Some(other) => Err(Error::Config(format!(
                "--precision {other}: the processor computes in f32; leave it out, or use \
                 --device cuda"
            ))),
        }
    }

    fn cuda(&mut self, number: usize) -> Result<Device> {
        let precision = self.precision.unwrap_or(Precision::Bf16);
        let device = cuda(number, precision)?;
        (self.device, self.precision) = (Choice::Cuda(number), Some(precision));
        Ok(device)
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
        })
    }
}

impl Device {
    /// Whether it is the processor.
    pub fn is_cpu(&self) -> bool {
        matches!(self, Self::Cpu)
    }

    /// For people: what it is, and how it rounds.
    pub fn name(&self) -> String {
        match self {
            Self::Cpu => tuning::processor().to_owned(),
            #[cfg(feature = "cuda")]
            Self::Cuda(gpu, precision) => format!("{} ({precision})", gpu.name()),
        }
    }

    /// Waits until everything asked of it is done.
    pub fn wait(&self) -> Result<()> {
        match self {
            Self::Cpu => Ok(()),
            #[cfg(feature = "cuda")]
            Self::Cuda(gpu, _) => gpu.wait(),
        }
    }

    /// Bytes of a value of an activation.
    pub(crate) fn activation_bytes(&self) -> usize {
        match self {
            Self::Cpu => size_of::<f32>(),
            #[cfg(feature = "cuda")]
            Self::Cuda(..) => self.kind().size(),
        }
    }

    /// What activations are.
    #[cfg(feature = "cuda")]
    pub(crate) fn kind(&self) -> cuda::Kind {
        match self {
            Self::Cuda(_, Precision::Bf16) => cuda::Kind::Bf16,
            _ => cuda::Kind::F32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read() {
        let check = |text: &str, expected: Option<Choice>| {
            assert_eq!(text.parse().ok(), expected, "{text}");
        };
        check("cpu", Some(Choice::Cpu));
        check("auto", Some(Choice::Auto));
        check("cuda", Some(Choice::Cuda(0)));
        check("cuda:3", Some(Choice::Cuda(3)));
        for wrong in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "CPU"] {
            check(wrong, None);
        }
    }

    #[test]
    fn the_processor_rounds_to_f32_alone() {
        let open = |precision| Flags { device: Choice::Cpu, precision }.open();
        assert!(open(None).is_ok() && open(Some(Precision::F32)).is_ok());
        let e = open(Some(Precision::Bf16)).expect_err("refused");
        assert!(matches!(&e, Error::Config(what) if what.starts_with("--precision bf16: ")), "{e}");
    }
}
