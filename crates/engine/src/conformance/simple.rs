//! Activations, sums, products.

use anyhow::Result;
use kernels::Activation;

use super::place::{Place, Size};
use super::{Case, Kind};
use crate::Tensor;
use crate::ops::{
    Activate, ActivateInPlace, ActivationGrad, Add, Copy, Drop, Multiply, Products, Scale, apply,
};

const SIZES: [(usize, Size); 3] = [(3, [16, 5, 4]), (17, [7, 3, 3]), (2, [320, 1, 1])];

const ACTIVATIONS: [Activation; 9] = [
    Activation::Relu,
    Activation::Relu6,
    Activation::LeakyRelu { slope: 0.125 },
    Activation::Silu,
    Activation::HardSwish,
    Activation::HardSigmoid,
    Activation::Sigmoid,
    Activation::Gelu,
    Activation::GeluTanh,
];

pub(super) fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for (images, size) in SIZES {
        all.push(unary("copy", Kind::Moved, images, size));
        all.push(unary("add", Kind::Operation, images, size));
        all.push(multiply(images, size));
        all.extend(ACTIVATIONS.into_iter().flat_map(|a| activation(a, images, size)));
        all.push(scale(images, size));
        all.push(products(images, size));
        all.push(drop_out(images, size));
    }
    all
}

/// An operation on a destination that holds something and a source.
fn unary(name: &'static str, kind: Kind, images: usize, size: Size) -> Case {
    Case::new(format!("{name} {images}x{size:?}"), kind, move |place: &Place| {
        let [out, source] = two(place, images, size)?;
        match name {
            "copy" => apply(&Copy, &out, &[&source])?,
            _ => apply(&Add, &out, &[&source])?,
        }
        place.read(&out, images, size)
    })
}

fn two(place: &Place, images: usize, size: Size) -> Result<[Tensor; 2]> {
    let len = images * size.iter().product::<usize>();
    let of = |name| place.activation(&place.random(name, len), size);
    Ok([of("out")?, of("source")?])
}

fn multiply(images: usize, size: Size) -> Case {
    Case::new(format!("multiply {images}x{size:?}"), Kind::Operation, move |place| {
        let ([a, b], y) = (two(place, images, size)?, place.activation_room(images, size)?);
        apply(&Multiply, &y, &[&a, &b])?;
        place.read(&y, images, size)
    })
}

/// Values on all pieces of the activations, some of them at the kinks.
fn spread(place: &Place, images: usize, size: Size) -> Result<Tensor> {
    let mut values = place.random("spread", images * size.iter().product::<usize>());
    let kinks = [-3.0, 0.0, 3.0, 6.0].into_iter().cycle();
    for value in &mut values {
        *value = place.rounded(*value * 3.0);
    }
    values.iter_mut().step_by(7).zip(kinks).for_each(|(v, kink)| *v = kink);
    place.activation(&values, size)
}

/// An activation, by itself and in place, and its gradient.
fn activation(of: Activation, images: usize, size: Size) -> [Case; 3] {
    let name = move |what: &str| format!("{what} {of:?} {images}x{size:?}");
    [
        Case::new(name("activation"), Kind::Operation, move |place| {
            let x = spread(place, images, size)?;
            let y = place.activation_room(images, size)?;
            apply(&Activate(of), &y, &[&x])?;
            place.read(&y, images, size)
        }),
        Case::new(name("activation-in-place"), Kind::Operation, move |place| {
            let y = spread(place, images, size)?;
            apply(&ActivateInPlace(of), &y, &[])?;
            place.read(&y, images, size)
        }),
        Case::new(name("activation-grad"), Kind::Operation, move |place| {
            let [grad, _] = two(place, images, size)?;
            let saved = spread(place, images, size)?;
            apply(&ActivationGrad(of), &grad, &[&saved])?;
            place.read(&grad, images, size)
        }),
    ]
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
