//! A file of `PyTorch`'s, fitted to a network of ours.

use std::path::{Path, PathBuf};

use artifact::manifest::Network;
use artifact::tensors::{Tensor, Tensors};
use artifact::{Error, Manifest, Normalisation, Result, record};
use clap::Args;
use graph::{Graph, Param, Shape};
use pytorch::{Fitted, Selection, Slot};
use sparsity::Masks;

/// How a bare file becomes a network.
#[derive(Debug, Clone, Args)]
pub struct Fitting {
    /// Network of a bare file: a name, with @WIDTH behind it if wanted, or a graph's text
    #[arg(long, value_name = "NAME[@WIDTH]|FILE.net")]
    pub network: Option<String>,
    /// Checkpoint whose network a bare file is for; its class names and normalisation are taken over
    #[arg(long, value_name = "DIR", conflicts_with_all = ["network", "side"])]
    pub like: Option<PathBuf>,
    /// Key of the state_dict in the file, dots going deeper (default: found by its content)
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Module of a bare file whose tensors alone are taken, its path removed from their names
    #[arg(long, value_name = "PATH")]
    pub prefix: Option<String>,
    /// Tensors of a bare file to leave out, by name as the file has it; * is any text, ? one character
    #[arg(long, value_name = "PATTERN")]
    pub ignore: Vec<String>,
    /// File of masks (0 or 1) for a bare file, under the names of the weights or with _mask behind them
    #[arg(long, value_name = "FILE")]
    pub masks: Option<PathBuf>,
    /// Height and width of the images in pixels; 0 takes the network's usual ones
    #[arg(long, default_value_t = 0, value_name = "PIXELS")]
    pub side: usize,
}

/// A network as a file or a checkpoint gave it.
pub struct Found {
    /// The network.
    pub graph: Graph,
    /// Every tensor of its table.
    pub tensors: Tensors,
    /// What is pruned.
    pub masks: Masks,
    /// The name of each class; none where they are not known.
    pub class_names: Vec<String>,
    /// The normalisation of its images, if known.
    pub normalisation: Option<Normalisation>,
    /// What pruned it, if known.
    pub method: Option<record::Method>,
    /// What was done on the way, for people.
    pub notes: Vec<String>,
}

impl Found {
    /// What a manifest says of its network, the names of the classes and the normalisation included.
    pub fn network(&self) -> Network {
        Network {
            class_names: self.class_names.clone(),
            normalisation: self.normalisation.clone(),
            ..self.graph.network()
        }
    }
}

impl Fitting {
    /// Reads the file at `path` as this network, for `classes` classes where that is given. With `new_head`, a seed, a
    /// last layer for another number of classes is drawn anew.
    ///
    /// # Errors
    /// As [`pytorch::read`]; `Config` without --network or --like, `Integrity` where the tensors are not the
    /// network's.
    pub fn read(
        &self,
        path: &Path,
        classes: Option<usize>,
        new_head: Option<u64>,
    ) -> Result<Found> {
        let graph = self.graph(path, classes)?;
        let (mut fitted, mut notes) = self.fitted(path, &graph)?;
        let drawn = new_head.filter(|_| !head_fits(&graph, &fitted.tensors));
        if let Some(drawn) = drawn.map(|seed| draw_head(&graph, seed)) {
            notes.push(format!("drawn anew for {} classes: {}", graph.classes(), names(&drawn)));
            fitted.masks.retain(|name, _| !drawn.contains_key(name));
            fitted.tensors.extend(drawn);
        }
        self.check(&graph, &fitted, path)?;
        sparsity::check_sound(&graph, &fitted.tensors, path)?;
        let masks = Masks::of_tensors(&fitted.masks, &graph, path)?;
        let tensors = fitted.tensors;
        let known = self.known(&graph)?;
        let (class_names, normalisation) = (known.class_names, known.normalisation);
        Ok(Found { graph, tensors, masks, class_names, normalisation, method: None, notes })
    }

    /// What the checkpoint --like says of `graph`: the names of its classes, if they are as many, and the
    /// normalisation.
    fn known(&self, graph: &Graph) -> Result<Network> {
        let like = self.like.as_deref().map(Manifest::read).transpose()?;
        let mut known = like.and_then(|m| m.network).unwrap_or_else(|| graph.network());
        if known.class_names.len() != graph.classes() {
            known.class_names.clear();
        }
        Ok(known)
    }

    /// The network that the flags name for the bare file `path`.
    fn graph(&self, path: &Path, classes: Option<usize>) -> Result<Graph> {
        match (&self.network, &self.like) {
            (Some(network), _) => usual(network, classes, self.side),
            (None, Some(folder)) => {
                let graph = sparsity::Checkpoint::network_of(folder)?;
                match classes.filter(|n| *n != graph.classes()) {
                    Some(classes) => graph.with_classes(classes),
                    None => Ok(graph),
                }
            }
            (None, None) => {
                let what = "a bare file needs --network NAME, or --like CHECKPOINT";
                Err(Error::Config(format!("{}: {what}", path.display())))
            }
        }
    }

    /// The tensors of `path` under the names of `graph`, with the masks of --masks; and what was done.
    fn fitted(&self, path: &Path, graph: &Graph) -> Result<(Fitted, Vec<String>)> {
        let bad =
            |path: &Path, what: String| Error::Integrity(format!("{}: {what}", path.display()));
        let (key, prefix) = (self.key.as_deref(), self.prefix.as_deref());
        let state = pytorch::read(path, &Selection { key, prefix, ignore: &self.ignore })?;
        let slots = slots(graph);
        let mut fitted = pytorch::fit(&state, &slots).map_err(|e| bad(path, e))?;
        if let Some(file) = &self.masks {
            let masks = pytorch::read(file, &Selection::default())?;
            pytorch::separate_masks(&mut fitted, &masks, &slots).map_err(|e| bad(file, e))?;
        }
        let notes = [state.notes, fitted.notes()].concat();
        Ok((fitted, notes))
    }

    /// Compares with the network's table; the message says what is wrong and what to do.
    fn check(&self, graph: &Graph, fitted: &Fitted, path: &Path) -> Result<()> {
        let bad = |what: String| Err(Error::Integrity(format!("{}: {what}", path.display())));
        let spec = graph.name();
        for (at, param) in graph.params().iter().enumerate() {
            let (name, expected) = (&param.name, &param.shape);
            match fitted.tensors.get(name) {
                None => {
                    let slots = slots(graph);
                    let hint = pytorch::missing(fitted, (at, &slots), self.prefix.as_deref());
                    return bad(format!("tensor {name} {expected:?} of {spec} is missing{hint}"));
                }
                Some(t) if t.shape != *expected => {
                    let found = &t.shape;
                    let advice = advice(graph, param, found);
                    return bad(format!(
                        "tensor {name} has shape {found:?}; {spec} has {expected:?}{advice}"
                    ));
                }
                Some(_) => {}
            }
        }
        if fitted.surplus.is_empty() {
            return Ok(());
        }
        bad(self.surplus(graph, fitted))
    }

    /// What to say of tensors that the network has no place for.
    fn surplus(&self, graph: &Graph, fitted: &Fitted) -> String {
        const MOST: usize = 12;
        let front = self
            .prefix
            .as_deref()
            .map_or_else(String::new, |p| format!("{}.", p.trim_end_matches('.')));
        let all: Vec<String> = fitted
            .surplus
            .iter()
            .map(|s| pytorch::shown(&format!("{front}{}", s.array.name)))
            .collect();
        let spec = graph.name();
        let [one] = &all[..] else {
            let (first, more) =
                (all[..all.len().min(MOST)].join(", "), all.len().saturating_sub(MOST));
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            return format!(
                "tensors {first}{more} are surplus: {spec} has none of these names; --ignore PATTERN, as \
                 often as needed, leaves them out"
            );
        };
        let array = &fitted.surplus[0].array;
        format!(
            "tensor {one} ({} {:?}) is surplus: {spec} has none of that name; --ignore '{one}' leaves it \
             out",
            array.dtype, array.shape
        )
    }
}

/// The table of `graph` as a file of PyTorch's is brought to it: its names, and torchvision's.
pub fn slots(graph: &Graph) -> Vec<Slot> {
    let other = graph.torchvision();
    let slot = |p: &Param| {
        let alias = other.map(|names| names.of(&p.name)).filter(|alias| *alias != p.name);
        Slot { name: p.name.clone(), shape: p.shape.clone(), alias }
    };
    graph.params().iter().map(slot).collect()
}

/// The network `network` for images of `side` pixels, or of its usual ones where that is 0.
pub fn usual(network: &str, classes: Option<usize>, side: usize) -> Result<Graph> {
    if !graph::source::is_file(network) {
        return graph::source::open(network, classes, (side > 0).then(|| side.into()));
    }
    let graph = graph::source::open(network, classes, None)?;
    let Shape { h, w, .. } = graph.images();
    if side > 0 && (h, w) != (side, side) {
        return Err(Error::Config(format!(
            "{network}: its images are {h} x {w}; --side {side} is given"
        )));
    }
    Ok(graph)
}

fn head_fits(graph: &Graph, tensors: &Tensors) -> bool {
    graph.head_params().all(|p| tensors.get(&p.name).is_some_and(|t| t.shape == p.shape))
}

/// Values before training of the last layer.
pub fn draw_head(graph: &Graph, seed: u64) -> Tensors {
    let drawn = |p: &Param| Tensor::f32(&p.shape, graph::initial_of(graph, p, seed));
    graph.head_params().map(|p| (p.name.clone(), drawn(p))).collect()
}

fn names(tensors: &Tensors) -> String {
    tensors.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn advice(graph: &Graph, param: &Param, found: &[usize]) -> String {
    let reversed = found.iter().rev().eq(&param.shape);
    if let ([classes, rest @ ..], [_, own @ ..]) = (found, &param.shape[..])
        && (Some(param.node) == graph.head() && rest == own)
    {
        return format!(
            " for {} classes: models import --replace-head draws a new last layer, --classes \
             {classes} keeps this one",
            graph.classes()
        );
    }
    match (reversed, found.len()) {
        (true, 2) => "; it is transposed; PyTorch keeps outputs x inputs".to_owned(),
        (_, 4) if param.shape.len() == 4 && found[2..] != param.shape[2..] => {
            "; its kernels are of another size, so it is another network".to_owned()
        }
        (_, n) if n != param.shape.len() => String::new(),
        _ => "; is it another width (NAME@WIDTH) or another network?".to_owned(),
    }
}

/// A checkpoint's folder or, with `fitting`, a bare file.
pub fn open(path: &Path, fitting: &Fitting, classes: Option<usize>) -> anyhow::Result<Found> {
    if artifact::file::is_folder(path)? {
        let c = sparsity::Checkpoint::open(path)?;
        let method = c.history()?.method;
        let (class_names, normalisation) = (c.class_names().to_vec(), c.normalisation().cloned());
        let (graph, tensors, masks) = (c.graph, c.tensors, c.masks);
        let notes = vec![];
        return Ok(Found { graph, tensors, masks, class_names, normalisation, method, notes });
    }
    let found = fitting.read(path, classes, None)?;
    for note in &found.notes {
        tracing::info!("{note}");
    }
    Ok(found)
}
