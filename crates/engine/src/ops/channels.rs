//! Operations on whole channels: those that move them, and a factor or summand for each.
#![cfg_attr(not(feature = "cuda"), allow(dead_code, reason = "sizes are for a GPU's kernels"))]

#[cfg(feature = "cuda")]
use cuda::{Buffer, Gpu};
use kernels::border::{self, Border};
use kernels::channels::{self, Part, Shuffle, Span};
use kernels::norm::Plane;

use super::Op;

/// The channels of all sources, of which each has as many as `channels` says.
pub(crate) struct Concat {
    pub channels: Vec<usize>,
    pub pixels: usize,
}
/// Some channels of the source.
pub(crate) struct SliceChannels(pub Span);
/// The source as some channels, zeros as the others.
pub(crate) struct PadChannels(pub Span);
/// The channels of the source in another order.
pub(crate) struct ShuffleChannels(pub Shuffle);
/// The source with zeros around each channel.
pub(crate) struct PadBorders {
    pub border: Border,
    pub channels: usize,
}
/// The source without what [`PadBorders`] puts around it.
pub(crate) struct CropBorders {
    pub border: Border,
    pub channels: usize,
}
/// The values of each image of the source in the order (channel, row, column).
pub(crate) struct Flatten {
    pub pixels: usize,
    pub channels: usize,
}
/// What undoes [`Flatten`].
pub(crate) struct Unflatten {
    pub pixels: usize,
    pub channels: usize,
}
/// Each channel of `x` times its factor; sources `x, factors`.
pub(crate) struct ScaleChannels(pub Plane);
/// Gradient of the factors; sources `dy, x`.
pub(crate) struct ScaleChannelsGrad(pub Plane);
/// Each channel of `x` plus its summand; sources `x, summands`.
pub(crate) struct ShiftChannels(pub Plane);
/// Gradient of the summands; source `dy`.
pub(crate) struct ShiftChannelsGrad(pub Plane);

impl Op for Concat {
    const NAME: &'static str = "concat";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        let each = s.iter().zip(&self.channels);
        let parts: Vec<Part> =
            each.map(|(values, channels)| Part { values, channels: *channels }).collect();
        channels::concat(&parts, self.pixels, outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.concat(s, &self.channels, outs[0])
    }
}

impl Op for SliceChannels {
    const NAME: &'static str = "slice";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        channels::slice(self.0, s[0], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.slice_channels(self.0, s[0], outs[0])
    }
}

impl Op for PadChannels {
    const NAME: &'static str = "pad-channels";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        channels::pad(self.0, s[0], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.pad_channels(self.0, s[0], outs[0])
    }
}

impl Op for ShuffleChannels {
    const NAME: &'static str = "shuffle";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        channels::shuffle(self.0, s[0], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.shuffle_channels(self.0, s[0], outs[0])
    }
}

impl Op for PadBorders {
    const NAME: &'static str = "pad-borders";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        border::pad(self.border, s[0], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.pad_borders(self.border, s[0], outs[0], self.channels)
    }
}

impl Op for CropBorders {
    const NAME: &'static str = "crop-borders";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        border::crop(self.border, s[0], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.crop_borders(self.border, s[0], outs[0], self.channels)
    }
}

impl Op for Flatten {
    const NAME: &'static str = "flatten";

    /// In blocks the order is that already.
    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        outs[0].copy_from_slice(s[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.flatten(s[0], outs[0], self.pixels, self.channels)
    }
}

impl Op for Unflatten {
    const NAME: &'static str = "unflatten";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        outs[0].copy_from_slice(s[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.unflatten(s[0], outs[0], self.pixels, self.channels)
    }
}

impl Op for ScaleChannels {
    const NAME: &'static str = "scale-channels";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        channels::scale(self.0, s[1], s[0], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.scale_channels(s[0], s[1], outs[0])
    }
}

impl Op for ScaleChannelsGrad {
    const NAME: &'static str = "scale-channels-grad";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        channels::scale_backward(self.0, s[1], s[0], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.scale_channels_grad(s[0], s[1], outs[0])
    }
}

impl Op for ShiftChannels {
    const NAME: &'static str = "shift-channels";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        channels::shift(self.0, s[1], s[0], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.shift_channels(s[0], s[1], outs[0])
    }
}

impl Op for ShiftChannelsGrad {
    const NAME: &'static str = "shift-channels-grad";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        channels::shift_backward(self.0, s[0], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.bias_grad(s[0], outs[0])
    }
}
