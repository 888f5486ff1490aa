//! A checkpoint and a dataset brought together: their classes must be the same ones.

use std::path::Path;

use artifact::{Error, Result};
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

/// A dataset whose labels are the network's.
pub struct Matched {
    /// The images.
    pub data: Dataset,
    /// The name of each class, in the order of the logits.
    pub classes: Vec<String>,
}

impl ClassFlags {
    /// The dataset `data`, of folder `path`, for the network `graph`, whose classes are `names`; none
    /// where they are not known. Images of another size are resized.
    ///
    /// # Errors
    /// [`Error::Config`] where the images have another number of channels, where their numbers of
    /// classes differ, or their names and no flag says how to go on.
    pub fn matched(
        self,
        graph: &Graph,
        names: &[String],
        data: Dataset,
        path: &Path,
    ) -> Result<Matched> {
        check_channels(graph, data.info.shape, path)?;
        let classes = self.names(graph, names, &data.info.classes, path)?;
        Ok(Matched { data: data.agreeing(&classes), classes: classes.names })
    }

    /// As [`ClassFlags::matched`], of a dataset's class names alone.
    pub fn names(
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
