//! Which weights are pruned together.

use artifact::{Error, Named, Result};
use graph::{Graph, Op, Param};

use crate::Mask;

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
}

/// How the weights of a parameter fall into units that are pruned as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Units {
    /// Input channels of a unit.
    width: usize,
    outputs: usize,
    inputs: usize,
    /// Places of the kernel.
    taps: usize,
}

impl Named for Structure {
    const WHAT: &'static str = "structure";
    const ALL: &'static [Self] = &[Self::Weight, Self::Block4];

    fn name(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::Block4 => "block4",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Weight => "Each weight by itself",
            Self::Block4 => {
                "Four consecutive input channels at one kernel position, ranked by the sum of their scores; grouped \
                 convolutions are left as they are"
            }
        }
    }
}

impl Structure {
    /// Its units, for people.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Weight => "weights",
            Self::Block4 => "blocks of four",
        }
    }

    /// The units of `param`, a weight of `graph`.
    ///
    /// # Errors
    /// [`Error::Config`] where it has none.
    pub fn units(self, graph: &Graph, param: &Param) -> Result<Units> {
        let outputs = param.shape.first().copied().unwrap_or(1);
        if self == Self::Weight {
            // A row of single weights, whatever the shape.
            return Ok(Units { width: 1, outputs, inputs: param.fan_in(), taps: 1 });
        }
        if let Op::Conv(conv) = &graph.nodes()[param.node].op
            && conv.groups > 1
        {
            return Err(Error::Config(format!(
                "{}: a convolution in {} groups has no blocks of four input channels; leave it out of the \
                 plan, or prune single weights (--structure weight)",
                param.name, conv.groups
            )));
        }
        Ok(Units::blocks_of(&param.shape))
    }
}

impl Units {
    /// The [blocks](Structure::Block4) of a weight of this shape, `outputs x inputs x kernel`.
    pub fn blocks_of(shape: &[usize]) -> Self {
        let (outputs, inputs) = (shape[0], shape.get(1).copied().unwrap_or(1));
        Self { width: BLOCK, outputs, inputs, taps: shape.iter().skip(2).product() }
    }

    /// The weights of a unit; the last of an output may have fewer.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Blocks of input channels.
    fn blocks(&self) -> usize {
        self.inputs.div_ceil(self.width)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.outputs * self.blocks() * self.taps
    }

    /// The unit of each weight in turn. Units are in the order (output, block of inputs, place of the kernel).
    fn of_each(&self) -> impl Iterator<Item = usize> {
        let Self { width, outputs, inputs, taps } = *self;
        let rows = (0..outputs).flat_map(move |o| (0..inputs).map(move |i| (o, i)));
        let first = self.blocks();
        rows.flat_map(move |(o, i)| {
            let unit = (o * first + i / width) * taps;
            unit..unit + taps
        })
    }

    /// The flat indices of the weights of `units` (ascending), in ascending order.
    pub fn weights(&self, units: &[u32]) -> Vec<u32> {
        let taps = self.taps as u32;
        let row = |unit: u32| (unit / taps) as usize;
        let mut all = Vec::with_capacity(units.len() * self.width);
        // Those of one output and block lie in the same rows of the kernel.
        for units in units.chunk_by(|a, b| row(*a) == row(*b)) {
            let (output, block) = (row(units[0]) / self.blocks(), row(units[0]) % self.blocks());
            let inputs = block * self.width..self.inputs.min((block + 1) * self.width);
            for input in inputs {
                let first = ((output * self.inputs + input) * self.taps) as u32;
                all.extend(units.iter().map(|unit| first + unit % taps));
            }
        }
        all
    }

    /// The sum over each unit of `scores`, one a weight: its L1 norm where these are absolute values.
    pub fn sums(&self, scores: &[f32]) -> Vec<f32> {
        if self.width == 1 {
            return scores.to_vec();
        }
        let mut sums = vec![0.0; self.count()];
        scores.iter().zip(self.of_each()).for_each(|(score, unit)| sums[unit] += score);
        sums
    }

    /// Whether `weights` keeps all of each unit or nothing.
    pub fn keeps_whole(&self, weights: &Mask) -> bool {
        let units = self.unit_mask(weights);
        weights.kept().iter().zip(self.of_each()).all(|(kept, unit)| *kept == units.kept()[unit])
    }

    /// The mask of units: a unit is kept where `weights` keeps any of it.
    pub fn unit_mask(&self, weights: &Mask) -> Mask {
        if self.width == 1 {
            return weights.clone();
        }
        let mut kept = vec![false; self.count()];
        weights.kept().iter().zip(self.of_each()).for_each(|(keeps, unit)| kept[unit] |= keeps);
        Mask::new(kept)
    }

    /// The mask of weights: kept where the unit is, and `before` keeps the weight too.
    pub fn weight_mask(&self, units: &Mask, before: Option<&Mask>) -> Mask {
        if self.width == 1 && before.is_none() {
            return units.clone();
        }
        let open = |i: usize| before.is_none_or(|mask| mask.kept()[i]);
        let weights = self.of_each().enumerate();
        Mask::new(weights.map(|(i, unit)| units.kept()[unit] && open(i)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_block_may_be_narrower() {
        let units = Units { width: 4, outputs: 2, inputs: 5, taps: 2 };
        assert_eq!(units.count(), 8);
        // Weights are (output, input, tap): those of output 0 count from 0, of output 1 from 100.
        let scores: Vec<f32> = (0..10).chain(100..110).map(|v| v as f32).collect();
        let sums = units.sums(&scores);
        assert_eq!(sums, [12.0, 16.0, 8.0, 9.0, 412.0, 416.0, 108.0, 109.0]);
    }

    #[test]
    fn masks_there_and_back() {
        let units = Units { width: 4, outputs: 1, inputs: 5, taps: 2 };
        let of = |places: &[usize]| Mask::new((0..10).map(|i| !places.contains(&i)).collect());
        // A unit is gone when all its weights are: inputs 0 to 3 at tap 0, and input 4 at tap 1.
        let before = of(&[0, 2, 4, 6, 9, 1]);
        assert_eq!(units.unit_mask(&before).kept(), [false, true, true, false]);
        let units_kept = Mask::new(vec![false, true, false, false]);
        assert_eq!(units.weight_mask(&units_kept, Some(&before)), of(&[0, 2, 4, 6, 9, 1, 8]));
        assert_eq!(units.weight_mask(&units_kept, None), of(&[0, 2, 4, 6, 8, 9]));
        assert_eq!(units.weights(&[1]), [1, 3, 5, 7]);
        assert_eq!(units.weights(&[0, 1, 3]), [0, 1, 2, 3, 4, 5, 6, 7, 9]);
    }

    #[test]
    fn groups_have_no_blocks() {
        let graph = Graph::build("efficientnet-b0@0.25", 10, 32).expect("in the zoo");
        let refused = graph.prunable().filter_map(|p| Structure::Block4.units(&graph, p).err());
        let refused: Vec<String> = refused.map(|e| e.to_string()).collect();
        assert_eq!(refused.len(), 16, "one a block of the network: {refused:?}");
        assert!(
            refused[0].contains("groups has no blocks of four input channels"),
            "{}",
            refused[0]
        );
        let all =
            graph.prunable().map(|p| Structure::Weight.units(&graph, p).expect("any").count());
        assert_eq!(all.sum::<usize>(), graph.prunable().map(Param::count).sum::<usize>());
    }
}
