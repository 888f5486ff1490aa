//! Windows of convolutions that have nothing in common with the usual ones, and each of their
//! directions by each family of kernels.

use kernels::conv::grouped::Grouped;
use kernels::conv::{self, Conv, Dense, Sparse};
use kernels::{Lanes, Sides, Size, Window};

use crate::case::Case;
use crate::ending::{ALL, Ending};
use crate::{flat, grouped};

/// 1x7, 7x1, dilated, with a stride down alone, with padding on two sides, larger than the map,
/// with padding that no window reads, and as in vision transformers.
fn unusual() -> Vec<Window> {
    let of = |h, w, padding| Window { kernel: Size { h, w }, padding, ..Window::square(1, 1, 0) };
    let sides = |top, left, bottom, right| Sides { top, left, bottom, right };
    let three = Window::square(3, 1, 1);
    vec![
        of(1, 7, sides(0, 3, 0, 3)),
        of(7, 1, sides(3, 0, 3, 0)),
        Window { dilation: Size::square(2), padding: Sides::all(2), ..three },
        Window { dilation: Size { h: 1, w: 3 }, ..three },
        Window { stride: Size { h: 2, w: 1 }, ..three },
        Window { stride: Size { h: 1, w: 3 }, dilation: Size { h: 2, w: 2 }, ..three },
        Window { stride: Size { h: 4, w: 6 }, dilation: Size { h: 2, w: 4 }, ..three },
        Window { padding: sides(0, 1, 1, 0), ..three },
        Window { padding: sides(2, 0, 1, 2), ..three },
        Window { padding: Sides::all(0), ..three },
        of(13, 17, sides(2, 6, 3, 3)),
        Window { stride: Size::square(2), ..of(1, 1, sides(1, 1, 1, 1)) },
        of(1, 1, sides(1, 0, 0, 2)),
        of(1, 1, Sides::all(0)),
        Window::square(4, 4, 0),
        of(2, 4, sides(0, 1, 1, 2)),
    ]
}

/// A convolution of 9x11 pixels.
fn over(window: Window, inputs: usize, outputs: usize) -> Conv {
    Conv { lanes: Lanes::of(19), inputs, h: 9, w: 11, outputs, window }
}

const END: Ending = Ending { bias: true, add: true, activation: ALL[4] };

#[test]
fn dense() {
    for window in unusual() {
        let case = Case::new(over(window, 9, 10), 1).ending(END);
        let (conv, weight) = (&case.conv, case.weight.plain());
        let dense = Dense::new(conv, &weight);
        case.forward(|x, end, y| dense.forward(conv, x, end, y));
        case.input_grad(|dy, dx| conv::input_grad(conv, dy, &weight, dx));
        case.weight_grad(|dy, x, dw| conv::weight_grad(conv, dy, x, dw));
    }
}

#[test]
fn sparse() {
    for window in unusual() {
        let conv = over(window, 9, 10);
        let kept = (0..conv.weight_len()).map(|i| i % 3 == 0).collect();
        let case = Case::new(conv, 1).keep(kept).ending(END);
        let mut sparse = Sparse::new(&conv, &case.kept);
        sparse.set(&case.weight.plain());
        case.forward(|x, end, y| sparse.forward(&conv, x, end, y));
        case.input_grad(|dy, dx| sparse.input_grad(&conv, dy, dx));
        case.weight_grad(|dy, x, dw| sparse.weight_grad(&conv, dy, x, dw));
    }
}

#[test]
fn in_groups() {
    for window in unusual() {
        grouped::check(&Grouped { each: over(window, 3, 2), groups: 3 }, 1, END);
    }
}

#[test]
fn depthwise() {
    let seven = Window::square(7, 1, 3);
    for window in unusual().into_iter().chain([seven]) {
        grouped::check(&Grouped { each: over(window, 1, 1), groups: 9 }, 1, END);
    }
}

/// Maps of a column or a row, of which a stride across or down leaves all or one.
#[test]
fn a_stride_where_there_is_one_pixel() {
    for (size, stride) in [((7, 1), (1, 2)), ((1, 7), (2, 1)), ((1, 7), (1, 2)), ((7, 1), (2, 1))] {
        let stride = Size { h: stride.0, w: stride.1 };
        let window = Window { stride, ..Window::square(1, 1, 0) };
        let conv = Conv { h: size.0, w: size.1, ..over(window, 9, 10) };
        let case = Case::new(conv, 1).ending(END);
        let weight = case.weight.plain();
        case.forward(|x, end, y| Dense::new(&conv, &weight).forward(&conv, x, end, y));
        case.input_grad(|dy, dx| conv::input_grad(&conv, dy, &weight, dx));
        case.weight_grad(|dy, x, dw| conv::weight_grad(&conv, dy, x, dw));
        let case = Case::new(conv, 1).keep(vec![true; conv.weight_len()]);
        let mut sparse = Sparse::new(&conv, &case.kept);
        sparse.set(&case.weight.plain());
        case.input_grad(|dy, dx| sparse.input_grad(&conv, dy, dx));
        let each = Conv { inputs: 1, outputs: 1, ..conv };
        grouped::check(&Grouped { each, groups: 9 }, 1, END);
    }
}

#[test]
fn of_one_image() {
    for window in unusual() {
        for pads in [[0, 0], [3, 3], [6, 2]] {
            let case =
                flat::Case::new(&over(window, 5, 9), flat::Layout { groups: 1, pads }, END, 0.5);
            case.check_dense();
            case.check_sparse();
            let layout = flat::Layout { groups: 3, pads };
            flat::Case::new(&over(window, 2, 3), layout, END, 0.5).check_sparse();
        }
    }
}

/// Pixels by themselves, of maps that are read where they lie and of others, which are copied.
#[test]
fn pixels_by_themselves() {
    for (h, w) in [(7, 7), (8, 12), (14, 14), (10, 20), (13, 13), (2, 3), (1, 1)] {
        let conv = Conv { h, w, ..over(Window::square(1, 1, 0), 70, 13) };
        let kept = (0..conv.weight_len()).map(|i| i % 7 == 0).collect();
        let case = Case::new(conv, 2).ending(Ending::FULL);
        let (weight, dense) = (case.weight.plain(), Dense::new(&conv, &case.weight.plain()));
        case.forward(|x, end, y| dense.forward(&conv, x, end, y));
        case.input_grad(|dy, dx| conv::input_grad(&conv, dy, &weight, dx));
        case.weight_grad(|dy, x, dw| conv::weight_grad(&conv, dy, x, dw));
        let case = case.keep(kept);
        let mut sparse = Sparse::new(&conv, &case.kept);
        sparse.set(&case.weight.plain());
        case.forward(|x, end, y| sparse.forward(&conv, x, end, y));
        case.input_grad(|dy, dx| sparse.input_grad(&conv, dy, dx));
        case.weight_grad(|dy, x, dw| sparse.weight_grad(&conv, dy, x, dw));
    }
}

/// By each family: direct, Winograd, sparse, depthwise, of one image, and as a matrix.
#[test]
fn every_activation() {
    for activation in ALL {
        let end = Ending { activation, ..Ending::FULL };
        for conv in [over(Window::square(3, 2, 1), 3, 10), over(Window::square(3, 1, 1), 8, 9)] {
            let case = Case::new(conv, 3).ending(end);
            let dense = Dense::new(&conv, &case.weight.plain());
            case.forward(|x, end, y| dense.forward(&conv, x, end, y));
            let sparse = Sparse::inference(&conv, &case.weight.plain());
            case.forward(|x, end, y| sparse.forward(&conv, x, end, y));
            let layout = flat::Layout { groups: 1, pads: [1, 1] };
            let case = flat::Case::new(&conv, layout, end, 0.5);
            case.check_dense();
            case.check_sparse();
        }
        let each = over(Window::square(3, 1, 1), 1, 1);
        grouped::check(&Grouped { each, groups: 9 }, 3, end);
        flat::check_matrices(33, 21, end, 0.5);
    }
}
