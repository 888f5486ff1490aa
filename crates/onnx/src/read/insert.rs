//! Norms behind convolutions whose own were folded away.

use artifact::Result;
use artifact::tensors::{Tensor, Tensors};
use graph::op::BatchNorm;
use graph::{Builder, Graph, Node, Op};

use super::Imported;

/// The network with a batch norm behind every convolution that has none. Its statistics are those of nothing,
/// so that it computes what it did but for its epsilon; they are to be calibrated.
///
/// # Errors
/// [`artifact::Error::Config`] where that makes too many nodes.
pub fn insert_norms(imported: &Imported) -> Result<Imported> {
    let graph = &imported.graph;
    let mut builder = Builder::new(graph.name(), graph.images())?.init(graph.init());
    let mut places = vec![0; graph.nodes().len()];
    let mut tensors = imported.tensors.clone();
    let mut count = 0;
    for (i, node) in graph.nodes().iter().enumerate().skip(1) {
        let inputs: Vec<usize> = node.inputs.iter().map(|&i| places[i]).collect();
        places[i] = builder.push(&node.name, node.op, &inputs)?;
        if matches!(node.op, Op::Conv(_)) && !is_normed(graph, i) {
            let name = free(graph, &builder, node);
            places[i] = builder.push(&name, Op::BatchNorm(BatchNorm::default()), &[places[i]])?;
            tensors.extend(identity(&name, node.shape.c));
            count += 1;
        }
    }
    let mut notes = imported.notes.clone();
    notes.push(format!("batch norms put after convolutions: {count}"));
    Ok(Imported { graph: builder.finish()?, tensors, notes })
}

/// Whether a batch norm alone reads the convolution `i`.
fn is_normed(graph: &Graph, i: usize) -> bool {
    let mut readers = graph.nodes().iter().filter(|n| n.inputs.contains(&i));
    readers.all(|n| matches!(n.op, Op::BatchNorm(_))) && i + 1 != graph.nodes().len()
}

fn free(graph: &Graph, builder: &Builder, node: &Node) -> String {
    let mut name = format!("{}_norm", node.name);
    let known = |name: &str| graph.nodes().iter().any(|n| n.name == name);
    while builder.has(&name) || known(&name) {
        name.push('_');
    }
    name
}

fn identity(name: &str, c: usize) -> Tensors {
    let all = [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)];
    let of = |(suffix, value)| (format!("{name}.{suffix}"), Tensor::f32(&[c], vec![value; c]));
    all.into_iter().map(of).collect()
}
