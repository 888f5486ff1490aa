//! Normalisation.

use super::{Channels, Facts, Slot};
use crate::text::{Fields, Written};
use crate::{Role, Shape};

/// Batch normalisation of each channel (Ioffe and Szegedy 2015).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchNorm {
    /// Added to the variance before the square root.
    pub eps: f32,
    /// Weight of the newest batch in the running statistics.
    pub momentum: f32,
    /// Whether it has scale and shift.
    pub affine: bool,
}

/// `PyTorch`'s.
impl Default for BatchNorm {
    fn default() -> Self {
        Self { eps: 1e-5, momentum: 0.1, affine: true }
    }
}

impl BatchNorm {
    pub(crate) fn read(fields: &mut Fields) -> Result<Self, String> {
        let usual = Self::default();
        let norm = Self {
            eps: fields.or("eps", usual.eps)?,
            momentum: fields.or("momentum", usual.momentum)?,
            affine: fields.or("affine", usual.affine)?,
        };
        Ok(norm)
    }
}

impl Facts for BatchNorm {
    fn label(&self) -> &'static str {
        "BatchNorm2d"
    }

    fn keyword(&self) -> &'static str {
        "batch-norm"
    }

    fn fields(&self) -> Written {
        let usual = Self::default();
        Written::default()
            .unless("eps", self.eps, usual.eps)
            .unless("momentum", self.momentum, usual.momentum)
            .unless("affine", self.affine, usual.affine)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        check_eps(self.eps)?;
        if !(0.0..=1.0).contains(&self.momentum) {
            return Err(format!("momentum {}; expected 0 to 1", self.momentum));
        }
        Ok(inputs[0])
    }

    fn slots(&self, output: Shape) -> Vec<Slot> {
        let mut all = affine(self.affine, output);
        all.push(slot("running_mean", Role::RunningMean, output));
        all.push(slot("running_var", Role::RunningVar, output));
        all
    }

    fn channels(&self) -> Channels {
        Channels::Own
    }
}

/// Normalisation over the channels of each pixel (Ba et al. 2016).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerNorm {
    /// Added to the variance before the square root.
    pub eps: f32,
    /// Whether it has scale and shift.
    pub affine: bool,
}

/// `PyTorch`'s.
impl Default for LayerNorm {
    fn default() -> Self {
        Self { eps: 1e-5, affine: true }
    }
}

impl LayerNorm {
    pub(crate) fn read(fields: &mut Fields) -> Result<Self, String> {
        let usual = Self::default();
        Ok(Self { eps: fields.or("eps", usual.eps)?, affine: fields.or("affine", usual.affine)? })
    }
}

impl Facts for LayerNorm {
    fn label(&self) -> &'static str {
        "LayerNorm"
    }

    fn keyword(&self) -> &'static str {
        "layer-norm"
    }

    fn fields(&self) -> Written {
        let usual = Self::default();
        Written::default().unless("eps", self.eps, usual.eps).unless(
            "affine",
            self.affine,
            usual.affine,
        )
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        check_eps(self.eps).map(|()| inputs[0])
    }

    fn slots(&self, output: Shape) -> Vec<Slot> {
        affine(self.affine, output)
    }

    fn channels(&self) -> Channels {
        Channels::All
    }
}

fn check_eps(eps: f32) -> Result<(), String> {
    if (0.0..=1.0).contains(&eps) {
        return Ok(());
    }
    Err(format!("eps {eps}; expected 0 to 1"))
}

/// Scale and shift, where there are any.
fn affine(any: bool, output: Shape) -> Vec<Slot> {
    let both = [("weight", Role::NormWeight), ("bias", Role::NormBias)];
    both.into_iter().filter(|_| any).map(|(suffix, role)| slot(suffix, role, output)).collect()
}

/// A value a channel.
fn slot(suffix: &'static str, role: Role, output: Shape) -> Slot {
    Slot { suffix, shape: vec![output.c], role }
}
