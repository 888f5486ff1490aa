//! Batch norms behind convolutions whose own were folded away.

use artifact::Result;

use crate::op::BatchNorm;
use crate::{Builder, Graph, Node, Op};

/// A network into which batch norms were put.
#[derive(Debug, Clone, PartialEq)]
pub struct Normed {
    /// The network.
    pub graph: Graph,
    /// The nodes that were inserted, in order.
    pub norms: Vec<usize>,
}

impl Graph {
    /// The network with a batch norm behind every convolution that has none.
    ///
    /// # Errors
    /// [`artifact::Error::Config`] where that makes too many nodes.
    pub fn normed(&self) -> Result<Normed> {
        let input = &self.nodes()[0];
        let mut builder = Builder::named(self.name(), &input.name, input.shape)?.init(self.init());
        let mut places = vec![0; self.nodes().len()];
        let mut norms = vec![];
        for (i, node) in self.nodes().iter().enumerate().skip(1) {
            let inputs: Vec<usize> = node.inputs.iter().map(|&i| places[i]).collect();
            places[i] = builder.push(&node.name, node.op, &inputs)?;
            if matches!(node.op, Op::Conv(_)) && !self.is_normed(i) {
                let name = self.free(&builder, node, "_norm");
                places[i] =
                    builder.push(&name, Op::BatchNorm(BatchNorm::default()), &[places[i]])?;
                norms.push(places[i]);
            }
        }
        Ok(Normed { graph: builder.finish()?, norms })
    }

    /// Whether batch norms alone read the convolution `i`.
    fn is_normed(&self, i: usize) -> bool {
        let mut readers = self.nodes().iter().filter(|n| n.inputs.contains(&i));
        readers.all(|n| matches!(n.op, Op::BatchNorm(_))) && i + 1 != self.nodes().len()
    }

    /// A name that no node has, of `node`'s and this ending.
    pub(crate) fn free(&self, builder: &Builder, node: &Node, ending: &str) -> String {
        let mut name = format!("{}{ending}", node.name);
        while builder.has(&name) || self.nodes().iter().any(|n| n.name == name) {
            name.push('_');
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn norms_are_put_behind_convolutions_that_have_none() {
        let text = "secateur-graph 1\nimage = input channels=3 height=4 width=4\n\
            a = conv(image) outputs=4 kernel=3\nb = batch-norm(a)\nc = conv(b) outputs=5 kernel=1\n\
            d = flatten(c)\ne = linear(d) outputs=2\n";
        let graph = Graph::parse(text, "test", "test").expect("a graph");
        let found = graph.normed().expect("fits");
        let expected = text.replace("kernel=1\n", "kernel=1\nc_norm = batch-norm(c)\n");
        let expected = expected.replace("flatten(c)", "flatten(c_norm)");
        assert_eq!(found.graph.to_string(), expected);
        assert_eq!(found.norms, [4]);
    }
}
