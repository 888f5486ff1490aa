//! The operations on a GPU held to those on the processor: the same cases, sizes that do not divide
//! evenly among them, and small networks from images to changed weights.

mod channels;
mod conv;
mod images;
mod layer_norm;
mod net;
mod norm;
mod optimiser;
mod place;
mod pool;
mod simple;

use anyhow::Result;

use crate::golden::Difference;
use crate::{Device, Precision};
use place::Place;

/// One case: what is computed, from its name, on a device, as values in the order of `PyTorch`: one or
/// more results, each of which has to agree.
struct Case {
    name: String,
    kind: Kind,
    run: Box<Run>,
}

type Run = dyn Fn(&Place) -> Result<Vec<Vec<f32>>>;

/// How errors add up in a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Values are moved: what comes out is what went in, rounded at most.
    Moved,
    /// One operation.
    Operation,
    /// A network, with what rounding does to it layer by layer.
    Network,
    /// Its gradients: where an activation is near zero, rounding decides on which side.
    Gradients,
}

impl Case {
    fn new(
        name: impl Into<String>,
        kind: Kind,
        run: impl Fn(&Place) -> Result<Vec<f32>> + 'static,
    ) -> Self {
        Self::of_parts(name, kind, move |place| Ok(vec![run(place)?]))
    }

    fn of_parts(
        name: impl Into<String>,
        kind: Kind,
        run: impl Fn(&Place) -> Result<Vec<Vec<f32>>> + 'static,
    ) -> Self {
        Self { name: name.into(), kind, run: Box::new(run) }
    }
}

/// The largest norm of a difference over the norm of the reference, by precision: the one place
/// where they are written.
fn tolerance(kind: Kind, precision: Precision) -> f64 {
    let [f32, tf32, bf16] = match kind {
        Kind::Moved => [1e-7, 1e-7, 4e-3],
        Kind::Operation => [1e-5, 2e-3, 1e-2],
        Kind::Network => [1e-4, 2e-2, 2e-1],
        Kind::Gradients => [1e-2, 3e-1, 8e-1],
    };
    match precision {
        Precision::F32 => f32,
        Precision::Tf32 => tf32,
        Precision::Bf16 => bf16,
    }
}

/// Runs every case on the processor and on `device`, which rounds to `precision`, and tells `each`
/// the difference.
pub fn run(
    device: &Device,
    precision: Precision,
    mut each: impl FnMut(&Difference),
) -> Result<Vec<Difference>> {
    let (here, there) = (Place::new(&Device::Cpu, precision), Place::new(device, precision));
    let mut all = Vec::new();
    for case in cases() {
        let (expected, found) = ((case.run)(&here)?, (case.run)(&there)?);
        let difference = Difference {
            what: case.name,
            found: distance(&found, &expected, least(case.kind)),
            tolerance: tolerance(case.kind, precision),
        };
        each(&difference);
        all.push(difference);
    }
    Ok(all)
}

fn cases() -> Vec<Case> {
    let all = [
        simple::cases(),
        channels::cases(),
        pool::cases(),
        conv::cases(),
        norm::cases(),
        layer_norm::cases(),
        images::cases(),
        optimiser::cases(),
        net::cases(),
    ];
    all.into_iter().flatten().collect()
}

/// Of a whole network's results a single one's norm counts as no less than this part of all: a gradient
/// that is nothing but rounding has no digits to compare. An operation's have them all.
fn least(kind: Kind) -> f64 {
    match kind {
        Kind::Moved | Kind::Operation => 0.0,
        Kind::Network | Kind::Gradients => 1e-3,
    }
}

/// The largest, over the results, of the norm of the difference over that of `expected`; no number where
/// they differ in length or one value is none.
fn distance(found: &[Vec<f32>], expected: &[Vec<f32>], least: f64) -> f64 {
    let lengths = |all: &[Vec<f32>]| all.iter().map(Vec::len).collect::<Vec<_>>();
    if lengths(found) != lengths(expected) {
        return f64::NAN;
    }
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let whole = norm(&mut expected.iter().flatten().map(|v| f64::from(*v)));
    let one = |(found, expected): (&Vec<f32>, &Vec<f32>)| {
        let size = norm(&mut expected.iter().map(|v| f64::from(*v))).max(least * whole);
        let pairs = found.iter().zip(expected);
        let off = norm(&mut pairs.map(|(a, b)| f64::from(*a) - f64::from(*b)));
        if off == 0.0 { 0.0 } else { off / size }
    };
    // A maximum that keeps what is no number.
    let each = found.iter().zip(expected).map(one);
    each.fold(0.0, |most, d| if d > most || d.is_nan() { d } else { most })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_conforms_to_itself() {
        let mut count = 0;
        let all = run(&Device::Cpu, Precision::F32, |_| count += 1).expect("runs");
        assert!(count == all.len() && count > 400, "{count} cases");
        assert!(all.iter().all(|d| d.found == 0.0), "{all:#?}");
        let mut names: Vec<&str> = all.iter().map(|d| d.what.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "a name is there twice");
    }

    #[test]
    fn distances() {
        let of = |found: &[&[f32]], expected: &[&[f32]]| {
            let all = |parts: &[&[f32]]| parts.iter().map(|p| p.to_vec()).collect::<Vec<_>>();
            distance(&all(found), &all(expected), 1e-3)
        };
        assert_eq!(of(&[&[0.0]], &[&[0.0]]), 0.0);
        assert_eq!(of(&[&[3.0, 5.0]], &[&[3.0, 4.0]]), 0.2);
        assert_eq!(of(&[&[3.0, 4.0], &[2.0]], &[&[3.0, 4.0], &[1.0]]), 1.0, "the worst counts");
        assert!(of(&[&[1.0], &[1e-9]], &[&[1.0], &[0.0]]) < 1e-5, "nothing but rounding");
        assert!(of(&[&[f32::NAN], &[1.0]], &[&[1.0], &[1.0]]).is_nan());
        assert!(of(&[&[1.0]], &[&[]]).is_nan());
        assert_eq!(of(&[&[1.0]], &[&[0.0]]), f64::INFINITY);
    }
}
