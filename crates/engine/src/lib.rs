//! Runs networks on the processor, on candle's tensors, and on a GPU.
//!
//! A [`Net`] is a graph with its values on a device. The graph is the tape: [`Net::forward`] walks
//! it and keeps what [`Net::backward`] needs to walk it in reverse, both through the small set of
//! operations in `ops`, each with a kernel a device. Above that stand the optimiser, the schedule,
//! [`fit()`], [`evaluate()`], [`Recalibration`] and [`Calibration`]. What is pruned and why is decided elsewhere.

mod backward;
mod batch;
pub mod bench;
mod calibrate;
mod choice;
mod classes;
pub mod conformance;
#[cfg(feature = "cuda")]
mod copies;
pub mod device;
mod evaluate;
mod fit;
mod forward;
pub mod golden;
mod importance;
mod layout;
mod loader;
mod loss;
mod net;
mod noise;
mod ops;
mod optimiser;
#[cfg(feature = "cuda")]
mod resident;
mod rounding;
mod schedule;
mod scorer;
mod tensor;
mod workspace;

pub use batch::Batch;
pub use calibrate::{Calibration, Recalibration};
pub use classes::{ClassFlags, Matched, check_channels};
pub use device::{Device, Precision};
pub use evaluate::{Views, evaluate, evaluate_as, predict, scores, scores_as};
pub use fit::{
    AugmentFlags, Early, Fit, FitFlags, Fitted, Moment, OptimiserFlags, PruneFlags, Pruning,
    ScheduleFlags, Start, Teacher, TeacherFlags, fit,
};
pub use forward::{Measured, Mode, Tape};
pub use importance::Importance;
pub use net::Net;
pub use noise::Noise;
pub use optimiser::{Adam, Clip, Optimiser, OptimiserKind, Sgd, Step};
pub use schedule::{OneCycle, Schedule, ScheduleKind, Shape};
pub use scorer::Scorer;
pub use tensor::Tensor;

pub(crate) use inference::sizes;
