//! A file of `PyTorch`'s, fitted to a network of ours.

use std::path::Path;

use artifact::tensors::{self, Tensor, Tensors};
use artifact::{Error, Result, nearest};
use clap::Args;
use graph::{Graph, Param};
use sparsity::Masks;

/// How a bare file becomes a network.
#[derive(Debug, Clone, Args)]
pub struct Fitting {
    /// Network of a bare file, with @WIDTH behind it if wanted
    #[arg(long, value_name = "NAME[@WIDTH]")]
    pub network: Option<String>,
    /// Key of the state_dict in the file, dots going deeper (default: found by its content)
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
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
    /// What was done on the way, for people.
    pub notes: Vec<String>,
}

impl Fitting {
    /// Reads the file at `path` as this network for `classes` classes. With `new_head`, a seed, a
    /// last layer for another number of classes is drawn anew.
    ///
    /// # Errors
    /// As [`pytorch::read`]; `Config` without --network, `Integrity` where the tensors are not the
    /// network's.
    pub fn read(&self, path: &Path, classes: usize, new_head: Option<u64>) -> Result<Found> {
        let Some(network) = &self.network else {
            let what = format!("{}: a bare file needs --network NAME", path.display());
            return Err(Error::Config(what));
        };
        let graph = usual(network, classes, self.side)?;
        let found = pytorch::read(path, self.key.as_deref())?;
        let (mut tensors, mut notes) = (found.tensors, found.notes);
        let mut masks = found.masks;
        if let Some(seed) = new_head.filter(|_| !head_fits(&graph, &tensors)) {
            let drawn = draw_head(&graph, seed);
            notes.push(format!("drawn anew for {classes} classes: {}", names(&drawn)));
            masks.retain(|name, _| !drawn.contains_key(name));
            tensors.extend(drawn);
        }
        check(&graph, &tensors, path)?;
        let masks = Masks::of_tensors(&masks, &graph, path)?;
        Ok(Found { graph, tensors, masks, class_names: vec![], notes })
    }
}

/// The network `spec` for images of `side` pixels, or of its usual ones where that is 0.
pub fn usual(spec: &str, classes: usize, side: usize) -> Result<Graph> {
    let side = match side {
        0 => graph::usual_side(&graph::Spec::parse(spec)?.name),
        side => side,
    };
    Graph::build(spec, classes, side)
}

/// The parameters of the last layer.
fn head(graph: &Graph) -> impl Iterator<Item = &Param> {
    let last = graph.nodes().len() - 1;
    graph.params().iter().filter(move |p| p.node == last)
}

fn head_fits(graph: &Graph, tensors: &Tensors) -> bool {
    head(graph).all(|p| tensors.get(&p.name).is_some_and(|t| t.shape == p.shape))
}

fn draw_head(graph: &Graph, seed: u64) -> Tensors {
    let drawn = graph.params().iter().zip(graph::initial(graph, seed));
    let last = graph.nodes().len() - 1;
    let own = drawn.filter(|(p, _)| p.node == last);
    own.map(|(p, values)| (p.name.clone(), Tensor::f32(&p.shape, values))).collect()
}

fn names(tensors: &Tensors) -> String {
    tensors.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Compares with the network's table; what is wrong is told with what to do.
fn check(graph: &Graph, tensors: &Tensors, path: &Path) -> Result<()> {
    let bad = |what: String| Err(Error::Integrity(format!("{}: {what}", path.display())));
    let spec = graph.spec();
    for param in graph.params() {
        let (name, expected) = (&param.name, &param.shape);
        match tensors.get(name) {
            None => {
                let hint = nearest::hint(name, tensors.keys().map(String::as_str));
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
    tensors::check_table(tensors, &graph.table(), path)
}

fn advice(graph: &Graph, param: &Param, found: &[usize]) -> String {
    let reversed = found.iter().rev().eq(&param.shape);
    if let ([classes, rest @ ..], [_, own @ ..]) = (found, &param.shape[..])
        && (param.node == graph.nodes().len() - 1 && rest == own)
    {
        return format!(
            " for {} classes: models import --replace-head draws a new last layer, --classes \
             {classes} keeps this one",
            graph.classes()
        );
    }
    match (reversed, found.len()) {
        (true, 2) => "; it is transposed; PyTorch keeps outputs x inputs".to_owned(),
        (_, n) if n != param.shape.len() => String::new(),
        _ => "; is it another width (NAME@WIDTH) or another network?".to_owned(),
    }
}

/// A checkpoint's folder or, with `fitting`, a bare file.
pub fn open(path: &Path, fitting: &Fitting, classes: usize) -> anyhow::Result<Found> {
    if artifact::file::is_folder(path)? {
        let c = sparsity::Checkpoint::open(path)?;
        let class_names = c.class_names().to_vec();
        let (graph, tensors, masks) = (c.graph, c.tensors, c.masks);
        return Ok(Found { graph, tensors, masks, class_names, notes: vec![] });
    }
    Ok(fitting.read(path, classes, None)?)
}
