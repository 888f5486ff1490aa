//! A network's weights with the masks that bind them, checked on the way in.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use artifact::manifest::Network;
use artifact::tensors::{self, Tensor, Tensors};
use artifact::{Error, Manifest, Normalisation, Result, names, record};
use graph::Graph;

use crate::{Current, Masks, check_sound};

/// A checkpoint as a finished stage left it.
pub struct Checkpoint {
    /// The artifact's folder.
    pub folder: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// Its network.
    pub graph: Graph,
    /// Every tensor of the parameter table, f32.
    pub tensors: Tensors,
    /// Its masks; none of a dense checkpoint.
    pub masks: Masks,
}

/// How a checkpoint was pruned.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// What chose the weights, where that is known.
    pub method: Option<record::Method>,
    /// Every prunable layer; none of a dense network.
    pub layers: Vec<record::Layer>,
}

impl History {
    /// Why the layer `name` is as sparse as it is; nothing where that is not known.
    pub fn reason(&self, name: &str) -> String {
        let layer = self.layers.iter().find(|layer| layer.name == name);
        layer.map(|layer| layer.reason.clone()).unwrap_or_default()
    }
}

impl Checkpoint {
    /// Opens the artifact in `folder`.
    ///
    /// # Errors
    /// [`Error::Missing`] where there is no artifact, [`Error::Config`] where it holds no network,
    /// [`Error::Integrity`] where a digest, the tensors' table or a masked weight is wrong.
    pub fn open(folder: &Path) -> Result<Self> {
        let manifest = Manifest::read(folder)?;
        let graph = network(&manifest, folder)?;
        class_names_fit(&manifest, folder)?;
        normalisation_fits(&manifest, &graph, folder)?;
        let path = manifest.verified(folder, names::MODEL)?;
        let (tensors, _) = tensors::read(&path)?;
        tensors::check_table(&tensors, &graph.table(), &path)?;
        check_sound(&graph, &tensors, &path)?;
        let masks = if manifest.has(names::MASK) {
            Masks::read(&manifest.verified(folder, names::MASK)?, &graph)?
        } else {
            Masks::default()
        };
        all_zero(&masks, &tensors, &path)?;
        Ok(Self { folder: folder.to_owned(), manifest, graph, tensors, masks })
    }

    /// The network of the artifact in `folder`, without its values.
    ///
    /// # Errors
    /// As [`Self::open`], of the manifest.
    pub fn network_of(folder: &Path) -> Result<Graph> {
        network(&Manifest::read(folder)?, folder)
    }

    /// The name of each class, in the order of the logits; none where the manifest does not say.
    pub fn class_names(&self) -> &[String] {
        self.manifest.network.as_ref().map_or(&[], |network| &network.class_names)
    }

    /// The normalisation of its images; none if the manifest has none.
    pub fn normalisation(&self) -> Option<&Normalisation> {
        self.manifest.network.as_ref().and_then(|network| network.normalisation.as_ref())
    }

    /// What a manifest says of its network, the names of the classes and the normalisation included.
    pub fn network(&self) -> Network {
        Network {
            class_names: self.class_names().to_vec(),
            normalisation: self.normalisation().cloned(),
            ..self.graph.network()
        }
    }

    /// How it was pruned, as its manifest says.
    ///
    /// # Errors
    /// [`Error::Config`] where the result is none of its stage.
    pub fn history(&self) -> Result<History> {
        let (manifest, folder) = (&self.manifest, &self.folder);
        Ok(match manifest.stage.as_str() {
            "pruner" => {
                let record: record::Pruning = manifest.result(folder)?;
                History { method: Some(record.method()), layers: record.layers }
            }
            "finetuner" => {
                let record::Finetuning { method, layers, .. } = manifest.result(folder)?;
                History { method, layers }
            }
            "trainer" => {
                let record::Training { method, layers, .. } = manifest.result(folder)?;
                History { method, layers }
            }
            _ => History::default(),
        })
    }

    /// Its weights, and the masks that bind them.
    pub fn current(&self) -> Current<'_> {
        Current { graph: &self.graph, tensors: &self.tensors, masks: &self.masks, measured: None }
    }

    /// The values of the parameter `name`.
    ///
    /// # Panics
    /// If the network has no such parameter.
    pub fn values(&self, name: &str) -> &[f32] {
        self.current().values(name)
    }
}

/// Refuses class names that are not one for each class.
fn class_names_fit(manifest: &Manifest, folder: &Path) -> Result<()> {
    let Some(network) = &manifest.network else { return Ok(()) };
    let different: BTreeSet<&String> = network.class_names.iter().collect();
    let found = network.class_names.len();
    if found == 0 || found == network.classes && found == different.len() {
        return Ok(());
    }
    Err(Error::Integrity(format!(
        "{}: {} class names, {} of them different; the network is for {} classes",
        folder.join(names::MANIFEST).display(),
        found,
        different.len(),
        network.classes
    )))
}

/// Refuses a normalisation that is none of the network's images.
fn normalisation_fits(manifest: &Manifest, graph: &Graph, folder: &Path) -> Result<()> {
    let known = manifest.network.as_ref().and_then(|network| network.normalisation.as_ref());
    let checked = known.map_or(Ok(()), |known| known.check(graph.images().c));
    checked.map_err(|what| {
        Error::Integrity(format!("{}: {what}", folder.join(names::MANIFEST).display()))
    })
}

fn network(manifest: &Manifest, folder: &Path) -> Result<Graph> {
    match &manifest.network {
        Some(network) if manifest.has(names::MODEL) => Graph::of(network),
        _ => Err(Error::Config(format!(
            "{}: made by {}, whose artifact holds no network; expected that of trainer, pruner or \
             finetuner",
            folder.display(),
            manifest.stage
        ))),
    }
}

fn all_zero(masks: &Masks, tensors: &Tensors, path: &Path) -> Result<()> {
    for (name, mask) in masks.iter() {
        let values = tensors.get(name).and_then(Tensor::as_f32).unwrap_or_default();
        if let Some(i) = mask.alive(values).next() {
            return Err(Error::Integrity(format!(
                "{}: tensor {name}: value {i} is {} where the mask has it pruned; expected 0",
                path.display(),
                values[i]
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mask;
    use artifact::{Begun, Finished, Staging, Timings, file, manifest, yaml::Value};

    const CONV: &str = "backbone.conv0.weight";

    /// Commits a network of ones under a mask of the first two weights, changed by `change`.
    fn opened(change: impl Fn(&mut Manifest, &mut Tensors, &Path)) -> Result<Checkpoint> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let out = dir.path().join("a");
        let graph = Graph::build("vgg-lab@0.03", 10, 32).expect("in the zoo");
        let mut masks = Masks::default();
        masks.insert(CONV, Mask::new((0..54).map(|i| i > 1).collect()));
        let ones = graph
            .params()
            .iter()
            .map(|p| (p.name.clone(), Tensor::f32(&p.shape, vec![1.0; p.count()])));
        let mut weights: Tensors = ones.collect();
        masks.apply(&mut weights);
        let mut manifest = described(&graph);
        let begun =
            Begun { stage: "t".into(), seed: 1, config: Value::Null, inputs: vec![], fresh: false };
        let staging = Staging::open(&out, &begun)?;
        change(&mut manifest, &mut weights, staging.folder());
        tensors::write(&staging.folder().join(names::MODEL), &weights, None)?;
        tensors::write(&staging.folder().join(names::MASK), &masks.tensors(&graph), None)?;
        staging.commit(
            Finished { manifest, timings: &Timings::default() },
            &[names::MODEL.into(), names::MASK.into()],
        )?;
        Checkpoint::open(&out)
    }

    fn described(graph: &Graph) -> Manifest {
        Manifest {
            format: manifest::FORMAT,
            stage: "t".into(),
            version: "0".into(),
            seed: 1,
            network: Some(graph.network()),
            inputs: vec![],
            outputs: vec![],
            config: Value::Null,
            result: Value::Null,
        }
    }

    fn refused(change: impl Fn(&mut Manifest, &mut Tensors, &Path), code: u8, expected: &str) {
        let error = opened(change).err().expect("refused");
        assert!(error.to_string().contains(expected), "{error} lacks {expected}");
        assert_eq!(error.exit_code(), code, "{error}");
    }

    #[test]
    fn a_sound_checkpoint_opens() {
        let checkpoint = opened(|_, _, _| ()).expect("sound");
        assert_eq!(checkpoint.masks.pruned(), 2);
        assert_eq!(checkpoint.values(CONV)[..3], [0.0, 0.0, 1.0]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let set = |t: &mut Tensors, shape: &[usize], values| {
            t.insert(CONV.to_owned(), Tensor::f32(shape, values));
        };
        refused(|m, _, _| m.network = None, 3, "made by t, whose artifact holds no network");
        refused(|_, t, _| drop(t.remove(CONV)), 5, "conv0.weight [2, 3, 3, 3] is missing");
        refused(|_, t, _| set(t, &[54], vec![0.0; 54]), 5, "has shape [54]");
        let known = |m: &mut Manifest, mean: &[f64]| {
            let normalisation = Normalisation { mean: mean.to_vec(), std: vec![0.25; 3] };
            m.network.as_mut().expect("described").normalisation = Some(normalisation);
        };
        assert!(opened(|m, _, _| known(m, &[0.5; 3])).expect("sound").normalisation().is_some());
        refused(|m, _, _| known(m, &[0.5]), 5, "mean [0.5] and std [0.25, 0.25, 0.25]; expected");
        let revived = "backbone.conv0.weight: value 0 is 1 where the mask has it pruned";
        refused(|_, t, _| set(t, &[2, 3, 3, 3], vec![1.0; 54]), 5, revived);
    }

    #[test]
    fn a_changed_file_is_noticed() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let graph = Graph::build("vgg-lab@0.03", 10, 32).expect("in the zoo");
        let mut manifest = described(&graph);
        file::write(&dir.path().join(names::MODEL), b"as it was").expect("writes");
        manifest.outputs = manifest::describe(dir.path(), &[names::MODEL.into()]).expect("there");
        artifact::yaml::write_sealed(&dir.path().join(names::MANIFEST), &manifest).expect("writes");
        file::write(&dir.path().join(names::MODEL), b"as it is!").expect("writes");
        assert_eq!(Checkpoint::open(dir.path()).err().expect("changed").exit_code(), 5);
    }
}
