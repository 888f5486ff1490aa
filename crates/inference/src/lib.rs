//! Runs a packed network for its answers alone.
//!
//! A [`Model`] is opened from the file that `deployer pack` makes, and answers:
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("model.safetensors");
//! # let graph = graph::Graph::build("vgg-lab@0.05", 2, 32)?;
//! # let values = graph::initial(&graph, 1);
//! # let tensor = |(p, v): (&graph::Param, Vec<f32>)| {
//! #     (p.name.clone(), artifact::tensors::Tensor::f32(&p.shape, v))
//! # };
//! # let tensors = graph.params().iter().zip(values).map(tensor).collect();
//! # let info = packed::Info {
//! #     classes: vec!["cat".into(), "dog".into()],
//! #     mean: vec![0.5; 3],
//! #     std: vec![0.25; 3],
//! #     checkpoint: "0".repeat(64),
//! # };
//! # let masks = sparsity::Masks::default();
//! # let contents = packed::Contents { graph, tensors, masks, info, integers: None };
//! # let (values, encode) = (packed::Values::F32, packed::Encode::Auto);
//! # let options = packed::Options { values, encode, fold: true };
//! # artifact::file::write(&path, &packed::pack(&contents, &options)?)?;
//! # let photo = cifar::photo::Photo::of_planes(cifar::Size::square(32), &[128; 3 * 32 * 32]);
//! let model = inference::Model::open(&path)?;
//! for answers in model.classify(&[photo])? {
//!     println!("{} {:.1} %", answers[0].class, answers[0].probability * 100.0);
//! #   assert!(answers[0].probability >= answers[1].probability);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Beneath stands a [`Network`], layers with their values, norms folded into weights. A [`Plan`]
//! makes it ready for a number of images at a time: of each layer the faster of its kernels, by
//! measurement, and buffers that are used again. Training, and how a network came to be pruned, are
//! others' business; there is no tensor library beneath.

mod awake;
mod block;
mod buffers;
mod dead;
mod flat;
mod gather;
pub mod integer;
mod model;
mod network;
mod plain;
mod plan;
mod run;
pub mod sizes;
mod times;

pub use dead::Removed;
pub use kernels::channels::Source;
pub use model::{Answer, Model, ModelPlan};
pub use network::{Checked, Conv, Kind, Layer, LayerNorm, Network, Values, Weight};
pub use plain::{plain, tell_plain};
pub use plan::{LayerPlan, Plan, Threads, Use};
pub use run::Shown;
pub use times::Unknown;
