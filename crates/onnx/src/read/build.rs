//! The drafts that the output needs as a graph with its tensors.

use std::collections::BTreeSet;
use std::rc::Rc;

use artifact::tensors::{Tensor, Tensors};
use artifact::{Error, Result};
use graph::{Builder, Graph};

use super::draft::{Draft, Step};
use super::lower::{LEAST_DISTANCE, lower};
use super::names::names;
use super::rewrite::rewrite;
use super::walk::{File, refused};
use super::{Ending, Imported, Said};

/// What a walk has found.
pub struct Walked<'a> {
    pub file: &'a File<'a>,
    pub drafts: Vec<Draft>,
    /// The draft of the logits.
    pub output: usize,
    pub notes: Vec<String>,
}

impl Walked<'_> {
    /// The network, called `name`.
    pub fn build(mut self, name: &str) -> Result<Imported> {
        rewrite(&mut self.drafts);
        let mut ending = Ending::Logits;
        if let Step::Softmax { log } = self.drafts[self.output].step {
            self.output = self.drafts[self.output].inputs[0];
            ending = if log { Ending::LogSoftmax } else { Ending::Softmax };
            self.notes
                .push("the softmax at the end is left out: training and scores take logits".into());
        }
        let needed = self.needed();
        (self.drafts, self.output) = lower(std::mem::take(&mut self.drafts), &needed, self.output);
        // All of them but the input, which is no node of its own.
        let used: Vec<usize> = (1..self.drafts.len()).collect();
        for &i in &used {
            self.known(i)?;
        }
        let nodes = &self.file.graph.node;
        let names = names(&self.drafts, &used, nodes, &mut self.notes);
        let graph = self.graph(name, &used, &names)?;
        let tensors = self.tensors(&graph, &used, &names)?;
        Ok(Imported { graph, tensors, notes: self.notes, ending, said: Said::default() })
    }

    /// Whether the output needs each draft.
    fn needed(&self) -> Vec<bool> {
        let mut needed = vec![false; self.drafts.len()];
        needed[self.output] = true;
        for i in (0..self.drafts.len()).rev().filter(|i| *i <= self.output) {
            if needed[i] {
                self.drafts[i].inputs.iter().for_each(|&input| needed[input] = true);
            }
        }
        needed
    }

    /// Refuses what remains of patterns that are none.
    fn known(&self, i: usize) -> Result<()> {
        let draft = &self.drafts[i];
        let what = match &draft.step {
            Step::Op(_) => return Ok(()),
            Step::Clip { low, high } => {
                format!(
                    "bounds {low} and {high}; expected the first to be the smaller, by {LEAST_DISTANCE:e} or more"
                )
            }
            Step::Tanh => unreachable!("lowered before"),
            Step::Erf => "supported as a part of GELU alone".into(),
            Step::Power(n) => format!("to the power of {n}; supported are whole numbers from 2 to 8, and 0.5 in a layer norm"),
            Step::Sqrt | Step::Reciprocal | Step::Ratio | Step::Less | Step::ChannelMean => {
                "supported as a part of a layer norm alone".into()
            }
            Step::PixelProduct => {
                "a product with one value a pixel; supported are equal shapes and one value a channel".into()
            }
            Step::Below(_) => "minus infinity is supported before a max pooling alone".into(),
            Step::Rows(_) | Step::Columns(_) => {
                "a matrix over rows or columns; supported are means over windows, and over channels".into()
            }
            Step::Softmax { .. } => "supported as the last operator alone".into(),
        };
        Err(refused(self.file, draft.site, &what))
    }

    fn graph(&self, name: &str, used: &[usize], names: &[String]) -> Result<Graph> {
        let mut builder = Builder::new(name, self.drafts[0].shape)?;
        let mut nodes = vec![0; self.drafts.len()];
        for &i in used {
            let draft = &self.drafts[i];
            let Step::Op(op) = draft.step else { unreachable!("refused before") };
            let inputs: Vec<usize> = draft.inputs.iter().map(|&input| nodes[input]).collect();
            nodes[i] = builder
                .push(&names[i], op, &inputs)
                .map_err(|e| refused(self.file, draft.site, &e.to_string()))?;
        }
        builder.finish().map_err(|e| Error::Config(format!("{}: {e}", self.file.place.origin)))
    }

    /// The tensors under the names of the graph's table.
    fn tensors(&mut self, graph: &Graph, used: &[usize], names: &[String]) -> Result<Tensors> {
        let origin = &self.file.place.origin;
        let mut all = Tensors::new();
        let mut seen = BTreeSet::new();
        for &i in used {
            for weight in std::mem::take(&mut self.drafts[i].weights) {
                let dot = if weight.suffix.is_empty() { "" } else { "." };
                let name = format!("{}{dot}{}", names[i], weight.suffix);
                let param = graph.param(&name).ok_or_else(|| {
                    Error::Config(format!("{origin}: tensor {name} has no place in the network"))
                })?;
                if !seen.insert(name.clone()) || param.count() != weight.values.len() {
                    return Err(Error::Config(format!("{origin}: two tensors are called {name}")));
                }
                let shape = param.shape.clone();
                let values = Rc::unwrap_or_clone(weight.values);
                if let Some(at) = values.iter().position(|v| !v.is_finite()) {
                    let what = format!("{origin}: tensor {name}: value {at} is {}", values[at]);
                    return Err(Error::Integrity(format!("{what}; expected finite numbers")));
                }
                all.insert(name, Tensor::f32(&shape, values));
            }
        }
        Ok(all)
    }
}
