//! Norms whose statistics do not move.

use artifact::Result;
use artifact::tensors::{Tensor, Tensors};

use crate::fold::affine;
use crate::op::{Scale, Shift};
use crate::{Builder, Graph, Op, Role};

/// A network of equal answers without batch norms.
#[derive(Debug, Clone, PartialEq)]
pub struct Fixed {
    /// The network: a factor and a summand a channel in the place of each batch norm.
    pub graph: Graph,
    /// Its tensors; those of all other nodes are as they were, under the same names.
    pub tensors: Tensors,
}

impl Graph {
    /// The network with `tensors`, where every batch norm uses its running statistics for good. Walks of training then
    /// give the gradients of the network that answers.
    ///
    /// # Errors
    /// [`artifact::Error::Config`] where that makes too many nodes.
    ///
    /// # Panics
    /// If a tensor of the table is missing.
    pub fn with_fixed_norms(&self, tensors: &Tensors) -> Result<Fixed> {
        let input = &self.nodes()[0];
        let mut builder = Builder::named(self.name(), &input.name, input.shape)?.init(self.init());
        let (mut places, mut made) = (vec![0; self.nodes().len()], Tensors::new());
        for (i, node) in self.nodes().iter().enumerate().skip(1) {
            let inputs: Vec<usize> = node.inputs.iter().map(|&i| places[i]).collect();
            if !matches!(node.op, Op::BatchNorm(_)) {
                places[i] = builder.push(&node.name, node.op, &inputs)?;
                continue;
            }
            let values = |role: Role| {
                let param = &self.params()[self.index_of(i, role)?];
                tensors.get(&param.name).and_then(Tensor::as_f32)
            };
            let norm = affine(node.op, node.shape.c, values);
            let factor_name = self.free(&builder, node, "_factor");
            let scaled = builder.push(&factor_name, Op::Scale(Scale { frozen: true }), &inputs)?;
            places[i] = builder.push(&node.name, Op::Shift(Shift { frozen: true }), &[scaled])?;
            let both = norm.mean.iter().zip(&norm.factor).zip(&norm.shift);
            let shift = both.map(|((mean, factor), shift)| shift - mean * factor).collect();
            let shape = [node.shape.c, 1, 1];
            made.insert(factor_name, Tensor::f32(&shape, norm.factor));
            made.insert(node.name.clone(), Tensor::f32(&shape, shift));
        }
        let graph = builder.finish()?;
        for param in graph.params() {
            if let Some(tensor) =
                tensors.get(&param.name).filter(|_| !made.contains_key(&param.name))
            {
                made.insert(param.name.clone(), tensor.clone());
            }
        }
        Ok(Fixed { graph, tensors: made })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_norm_becomes_a_factor_and_a_summand() {
        let text = "secateur-graph 1\nimage = input channels=1 height=2 width=2\n\
            a = conv(image) outputs=2 kernel=1 bias=false\nb = batch-norm(a) eps=0\nc = flatten(b)\n\
            d = linear(c) outputs=2\n";
        let graph = Graph::parse(text, "test", "test").expect("a graph");
        let of = |name: &str, count: usize| match name {
            "b.running_mean" => vec![1.0, 2.0],
            "b.running_var" => vec![4.0, 0.25],
            "b.weight" => vec![3.0, 1.0],
            "b.bias" => vec![0.5, -1.0],
            _ => vec![7.0; count],
        };
        let named = graph.params().iter();
        let tensors: Tensors = named
            .map(|p| (p.name.clone(), Tensor::f32(&p.shape, of(&p.name, p.count()))))
            .collect();
        let fixed = graph.with_fixed_norms(&tensors).expect("fits");
        let expected = text.replace(
            "b = batch-norm(a) eps=0",
            "b_factor = scale(a) frozen=true\nb = shift(b_factor) frozen=true",
        );
        assert_eq!(fixed.graph.to_string(), expected);
        assert_eq!(fixed.tensors["b_factor"].as_f32(), Some([1.5, 2.0].as_slice()));
        assert_eq!(fixed.tensors["b"].as_f32(), Some([-1.0, -5.0].as_slice()));
        assert_eq!(fixed.tensors["a.weight"], tensors["a.weight"]);
        assert_eq!(fixed.tensors.len(), fixed.graph.params().len());
    }
}
