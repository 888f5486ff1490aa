//! Operators that move values and compute none.

use geometry::Sides;
use graph::op::{PadBorders, PadChannels, Shuffle, Slice};

use super::nodes::{Value, Writer};
use crate::proto::Attribute;

impl Writer<'_> {
    pub(super) fn concat(&mut self) -> Value {
        let from: Vec<String> = (0..self.inputs()).map(|i| self.map(i)).collect();
        let from: Vec<&str> = from.iter().map(String::as_str).collect();
        self.last("Concat", &from, vec![Attribute::int("axis", 1)])
    }

    pub(super) fn slice(&mut self, part: Slice) -> Value {
        let x = self.map(0);
        let start = self.integers("starts", &[part.start as i64]);
        let end = self.integers("ends", &[part.end as i64]);
        let axes = self.integers("axes", &[1]);
        self.last("Slice", &[&x, &start, &end, &axes], vec![])
    }

    /// Channels `(groups, n)` as `(n, groups)`.
    pub(super) fn shuffle(&mut self, Shuffle { groups }: Shuffle) -> Value {
        let (x, shape) = (self.map(0), self.input());
        let [c, h, w] = [shape.c, shape.h, shape.w].map(|n| n as i64);
        let groups = groups as i64;
        let split = self.integers("split.shape", &[0, groups, c / groups, h, w]);
        let split = self.step("Reshape", "split", &[&x, &split], vec![]);
        let swap = vec![Attribute::ints("perm", &[0, 2, 1, 3, 4])];
        let swapped = self.step("Transpose", "swap", &[&split], swap);
        let joined = self.integers("shape", &[0, c, h, w]);
        self.last("Reshape", &[&swapped, &joined], vec![])
    }

    pub(super) fn pad_channels(&mut self, pad: PadChannels) -> Value {
        self.pad([0, pad.before, 0, 0, 0, pad.after, 0, 0])
    }

    pub(super) fn pad_borders(&mut self, PadBorders { sides }: PadBorders) -> Value {
        let Sides { top, left, bottom, right } = sides;
        self.pad([0, 0, top, left, 0, 0, bottom, right])
    }

    /// Zeros: so many before and behind each of the four dimensions.
    fn pad(&mut self, sides: [usize; 8]) -> Value {
        let x = self.map(0);
        let pads = self.integers("pads", &sides.map(|n| n as i64));
        self.last("Pad", &[&x, &pads], vec![])
    }

    pub(super) fn flattened(&mut self) -> Value {
        let x = self.read(0);
        if x.flat {
            return x;
        }
        Value { flat: true, ..self.last("Flatten", &[&x.name], vec![]) }
    }
}
