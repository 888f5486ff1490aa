//! How parameters lie on a device. On the processor as in the table; on a GPU, where activations are
//! in NHWC order, the weights of a convolution or linear layer likewise have the input's channels
//! innermost, those of a depthwise convolution the channels.

use graph::{Graph, Op, Param, Role};

use crate::Device;

/// The order of one parameter's values on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// As in the table.
    Table,
    /// Of `(rows, channels, pixels)` as `(rows, pixels, channels)`.
    Last { rows: usize, channels: usize, pixels: usize },
}

impl Order {
    /// That of `param` on `device`.
    pub(crate) fn of(graph: &Graph, param: &Param, device: &Device) -> Self {
        if device.is_cpu() || param.role != Role::Weight {
            return Self::Table;
        }
        let node = &graph.nodes()[param.node];
        match node.op {
            Op::Conv(v) if v.is_depthwise() => {
                Self::Last { rows: 1, channels: v.outputs, pixels: v.window.taps() }
            }
            Op::Conv(v) => {
                let (channels, pixels) = (v.inputs / v.groups, v.window.taps());
                Self::Last { rows: v.outputs, channels, pixels }
            }
            Op::Linear(v) => Self::Last { rows: v.outputs, channels: v.inputs, pixels: 1 },
            _ => Self::Table,
        }
    }

    /// Values of a row: those that are followed by others of the same window only.
    pub(crate) fn row(self, count: usize) -> usize {
        match self {
            Self::Table => count.max(1),
            Self::Last { channels, .. } => channels,
        }
    }

    /// `values` of the table in the device's order.
    pub(crate) fn to_device<T: Copy>(self, values: Vec<T>) -> Vec<T> {
        match self {
            Self::Last { rows, channels, pixels } if channels > 1 && pixels > 1 => {
                swapped(&values, rows, (channels, pixels))
            }
            _ => values,
        }
    }

    /// `values` of the device in the table's order.
    pub(crate) fn to_table<T: Copy>(self, values: Vec<T>) -> Vec<T> {
        match self {
            Self::Last { rows, channels, pixels } if channels > 1 && pixels > 1 => {
                swapped(&values, rows, (pixels, channels))
            }
            _ => values,
        }
    }
}

/// `(rows, a, b)` as `(rows, b, a)`.
fn swapped<T: Copy>(values: &[T], rows: usize, (a, b): (usize, usize)) -> Vec<T> {
    assert_eq!(values.len(), rows * a * b, "rows of {a} by {b}");
    let mut all = Vec::with_capacity(values.len());
    for row in values.chunks(a * b) {
        for first in 0..b {
            all.extend(row[first..].iter().step_by(b));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_go_there_and_back() {
        let order = Order::Last { rows: 2, channels: 3, pixels: 4 };
        let values: Vec<usize> = (0..24).collect();
        let there = order.to_device(values.clone());
        assert_eq!(there[..6], [0, 4, 8, 1, 5, 9]);
        assert_eq!(there[12..15], [12, 16, 20]);
        assert_eq!(order.to_table(there), values);
        assert_eq!(Order::Table.to_device(values.clone()), values);
    }
}
