//! Batch normalisation with what follows it.

use anyhow::Result;
use kernels::norm::Plane;
use kernels::{Activation, Lanes};

use super::place::Place;
use super::{Case, Kind};
use crate::Tensor;
use crate::ops::{NormApply, NormForward, NormGrad, NormTail, apply, apply_all};

/// Images, channels, height, width.
const SHAPES: [[usize; 4]; 5] =
    [[3, 16, 9, 7], [17, 7, 3, 3], [2, 24, 16, 16], [40, 8, 1, 1], [2, 1280, 2, 1]];

pub(super) fn cases() -> Vec<Case> {
    let relu = Some(Activation::Relu);
    let tails = [(false, None), (false, relu), (true, relu), (true, None)];
    let others = [Activation::Relu6, Activation::LeakyRelu { slope: 0.125 }];
    let tails = tails.into_iter().chain(others.map(|other| (true, Some(other))));
    let each = |shape: [usize; 4]| {
        let of = move |(add, activation)| of(shape, NormTail { add, activation });
        tails.clone().flat_map(of)
    };
    SHAPES.into_iter().flat_map(each).collect()
}

/// What a norm reads.
struct Given {
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    add: Option<Tensor>,
}

fn given(place: &Place, [n, c, h, w]: [usize; 4], tail: NormTail) -> Result<Given> {
    // Far from zero: a variance by mean squares would lose its digits.
    let far = |v: Vec<f32>| v.into_iter().map(|v| place.rounded(v + 20.0)).collect::<Vec<_>>();
    let len = n * c * h * w;
    Ok(Given {
        x: place.activation(&far(place.random("x", len)), [c, h, w])?,
        weight: place.plain(place.random("weight", c))?,
        bias: place.plain(place.random("bias", c))?,
        add: tail
            .add
            .then(|| place.activation(&place.random("add", len), [c, h, w]))
            .transpose()?,
    })
}

fn of(shape: [usize; 4], tail: NormTail) -> [Case; 3] {
    let [n, c, h, w] = shape;
    let plane = Plane { lanes: Lanes::of(n), channels: c, pixels: h * w };
    let words = format!("{n}x{c}x{h}x{w} add {} then {:?}", tail.add, tail.activation);
    let eps = 1e-5;
    let forward = move |place: &Place, given: &Given| -> Result<[Tensor; 4]> {
        let y = place.activation_room(n, [c, h, w])?;
        let (stats, mean) = (place.room(2 * c)?, place.plain(place.random("mean", c))?);
        let variance = place.plain(place.random("variance", c))?;
        let op = NormForward { plane, eps, momentum: 0.1, tail };
        let sources: Vec<&Tensor> =
            [&given.x, &given.weight, &given.bias].into_iter().chain(&given.add).collect();
        apply_all(&op, &[&y, &stats, &mean, &variance], &sources)?;
        Ok([y, stats, mean, variance])
    };
    [
        Case::of_parts(format!("norm {words}"), Kind::Operation, move |place| {
            let [y, stats, mean, variance] = forward(place, &given(place, shape, tail)?)?;
            let stats = stats.host()?;
            let column = |k: usize| stats.iter().skip(k).step_by(2).copied().collect();
            let (y, running) = (place.read(&y, n, [c, h, w])?, [mean.host()?, variance.host()?]);
            Ok([y, column(0), column(1)].into_iter().chain(running).collect())
        }),
        Case::new(format!("norm-apply {words}"), Kind::Operation, move |place| {
            let given = given(place, shape, tail)?;
            let [y, stats, ..] = forward(place, &given)?;
            let sources: Vec<&Tensor> = [&given.x, &stats, &given.weight, &given.bias]
                .into_iter()
                .chain(&given.add)
                .collect();
            apply(&NormApply { plane, eps, tail }, &y, &sources)?;
            place.read(&y, n, [c, h, w])
        }),
        Case::of_parts(format!("norm-grad {words}"), Kind::Operation, move |place| {
            let given = given(place, shape, tail)?;
            let [y, stats, ..] = forward(place, &given)?;
            let dy = place.activation(&place.random("dy", n * c * h * w), [c, h, w])?;
            let (dweight, dbias) = (place.room(c)?, place.room(c)?);
            let dx = place.activation_room(n, [c, h, w])?;
            // On which side of a kink a value is follows from what is kept of it.
            let held = place.held(&y, n, [c, h, w])?;
            let op = NormGrad { plane, eps, tail };
            let mut sources = vec![&given.x, &stats, &given.weight, &given.bias];
            let mut outs = vec![&dy, &dweight, &dbias];
            if tail.add {
                sources.push(&held);
                outs.push(&dx);
            }
            apply_all(&op, &outs, &sources)?;
            let mut found = vec![place.read(&dy, n, [c, h, w])?, dweight.host()?, dbias.host()?];
            if tail.add {
                found.push(place.read(&dx, n, [c, h, w])?);
            }
            Ok(found)
        }),
    ]
}
