//! Activations, sums, products.

use super::place::{Place, Size};
use super::{Case, Kind};
use crate::ops::{
    Add, Copy, Drop, Op, Products, Relu, ReluGrad, Scale, Sigmoid, SigmoidGrad, Silu, SiluGrad,
    apply,
};

const SIZES: [(usize, Size); 3] = [(3, [16, 5, 4]), (17, [7, 3, 3]), (2, [320, 1, 1])];

pub(super) fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for (images, size) in SIZES {
        all.push(pair(Copy, Kind::Moved, images, size));
        all.push(pair(Relu, Kind::Moved, images, size));
        all.push(pair(ReluGrad, Kind::Moved, images, size));
        all.push(pair(Add, Kind::Operation, images, size));
        all.push(pair(Silu, Kind::Operation, images, size));
        all.push(pair(SiluGrad, Kind::Operation, images, size));
        all.push(pair(Sigmoid, Kind::Operation, images, size));
        all.push(pair(SigmoidGrad, Kind::Operation, images, size));
        all.push(scale(images, size));
        all.push(products(images, size));
        all.push(drop_out(images, size));
    }
    all
}

/// An operation on a destination that holds something and a source.
fn pair<O: Op + 'static>(op: O, kind: Kind, images: usize, size: Size) -> Case {
    Case::new(format!("{} {images}x{size:?}", O::NAME), kind, move |place: &Place| {
        let len = images * size.iter().product::<usize>();
        let out = place.activation(&place.random("out", len), size)?;
        let source = place.activation(&place.random("source", len), size)?;
        let sources = [&source];
        // A copy overwrites, all else has one source or none.
        apply(&op, &out, if O::NAME == Relu::NAME { &[] } else { &sources })?;
        place.read(&out, images, size)
    })
}

fn scale(images: usize, size: Size) -> Case {
    Case::new(format!("scale {images}x{size:?}"), Kind::Operation, move |place| {
        let [channels, h, w] = size;
        let x = place.activation(&place.random("x", images * channels * h * w), size)?;
        let factor = [channels, 1, 1];
        let factor = place.activation(&place.random("factor", images * channels), factor)?;
        apply(&Scale { pixels: h * w, channels }, &x, &[&factor])?;
        place.read(&x, images, size)
    })
}

fn products(images: usize, size: Size) -> Case {
    Case::new(format!("products {images}x{size:?}"), Kind::Operation, move |place| {
        let [channels, h, w] = size;
        let of = |name| place.activation(&place.random(name, images * channels * h * w), size);
        let out = place.activation_room(images, [channels, 1, 1])?;
        apply(&Products { pixels: h * w, channels }, &out, &[&of("a")?, &of("b")?])?;
        place.read(&out, images, [channels, 1, 1])
    })
}

/// A factor an image.
fn drop_out(images: usize, size: Size) -> Case {
    Case::new(format!("drop {images}x{size:?}"), Kind::Operation, move |place| {
        let pixels = size.iter().product::<usize>();
        let x = place.activation(&place.random("x", images * pixels), size)?;
        let factors = place.random("factors", images);
        let factors = if place.device.is_cpu() {
            place.activation(&factors, [1, 1, 1])?
        } else {
            place.plain(factors)?
        };
        apply(&Drop { pixels }, &x, &[&factors])?;
        place.read(&x, images, size)
    })
}
