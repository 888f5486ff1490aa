//! The weights of a parameter in units that are pruned as a whole.

use graph::Param;

use super::BLOCK;
use crate::Mask;

/// How the weights of a parameter fall into units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Units {
    /// Input channels of a unit.
    width: usize,
    outputs: usize,
    inputs: usize,
    /// Positions of the kernel.
    taps: usize,
    /// Whether a unit has all positions, not one.
    whole: bool,
}

/// Input channels of `param`, of a group's where there are groups.
pub(super) fn inputs(param: &Param) -> usize {
    param.shape.get(1).copied().unwrap_or(1)
}

impl Units {
    /// Each weight by itself, in a row whatever the shape.
    pub(super) fn single(param: &Param) -> Self {
        let outputs = param.shape.first().copied().unwrap_or(1);
        Self { width: 1, outputs, inputs: param.fan_in(), taps: 1, whole: false }
    }

    /// The blocks of a weight of this shape, `outputs x inputs x kernel`: [`BLOCK`] consecutive inputs at one position.
    pub fn blocks_of(shape: &[usize]) -> Self {
        Self { width: BLOCK, ..Self::kernels_of(shape) }.at_one_position()
    }

    /// All positions of an output and an input.
    pub(super) fn kernels_of(shape: &[usize]) -> Self {
        let (outputs, inputs) = (shape[0], shape.get(1).copied().unwrap_or(1));
        let taps = shape.iter().skip(2).product();
        Self { width: 1, outputs, inputs, taps, whole: true }
    }

    /// All weights of an output.
    pub(super) fn channels_of(shape: &[usize]) -> Self {
        let kernels = Self::kernels_of(shape);
        Self { width: kernels.inputs, ..kernels }
    }

    fn at_one_position(self) -> Self {
        Self { whole: false, ..self }
    }

    /// The weights of a unit; the last of an output may have fewer.
    pub fn size(&self) -> usize {
        if self.whole { self.width * self.taps } else { self.width }
    }

    /// Whether each weight is a unit.
    fn is_single(&self) -> bool {
        self.size() == 1
    }

    /// Blocks of input channels.
    fn blocks(&self) -> usize {
        self.inputs.div_ceil(self.width)
    }

    /// Units of a block of input channels.
    fn positions(&self) -> usize {
        if self.whole { 1 } else { self.taps }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.outputs * self.blocks() * self.positions()
    }

    /// The unit of each weight in turn. Units are in the order (output, block of inputs, position of the kernel).
    fn of_each(&self) -> impl Iterator<Item = usize> {
        let Self { width, outputs, inputs, taps, whole } = *self;
        let rows = (0..outputs).flat_map(move |o| (0..inputs).map(move |i| (o, i)));
        let (blocks, positions) = (self.blocks(), self.positions());
        rows.flat_map(move |(o, i)| {
            let first = (o * blocks + i / width) * positions;
            (0..taps).map(move |tap| if whole { first } else { first + tap })
        })
    }

    /// The flat indices of the weights of `units` (ascending), in ascending order.
    pub fn weights(&self, units: &[u32]) -> Vec<u32> {
        let (taps, positions) = (self.taps as u32, self.positions() as u32);
        let row = |unit: u32| (unit / positions) as usize;
        let mut all = Vec::with_capacity(units.len() * self.size());
        // Those of one output and block lie in the same rows of the kernel.
        for units in units.chunk_by(|a, b| row(*a) == row(*b)) {
            let (output, block) = (row(units[0]) / self.blocks(), row(units[0]) % self.blocks());
            let inputs = block * self.width..self.inputs.min((block + 1) * self.width);
            for input in inputs {
                let first = (output * self.inputs + input) as u32 * taps;
                if self.whole {
                    all.extend(first..first + taps);
                } else {
                    all.extend(units.iter().map(|unit| first + unit % taps));
                }
            }
        }
        all
    }

    /// The sum over each unit of `scores`, one a weight: its L1 norm where these are absolute values.
    pub fn sums(&self, scores: &[f32]) -> Vec<f32> {
        if self.is_single() {
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
        if self.is_single() {
            return weights.clone();
        }
        let mut kept = vec![false; self.count()];
        weights.kept().iter().zip(self.of_each()).for_each(|(keeps, unit)| kept[unit] |= keeps);
        Mask::new(kept)
    }

    /// The mask of weights after some units were replaced: of a unit that `before` keeps too, what `weights` keeps; of any
    /// other that `after` keeps, all.
    pub(crate) fn replaced_mask(&self, before: &Mask, after: &Mask, weights: &Mask) -> Mask {
        let each = self.of_each().zip(weights.kept());
        let keeps =
            |(unit, kept): (usize, &bool)| after.kept()[unit] && (*kept || !before.kept()[unit]);
        Mask::new(each.map(keeps).collect())
    }

    /// The mask of weights: kept where the unit is, and `before` keeps the weight too.
    pub fn weight_mask(&self, units: &Mask, before: Option<&Mask>) -> Mask {
        if self.is_single() && before.is_none() {
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

    /// Four inputs of five, at one of two positions each.
    fn blocks(outputs: usize) -> Units {
        Units::blocks_of(&[outputs, 5, 2])
    }

    #[test]
    fn the_last_block_may_be_narrower() {
        let units = blocks(2);
        assert_eq!((units.count(), units.size()), (8, 4));
        // Weights are (output, input, tap): those of output 0 count from 0, of output 1 from 100.
        let scores: Vec<f32> = (0..10).chain(100..110).map(|v| v as f32).collect();
        let sums = units.sums(&scores);
        assert_eq!(sums, [12.0, 16.0, 8.0, 9.0, 412.0, 416.0, 108.0, 109.0]);
    }

    #[test]
    fn masks_there_and_back() {
        let units = blocks(1);
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
    fn kernels_and_channels_are_whole() {
        let scores: Vec<f32> = (0..12).map(|v| v as f32).collect();
        let kernels = Units::kernels_of(&[2, 3, 2]);
        assert_eq!((kernels.count(), kernels.size()), (6, 2));
        assert_eq!(kernels.sums(&scores), [1.0, 5.0, 9.0, 13.0, 17.0, 21.0]);
        assert_eq!(kernels.weights(&[1, 5]), [2, 3, 10, 11]);
        let channels = Units::channels_of(&[2, 3, 2]);
        assert_eq!((channels.count(), channels.size()), (2, 6));
        // The first stays with what it had, the second comes whole.
        let before = Mask::new(vec![true, false]);
        let weights = Mask::new((0..12).map(|i| i < 4).collect());
        let replaced = channels.replaced_mask(&before, &Mask::new(vec![true, true]), &weights);
        assert_eq!(replaced, Mask::new((0..12).map(|i| !(4..6).contains(&i)).collect()));
        assert_eq!(channels.sums(&scores), [15.0, 51.0]);
        assert_eq!(channels.weights(&[1]), [6, 7, 8, 9, 10, 11]);
        let kept = Mask::new(vec![true, false]);
        let weights = channels.weight_mask(&kept, None);
        assert_eq!((weights.pruned(), channels.unit_mask(&weights)), (6, kept));
    }
}
