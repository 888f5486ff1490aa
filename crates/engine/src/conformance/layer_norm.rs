//! Layer normalisation.

use anyhow::Result;
use kernels::Lanes;
use kernels::norm::Plane;

use super::place::Place;
use super::{Case, Kind};
use crate::Tensor;
use crate::ops::{LayerNormForward, LayerNormGrad, apply, apply_all};

/// Images, channels, height, width.
const SHAPES: [[usize; 4]; 5] =
    [[3, 16, 9, 7], [17, 7, 3, 3], [2, 96, 5, 4], [40, 8, 1, 1], [2, 1280, 2, 1]];

pub(super) fn cases() -> Vec<Case> {
    let each = |shape| [true, false].into_iter().flat_map(move |affine| of(shape, affine));
    SHAPES.into_iter().flat_map(each).collect()
}

/// The input and, where there are any, scale and shift.
fn given(place: &Place, [n, c, h, w]: [usize; 4], affine: bool) -> Result<Vec<Tensor>> {
    // Far from zero: a variance by mean squares would lose its digits.
    let x: Vec<f32> =
        place.random("x", n * c * h * w).into_iter().map(|v| place.rounded(v + 20.0)).collect();
    let mut all = vec![place.activation(&x, [c, h, w])?];
    if affine {
        all.push(place.plain(place.random("weight", c))?);
        all.push(place.plain(place.random("bias", c))?);
    }
    Ok(all)
}

fn of(shape: [usize; 4], affine: bool) -> [Case; 2] {
    let ([n, c, h, w], eps) = (shape, 1e-6);
    let plane = Plane { lanes: Lanes::of(n), channels: c, pixels: h * w };
    let name = format!("{n}x{c}x{h}x{w} affine {affine}");
    [
        Case::new(format!("layer-norm {name}"), Kind::Operation, move |place| {
            let (given, y) = (given(place, shape, affine)?, place.activation_room(n, [c, h, w])?);
            apply(&LayerNormForward { plane, eps }, &y, &given.iter().collect::<Vec<_>>())?;
            place.read(&y, n, [c, h, w])
        }),
        Case::of_parts(format!("layer-norm-grad {name}"), Kind::Operation, move |place| {
            let given = given(place, shape, affine)?;
            let dy = place.activation(&place.random("dy", n * c * h * w), [c, h, w])?;
            let grads: Vec<Tensor> =
                given[1..].iter().map(|_| place.room(c)).collect::<Result<_>>()?;
            let outs: Vec<&Tensor> = [&dy].into_iter().chain(&grads).collect();
            let sources: Vec<&Tensor> = given.iter().collect();
            apply_all(&LayerNormGrad { plane, eps }, &outs, &sources)?;
            let mut found = vec![place.read(&dy, n, [c, h, w])?];
            for grad in grads {
                found.push(grad.host()?);
            }
            Ok(found)
        }),
    ]
}
