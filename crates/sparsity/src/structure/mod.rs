//! Which weights are pruned together.

mod nm;
mod units;

use artifact::{Error, Named, Result};
use graph::{Graph, Op, Param};

pub use nm::Nm;
pub use units::Units;

/// Input channels of a block.
pub const BLOCK: usize = 4;

/// The unit of pruning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Structure {
    /// Each weight by itself.
    Weight,
    /// The weights of an output at one kernel position for four consecutive input channels; the last
    /// block of an output may be narrower. A convolution in groups has none. In a linear layer that reads a
    /// flattened map a block is four neighbouring values of that.
    Block4,
    /// All kernel positions of an output and an input channel.
    Kernel,
    /// All weights of an output channel. The layer that gives the answers has none.
    Channel,
    /// Single weights, of which each group of consecutive input channels loses equally many.
    Nm(Nm),
}

impl Named for Structure {
    const WHAT: &'static str = "structure";
    const ALL: &'static [Self] = &[
        Self::Weight,
        Self::Block4,
        Self::Kernel,
        Self::Channel,
        Self::Nm(Nm::TWO_OF_FOUR),
        Self::Nm(Nm::ONE_OF_FOUR),
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::Block4 => "block4",
            Self::Kernel => "kernel",
            Self::Channel => "channel",
            Self::Nm(nm) => nm.name(),
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Weight => "Each weight by itself",
            Self::Block4 => {
                "Four consecutive input channels at one kernel position, ranked by the sum of their scores; grouped \
                 convolutions are left as they are"
            }
            Self::Kernel => {
                "All kernel positions of an output and an input channel, ranked by the sum"
            }
            Self::Channel => {
                "All weights of an output channel, ranked by the sum; the layer that gives the answers is left as it is"
            }
            Self::Nm(Nm::TWO_OF_FOUR) => {
                "Single weights: of four consecutive input channels at one kernel position two are kept"
            }
            Self::Nm(_) => "One of four; any N:M with N below M and M up to 64 is allowed",
        }
    }

    fn parsed(word: &str) -> Option<Self> {
        Nm::parsed(word).map(Self::Nm)
    }
}

impl Structure {
    /// Its units, for people.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Weight | Self::Nm(_) => "weights",
            Self::Block4 => "blocks of four",
            Self::Kernel => "kernels",
            Self::Channel => "channels",
        }
    }

    /// The units of `param`, a weight of `graph`.
    ///
    /// # Errors
    /// [`Error::Config`] where it has none.
    pub fn units(self, graph: &Graph, param: &Param) -> Result<Units> {
        match self.lacks(graph, param) {
            None => Ok(self.units_of(param)),
            Some(why) => Err(Error::Config(format!(
                "{}: {why}; leave it out of the plan, or prune single weights (--structure weight)",
                param.name
            ))),
        }
    }

    /// Why `param` has no such units, if it has none.
    pub(crate) fn lacks(self, graph: &Graph, param: &Param) -> Option<String> {
        let groups = match &graph.nodes()[param.node].op {
            Op::Conv(conv) => conv.groups,
            _ => 1,
        };
        match self {
            Self::Block4 if groups > 1 => Some(format!(
                "a convolution in {groups} groups has no blocks of four input channels"
            )),
            Self::Channel if answers(graph, param.node) => {
                Some("gives the answers, one a channel, all of which stay".to_owned())
            }
            Self::Nm(nm) if units::inputs(param) < nm.of() => Some(format!(
                "has {} input channels, fewer than a group of {}",
                units::inputs(param),
                nm.of()
            )),
            _ => None,
        }
    }

    fn units_of(self, param: &Param) -> Units {
        match self {
            Self::Weight | Self::Nm(_) => Units::single(param),
            Self::Block4 => Units::blocks_of(&param.shape),
            Self::Kernel => Units::kernels_of(&param.shape),
            Self::Channel => Units::channels_of(&param.shape),
        }
    }

    /// Refuses a share of the weights that the structure cannot have; `what` says whose share it is.
    ///
    /// # Errors
    /// [`Error::Config`] with the share that it has.
    pub fn check(self, what: &str, sparsity: f64) -> Result<()> {
        match self {
            Self::Nm(nm) if (nm.sparsity() - sparsity).abs() > 1e-9 => Err(Error::Config(format!(
                "{what} {sparsity}: --structure {0} prunes {1} of every group; say {1}",
                nm.name(),
                nm.sparsity()
            ))),
            _ => Ok(()),
        }
    }
}

/// Whether the outputs of node `node` are the network's answers: no other weights lie between.
fn answers(graph: &Graph, node: usize) -> bool {
    let weighted = |n: usize| graph.prunable().any(|p| p.node == n);
    let mut open = vec![graph.nodes().len() - 1];
    let mut seen = vec![false; graph.nodes().len()];
    while let Some(n) = open.pop() {
        if n == node {
            return true;
        }
        if !std::mem::replace(&mut seen[n], true) && !weighted(n) {
            open.extend(&graph.nodes()[n].inputs);
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the layers of `spec` that have none of these units.
    fn without(structure: Structure, spec: &str) -> Vec<String> {
        let graph = Graph::build(spec, 10, 32).expect("in the zoo");
        let lacks = |p: &&Param| structure.lacks(&graph, p).is_some();
        graph.prunable().filter(lacks).map(|p| p.name.clone()).collect()
    }

    #[test]
    fn what_has_no_units() {
        let efficientnet = "efficientnet-b0@0.25";
        assert_eq!(
            without(Structure::Block4, efficientnet).len(),
            16,
            "one a block of the network"
        );
        for structure in [Structure::Weight, Structure::Kernel] {
            assert_eq!(without(structure, efficientnet), [""; 0]);
        }
        assert_eq!(without(Structure::Channel, "resnet18@0.25"), ["linear.weight"]);
        assert_eq!(without(Structure::Channel, "net10@0.1"), ["classifier.4.weight"]);
        let nm = Structure::Nm(Nm::TWO_OF_FOUR);
        assert_eq!(without(nm, "vgg-lab@0.25"), ["backbone.conv0.weight"], "three channels");
        let graph = Graph::build(efficientnet, 10, 32).expect("in the zoo");
        let error = graph.prunable().find_map(|p| Structure::Block4.units(&graph, p).err());
        let error = error.expect("grouped").to_string();
        assert!(error.contains("groups has no blocks of four input channels"), "{error}");
    }

    #[test]
    fn names_and_shares() {
        let named = |word: &str| Structure::named(word);
        for structure in Structure::ALL {
            assert_eq!(named(structure.name()).expect("known"), *structure);
        }
        let nm = named("3:8").expect("any");
        assert_eq!((nm.name(), nm.check("--sparsity", 0.625).is_ok()), ("3:8", true));
        let error = nm.check("--sparsity", 0.5).expect_err("another share").to_string();
        assert!(error.contains("--structure 3:8 prunes 0.625 of every group"), "{error}");
        for word in ["4:4", "0:4", "5:4", "2:", "2:4:8", ":4", "2:1000", "block5"] {
            assert!(named(word).is_err(), "{word}");
        }
    }
}
