//! What is packed, and what a file says of itself, fits together.

use std::path::Path;

use artifact::tensors;
use artifact::{Error, Result};
use graph::{Graph, Node, Op};
use sparsity::Mask;

use crate::file::DIGEST;
use crate::{Contents, Info};

/// The most values that a network may have: 4 GiB of them as f32.
const MOST_VALUES: u64 = 1 << 30;
/// The most values of one activation of one image: 256 MiB of them as f32.
const MOST_ACTIVATION: usize = 1 << 26;
/// The most pixels that a window may span: a thread holds sixteen images of them, 64 MiB.
const MOST_SPAN: usize = 1 << 20;

/// Whether `contents` can be packed.
///
/// # Errors
/// [`Error::Config`] where info or masks do not fit the network, [`Error::Integrity`] where tensors
/// do not fit it or disobey their masks, [`Error::Resource`] where there are too many values.
pub(crate) fn contents(contents: &Contents) -> Result<()> {
    let graph = &contents.graph;
    self::info(&contents.info, graph).map_err(Error::Config)?;
    size(graph)?;
    let origin = Path::new("what is to be packed");
    tensors::check_table(&contents.tensors, &graph.table(), origin)?;
    sparsity::check_sound(graph, &contents.tensors, origin)?;
    if graph.param(DIGEST).is_some() {
        let what = "a packed file keeps its digest under that name; give the node another";
        return Err(Error::Config(format!("tensor {DIGEST}: {what}")));
    }
    contents.masks.iter().try_for_each(|(name, mask)| obeyed(name, mask, contents))
}

/// Whether `info` describes inputs and outputs of `graph`; if not, why.
pub(crate) fn info(info: &Info, graph: &Graph) -> Result<(), String> {
    let (classes, channels) = (info.classes.len(), graph.nodes()[0].shape.c);
    if classes != graph.classes() {
        return Err(format!("{classes} class names; the network has {} classes", graph.classes()));
    }
    let plain = |name: &&String| !name.is_empty() && !name.chars().any(char::is_control);
    if let Some(name) = info.classes.iter().find(|name| !plain(name)) {
        return Err(format!("class name {name:?}; expected a name without control characters"));
    }
    info.normalisation().check(channels)
}

/// Whether the values of `graph` and the activations of an image can be held in memory.
pub(crate) fn size(graph: &Graph) -> Result<()> {
    let bad = |what: String| Err(Error::Resource(format!("network {}: {what}", graph.name())));
    let values: u64 = graph.params().iter().map(|p| p.count() as u64).sum();
    if values > MOST_VALUES {
        return bad(format!("{values} values; a packed file holds up to {MOST_VALUES}"));
    }
    let nodes = graph.nodes();
    let read = |n: &Node| n.inputs.iter().map(|i| n.op.padded(nodes[*i].shape).count()).max();
    let largest =
        nodes.iter().map(|n| read(n).unwrap_or(0).max(n.shape.count())).max().unwrap_or(0);
    if largest > MOST_ACTIVATION {
        return bad(format!(
            "an activation of {largest} values for images of {}; expected up to {MOST_ACTIVATION}",
            graph.images()
        ));
    }
    if let Some(window) = nodes.iter().filter_map(|n| widest(n.op)).max() {
        return bad(format!(
            "a window that spans {window} pixels; expected up to {MOST_SPAN} (a kernel's taps, dilation included)"
        ));
    }
    Ok(())
}

/// The pixels that the window of a convolution spans, where they are more than [`MOST_SPAN`].
fn widest(op: Op) -> Option<usize> {
    let Op::Conv(conv) = op else { return None };
    let span = conv.window.span();
    Some(span.h.saturating_mul(span.w)).filter(|pixels| *pixels > MOST_SPAN)
}

/// A pruned value is a zero. It may be -0, as products with a mask leave it; it comes back as +0.
fn obeyed(name: &str, mask: &Mask, contents: &Contents) -> Result<()> {
    let param = contents.graph.param(name).filter(|p| p.trainable());
    if param.is_none_or(|p| p.count() != mask.len()) {
        return Err(Error::Config(format!(
            "mask {name}: {} flags; the network has no such parameter with as many values",
            mask.len()
        )));
    }
    let values = contents.tensors[name].as_f32().unwrap_or_default();
    match mask.revived(values) {
        0 => Ok(()),
        revived => Err(Error::Integrity(format!(
            "tensor {name}: {revived} values are not 0 where the mask has them pruned; expected 0"
        ))),
    }
}
