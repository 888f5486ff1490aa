//! Operations that move values and compute none.

use geometry::Sides;

use super::{Arity, Channels, Facts};
use crate::Shape;
use crate::text::{Fields, Written};

/// The channels of all inputs, one after the other.
pub(super) struct Concat;

impl Facts for Concat {
    fn label(&self) -> &'static str {
        "Concat"
    }

    fn keyword(&self) -> &'static str {
        "concat"
    }

    fn arity(&self) -> Arity {
        Arity::AtLeast(1)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let first = inputs[0];
        if let Some(other) = inputs.iter().find(|x| x.size() != first.size()) {
            return Err(format!("concatenates {first} and {other}; expected maps of equal size"));
        }
        Ok(Shape { c: inputs.iter().map(|x| x.c).sum(), ..first })
    }

    fn channels(&self) -> Channels {
        Channels::Moved
    }
}

/// The channels from `start` up to `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// The first channel, counted from 0.
    pub start: usize,
    /// The one behind the last.
    pub end: usize,
}

impl Slice {
    pub(crate) fn read(fields: &mut Fields) -> Result<Self, String> {
        Ok(Self { start: fields.or("start", 0)?, end: fields.needed("end")? })
    }
}

impl Facts for Slice {
    fn label(&self) -> &'static str {
        "Slice"
    }

    fn keyword(&self) -> &'static str {
        "slice"
    }

    fn fields(&self) -> Written {
        Written::default().unless("start", self.start, 0).field("end", self.end)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let (Self { start, end }, x) = (*self, inputs[0]);
        if start < end && end <= x.c {
            return Ok(Shape { c: end - start, ..x });
        }
        Err(format!("channels {start} up to {end} of {}; expected a non-empty range of them", x.c))
    }

    fn channels(&self) -> Channels {
        Channels::Moved
    }
}

/// Channels `(groups, n)` as `(n, groups)`: what groups computed is dealt out to all groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shuffle {
    /// Groups of channels.
    pub groups: usize,
}

impl Facts for Shuffle {
    fn label(&self) -> &'static str {
        "ChannelShuffle"
    }

    fn keyword(&self) -> &'static str {
        "shuffle"
    }

    fn fields(&self) -> Written {
        Written::default().field("groups", self.groups)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let (groups, x) = (self.groups, inputs[0]);
        if groups > 0 && x.c.is_multiple_of(groups) {
            return Ok(x);
        }
        Err(format!("{groups} groups do not divide {} channels", x.c))
    }

    fn channels(&self) -> Channels {
        Channels::Moved
    }
}

/// Channels of zeros before and after those that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PadChannels {
    /// How many before.
    pub before: usize,
    /// How many after.
    pub after: usize,
}

impl PadChannels {
    pub(crate) fn read(fields: &mut Fields) -> Result<Self, String> {
        Ok(Self { before: fields.or("before", 0)?, after: fields.or("after", 0)? })
    }
}

impl Facts for PadChannels {
    fn label(&self) -> &'static str {
        "PadChannels"
    }

    fn keyword(&self) -> &'static str {
        "pad-channels"
    }

    fn fields(&self) -> Written {
        Written::default().unless("before", self.before, 0).unless("after", self.after, 0)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let padded = self.before.checked_add(self.after).and_then(|p| p.checked_add(inputs[0].c));
        let c = padded.ok_or("more channels than can be counted")?;
        Ok(Shape { c, ..inputs[0] })
    }

    fn channels(&self) -> Channels {
        Channels::Moved
    }
}

/// Zeros around each channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PadBorders {
    /// How many on each side.
    pub sides: Sides,
}

impl Facts for PadBorders {
    fn label(&self) -> &'static str {
        "ZeroPad2d"
    }

    fn keyword(&self) -> &'static str {
        "pad-borders"
    }

    fn fields(&self) -> Written {
        Written::default().field("padding", self.sides)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let x = inputs[0];
        let Sides { top, left, bottom, right } = self.sides;
        let padded = |size: usize, a: usize, b: usize| size.checked_add(a)?.checked_add(b);
        let size = padded(x.h, top, bottom).zip(padded(x.w, left, right));
        let (h, w) = size.ok_or("more pixels than can be counted")?;
        Ok(Shape::new(x.c, h, w))
    }

    fn channels(&self) -> Channels {
        Channels::Own
    }
}

/// All values as a vector, in the order (channel, row, column).
pub(super) struct Flatten;

impl Facts for Flatten {
    fn label(&self) -> &'static str {
        "Flatten"
    }

    fn keyword(&self) -> &'static str {
        "flatten"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        Ok(Shape::vector(inputs[0].count()))
    }

    fn channels(&self) -> Channels {
        Channels::Moved
    }
}
