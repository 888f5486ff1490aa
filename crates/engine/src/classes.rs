//! A checkpoint and a dataset brought together: their classes must be the same ones, and images are
//! normalised as the network expects.

use std::path::Path;

use artifact::manifest::Network;
use artifact::{Error, Normalisation, Result, record};
use cifar::classes::{self, ClassesOf};
use cifar::{Dataset, ImageShape};
use graph::Graph;
use serde::Serialize;

/// Flags of every command that brings a checkpoint and a dataset together.
#[derive(Debug, Clone, Copy, Default, clap::Args, Serialize)]
pub struct ClassFlags {
    /// Where the class names of checkpoint and dataset differ, go on with those of one of them
    #[arg(long, value_enum, value_name = "WHICH")]
    #[serde(skip_serializing_if = "Option::is_none")]
    classes_of: Option<Which>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Which {
    /// The checkpoint's: the dataset's labels are renumbered, name by name
    Checkpoint,
    /// The dataset's: labels stay as numbered, its names are recorded from here on
    Data,
    /// Do not compare: labels stay as numbered, the checkpoint's names are kept
    Ignore,
}

/// A dataset as a network takes it: labels and normalisation are the network's.
pub struct Matched {
    /// The images.
    pub data: Dataset,
    /// What a manifest says of the network from here on: the name of each class, and the normalisation.
    pub network: Network,
}

impl ClassFlags {
    /// Adapts the dataset `data` of folder `path` to the network `graph`. `known` has the network's class
    /// names and normalisation, as far as they are known. Images of another size are resized.
    ///
    /// # Errors
    /// [`Error::Config`] where the images have another number of channels, where their numbers of
    /// classes differ, or their names and no flag says how to go on.
    pub fn matched(
        self,
        graph: &Graph,
        known: Network,
        data: Dataset,
        path: &Path,
    ) -> Result<Matched> {
        let (network, agreed) = self.joined(graph, known, &data.info, path)?;
        let own = network.normalisation.as_ref().expect("the dataset's, if not the network's own");
        Ok(Matched { data: data.agreeing(&agreed).normalised_by(own), network })
    }

    /// As [`ClassFlags::matched`], of what a dataset's manifest says alone.
    pub fn described(
        self,
        graph: &Graph,
        known: Network,
        info: &record::Dataset,
        path: &Path,
    ) -> Result<Network> {
        self.joined(graph, known, info, path).map(|(network, _)| network)
    }

    fn joined(
        self,
        graph: &Graph,
        known: Network,
        info: &record::Dataset,
        path: &Path,
    ) -> Result<(Network, classes::Agreed)> {
        check_channels(graph, info.shape, path)?;
        let agreed = self.agreed(graph, &known.class_names, &info.classes, path)?;
        let normalisation = Some(own_or(known.normalisation, info, path));
        let network = Network { class_names: agreed.names.clone(), normalisation, ..known };
        Ok((network, agreed))
    }

    /// What the classes `names` of a network and `found` of a dataset come to.
    fn agreed(
        self,
        graph: &Graph,
        names: &[String],
        found: &[String],
        path: &Path,
    ) -> Result<classes::Agreed> {
        if found.len() != graph.classes() {
            return Err(Error::Config(format!(
                "{}: {} classes; the network {} is for {} classes",
                path.display(),
                found.len(),
                graph.name(),
                graph.classes()
            )));
        }
        let which = self.classes_of.map(|which| match which {
            Which::Checkpoint => ClassesOf::Checkpoint,
            Which::Data => ClassesOf::Data,
            Which::Ignore => ClassesOf::Ignore,
        });
        classes::agree(names, found, which, path)
    }
}

/// The network's `own` normalisation, else that of the dataset at `path`.
fn own_or(own: Option<Normalisation>, info: &record::Dataset, path: &Path) -> Normalisation {
    let data = info.normalisation();
    let Some(own) = own.filter(|own| *own != data) else { return data };
    tracing::info!(
        "{}: images are normalised with the network's {own}; the dataset's are {data}",
        path.display()
    );
    own
}

/// Refuses images of this `shape`, of the dataset at `path`, where the network `graph` takes images of
/// another number of channels. Height and width may differ: images are resized.
///
/// # Errors
/// [`Error::Config`] with both.
pub fn check_channels(graph: &Graph, shape: ImageShape, path: &Path) -> Result<()> {
    let taken = graph.images();
    if taken.c == shape.channels {
        return Ok(());
    }
    Err(Error::Config(format!(
        "{}: images of {shape}; the network {} takes images of {taken} (channels, height, width); \
         data-cifar import --channels sets how many channels images have",
        path.display(),
        graph.name()
    )))
}
