//! How the dimensions of a value lie in the map behind it.
//!
//! Exporters reshape and transpose much that computes nothing: flattening, channels last and back, channels
//! split in groups. Each dimension of a value is a list of factors of the map's three axes; reshaping
//! splits and joins factors, transposing moves them. Only where an operator reads the value must the
//! factors be in an order that operations of a graph can make.

use graph::Shape;

use super::constant::Found;

/// An axis of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    Channel,
    Row,
    Column,
}

/// A part of an axis: `size` steps of `stride`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Factor {
    pub axis: Axis,
    pub size: usize,
    pub stride: usize,
}

/// A value that depends on the images; its dimensions behind the batch.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// The draft that computes it.
    pub node: usize,
    /// The factors of each dimension, the outer one first; those of size 1 are left out.
    pub axes: Vec<Vec<Factor>>,
    /// The operator of the file that arranged it so.
    pub site: usize,
}

/// The three axes of a map as factors.
pub fn whole(shape: Shape) -> [Vec<Factor>; 3] {
    let of = |axis, size| {
        if size == 1 { vec![] } else { vec![Factor { axis, size, stride: 1 }] }
    };
    [of(Axis::Channel, shape.c), of(Axis::Row, shape.h), of(Axis::Column, shape.w)]
}

impl View {
    /// A map as it is.
    pub fn map(node: usize, shape: Shape, site: usize) -> Self {
        Self { node, axes: whole(shape).to_vec(), site }
    }

    /// A vector of one dimension.
    pub fn vector(node: usize, shape: Shape, site: usize) -> Self {
        let [channels, ..] = whole(shape);
        Self { node, axes: vec![channels], site }
    }

    /// Sizes of the dimensions.
    pub fn dims(&self) -> Vec<usize> {
        self.axes.iter().map(|axis| size(axis)).collect()
    }

    /// The same values with dimensions of these sizes, whose product is the same.
    pub fn reshape(&self, target: &[usize], site: usize) -> Found<Self> {
        let refused = || {
            format!(
                "reshapes {:?} to {target:?} (without the batch), which cuts across the dimensions",
                self.dims()
            )
        };
        let mut left = merged(self.axes.iter().flatten().copied());
        left.reverse();
        let mut axes = vec![];
        for &size in target {
            let (mut need, mut axis) = (size, vec![]);
            while need > 1 {
                let next = left.pop().ok_or_else(refused)?;
                if need.is_multiple_of(next.size) {
                    need /= next.size;
                    axis.push(next);
                } else if next.size.is_multiple_of(need) {
                    let inner = next.size / need;
                    axis.push(Factor { size: need, stride: next.stride * inner, ..next });
                    left.push(Factor { size: inner, ..next });
                    need = 1;
                } else {
                    return Err(refused());
                }
            }
            axes.push(merged(axis.into_iter()));
        }
        if left.is_empty() { Ok(Self { node: self.node, axes, site }) } else { Err(refused()) }
    }

    /// The dimensions in the order `order`.
    pub fn transpose(&self, order: &[usize], site: usize) -> Self {
        let axes = order.iter().map(|&i| self.axes[i].clone()).collect();
        Self { node: self.node, axes, site }
    }

    /// The one dimension that is all channels of `shape`, in order, if there is one.
    pub fn channel_axis(&self, shape: Shape) -> Option<usize> {
        let [channels, rows, columns] = whole(shape);
        if !channels.is_empty() {
            let at = self.axes.iter().position(|axis| *axis == channels)?;
            let others = self.axes.iter().flatten().filter(|f| f.axis == Axis::Channel);
            return (others.count() == 1).then_some(at);
        }
        // A single channel has no factor: where the others lie says where it is.
        let last = self.axes.len().checked_sub(1)?;
        let ends =
            |axes: &[Vec<Factor>]| axes.len() >= 2 && axes[..2] == [rows.clone(), columns.clone()];
        let is_last = last == 2 && ends(&self.axes) && !ends(&self.axes[1..]);
        let at = if is_last { last } else { 0 };
        self.axes[at].is_empty().then_some(at)
    }

    /// Whether the dimension `at` is all channels of `shape`, in order.
    pub fn has_channels_at(&self, shape: Shape, at: usize) -> bool {
        let [channels, ..] = whole(shape);
        let of_channels = self.axes.iter().flatten().filter(|f| f.axis == Axis::Channel).count();
        self.axes.get(at) == Some(&channels) && of_channels == channels.len()
    }

    /// The values of `node` instead, which has other channels, at the dimension `at`.
    pub fn with_channels(mut self, node: usize, shape: Shape, at: usize) -> Self {
        let [channels, ..] = whole(shape);
        self.axes[at] = channels;
        Self { node, ..self }
    }

    /// Whether it is channels x height x width as the map behind it.
    pub fn is_map(&self, shape: Shape) -> bool {
        self.axes == whole(shape)
    }

    /// Which value of the map, in its order, is the value `i` of all dimensions joined.
    pub fn place(&self, shape: Shape, mut i: usize) -> usize {
        let mut at = 0;
        for factor in self.axes.iter().rev().flat_map(|axis| axis.iter().rev()) {
            let step = factor.stride
                * match factor.axis {
                    Axis::Channel => shape.pixels(),
                    Axis::Row => shape.w,
                    Axis::Column => 1,
                };
            at += (i % factor.size) * step;
            i /= factor.size;
        }
        at
    }
}

pub fn size(axis: &[Factor]) -> usize {
    axis.iter().map(|f| f.size).product()
}

/// Neighbours that are one run of their axis, as one.
pub fn merged(factors: impl Iterator<Item = Factor>) -> Vec<Factor> {
    let mut all: Vec<Factor> = vec![];
    for next in factors {
        match all.last_mut() {
            Some(last) if last.axis == next.axis && last.stride == next.stride * next.size => {
                *last = Factor { size: last.size * next.size, ..next };
            }
            _ => all.push(next),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape::new(6, 4, 5);

    #[test]
    fn what_is_split_and_joined_again_is_the_same() {
        let map = View::map(0, SHAPE, 0);
        let split = map.reshape(&[2, 3, 4, 5], 0).expect("splits");
        assert_eq!(split.dims(), [2, 3, 4, 5]);
        assert_eq!(split.reshape(&[6, 4, 5], 0), Ok(map.clone()));
        assert_eq!(map.reshape(&[6, 20], 0).expect("joins").channel_axis(SHAPE), Some(0));
        let last = map.transpose(&[1, 2, 0], 0);
        assert_eq!((last.channel_axis(SHAPE), last.is_map(SHAPE)), (Some(2), false));
        assert_eq!(last.transpose(&[2, 0, 1], 0), map);
        assert!(map.reshape(&[8, 15], 0).is_err());
    }

    #[test]
    fn places_follow_the_factors() {
        let last = View::map(0, SHAPE, 0).transpose(&[1, 2, 0], 0);
        // The second value is the second channel of the first pixel.
        assert_eq!([0, 1, 6].map(|i| last.place(SHAPE, i)), [0, 20, 1]);
    }

    #[test]
    fn a_single_channel_is_where_the_others_are_not() {
        let shape = Shape::new(1, 4, 5);
        let map = View::map(0, shape, 0);
        assert_eq!(map.channel_axis(shape), Some(0));
        assert_eq!(map.transpose(&[1, 2, 0], 0).channel_axis(shape), Some(2));
    }
}
