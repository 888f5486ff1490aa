//! Image sets: from raw bytes, or from nothing, to batches.
//!
//! A [`Raw`] set is decoded or rendered, [`store::write`] puts it into an
//! artifact's folder, [`Dataset::open`] reads that artifact and splits it, and
//! [`batch()`] augments, resizes and normalises. A [`photo`] of any size becomes one image. Everything random is a pure function of
//! a seed and an index. Networks, devices and the command line are not its business.

mod augment;
mod batch;
pub mod classes;
mod dataset;
mod fit;
pub mod import;
mod mixup;
pub mod origin;
mod passed;
mod patch;
pub mod photo;
pub mod pictures;
mod pixels;
mod raw;
mod resize;
pub mod split;
mod statistics;
pub mod store;
pub mod synth;

pub use artifact::record::ImageShape;
pub use augment::{Augment, Augmented, Pose};
pub use batch::{Batch, Normalise, Shown, View, batch, order, shown};
pub use dataset::{Dataset, Keep, Part, STAGE};
pub use fit::{Fit, Fitting, Size};
pub use mixup::{Mixed, Mixup};
pub use passed::told;
pub use patch::Patch;
pub use pixels::{InFile, Pixels, Room};
pub use raw::{Images, Raw, labels_tensor};
pub use resize::{Tap, taps};
