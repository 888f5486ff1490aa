//! Constants summed up, and standardised: what weight standardisation does to the weights at each run.

use super::super::constant::{Constant, Data, Found};
use super::{moves, position};

/// Where the values of `x` go when the dimensions `over` are left with one value each.
fn places(x: &Constant, over: &[usize]) -> Found<(Vec<usize>, Vec<usize>)> {
    let dims = &x.dims[..];
    if x.count() == 0 {
        return Err(format!("over a constant of shape {dims:?}; expected one value or more"));
    }
    let left: Vec<usize> =
        dims.iter().enumerate().map(|(i, &n)| if over.contains(&i) { 1 } else { n }).collect();
    let mut steps = moves::strides(&left);
    for &i in over {
        steps[i] = 0;
    }
    let all = moves::places(dims, &steps)?;
    Ok((left, all))
}

/// The sum, mean, largest or smallest of real numbers over dimensions; over all of them without `axes`.
pub fn reduce(kind: &str, x: &Constant, axes: Option<&[i64]>, keep: bool) -> Found<Constant> {
    let Data::Floats(values) = &x.data else {
        return Err(format!("{kind} of whole numbers; expected real ones"));
    };
    let rank = x.dims.len();
    let over: Vec<usize> = match axes {
        Some(axes) if !axes.is_empty() => {
            axes.iter().map(|&a| position(a, rank)).collect::<Found<_>>()?
        }
        _ => (0..rank).collect(),
    };
    let (left, to) = places(x, &over)?;
    let count = left.iter().product::<usize>();
    let each = (values.len() / count) as f64;
    let (first, of): (f64, fn(f64, f64) -> f64) = match kind {
        "ReduceMean" | "ReduceSum" => (0.0, |a, b| a + b),
        "ReduceMax" => (f64::NEG_INFINITY, f64::max),
        "ReduceMin" => (f64::INFINITY, f64::min),
        other => return Err(format!("{other} of real constants")),
    };
    let mut found = vec![first; count];
    for (v, &at) in values.iter().zip(&to) {
        found[at] = of(found[at], f64::from(*v));
    }
    let by = if kind == "ReduceMean" { each } else { 1.0 };
    let found = found.into_iter().map(|v| (v / by) as f32).collect();
    let dims = if keep {
        left
    } else {
        (0..rank).filter(|i| !over.contains(i)).map(|i| x.dims[i]).collect()
    };
    Ok(Constant::floats(&dims, found))
}

/// A batch norm of constants. Inputs: the values, scale, shift, mean and variance, of which the last two are not
/// read where the norm is in training and takes those of its values.
pub fn batch_norm(inputs: &[Option<Constant>], eps: f32, training: bool) -> Found<Constant> {
    let input = |i: usize| {
        inputs.get(i).and_then(Option::as_ref).ok_or_else(|| format!("input {i} is missing"))
    };
    let x = input(0)?;
    let &[_, channels, ..] = &x.dims[..] else {
        return Err(format!("of a constant of shape {:?}; expected channels", x.dims));
    };
    let over: Vec<usize> = (0..x.dims.len()).filter(|i| *i != 1).collect();
    let values = x.real()?;
    let each = |i: usize| match input(i)?.real()? {
        v if v.len() == channels => Ok(v.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>()),
        v => Err(format!("input {i} has {} values; expected {channels}", v.len())),
    };
    let (_, to) = places(x, &over)?;
    let mean_of = |of: &dyn Fn(f64, usize) -> f64| {
        let mut sums = vec![0.0; channels];
        values.iter().zip(&to).for_each(|(v, &c)| sums[c] += of(f64::from(*v), c));
        let count = (values.len() / channels.max(1)) as f64;
        sums.into_iter().map(|s| s / count).collect::<Vec<f64>>()
    };
    let (mean, var) = if training {
        let mean = mean_of(&|v, _| v);
        let var = mean_of(&|v, c| (v - mean[c]).powi(2));
        (mean, var)
    } else {
        (each(3)?, each(4)?)
    };
    let (scale, shift) = (each(1)?, each(2)?);
    let one = |(v, &c): (&f32, &usize)| {
        let normal = (f64::from(*v) - mean[c]) / (var[c] + f64::from(eps)).sqrt();
        (normal * scale[c] + shift[c]) as f32
    };
    Ok(Constant::floats(&x.dims, values.iter().zip(&to).map(one).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(dims: &[usize]) -> Constant {
        let count = dims.iter().product::<usize>();
        Constant::floats(dims, (0..count).map(|i| i as f32).collect())
    }

    #[test]
    fn sums_and_means_are_those_of_numpy() {
        let check = |kind: &str, axes: Option<&[i64]>, keep, dims: &[usize], values: &[f32]| {
            let found = reduce(kind, &numbers(&[2, 3]), axes, keep).expect("fits");
            assert_eq!((&found.dims[..], &found.real().expect("real")[..]), (dims, values));
        };
        check("ReduceMean", Some(&[0]), true, &[1, 3], &[1.5, 2.5, 3.5]);
        check("ReduceSum", Some(&[-1]), false, &[2], &[3.0, 12.0]);
        check("ReduceMax", None, false, &[], &[5.0]);
        check("ReduceMin", Some(&[1, 0]), true, &[1, 1], &[0.0]);
        assert!(reduce("ReduceMean", &numbers(&[2, 0]), None, false).is_err());
    }

    #[test]
    fn a_norm_in_training_standardises() {
        let list = |v: &[f32]| Some(Constant::floats(&[v.len()], v.to_vec()));
        let x = Some(numbers(&[1, 2, 2]));
        let inputs = [x, list(&[1.0, 4.0]), list(&[0.0, 1.0]), list(&[9.0; 2]), list(&[9.0; 2])];
        let found = batch_norm(&inputs, 0.0, true).expect("fits");
        assert_eq!(found.real().expect("real")[..], [-1.0, 1.0, -3.0, 5.0]);
        let found = batch_norm(&inputs, 0.0, false).expect("fits");
        assert_eq!(found.real().expect("real")[..2], [-3.0, -8.0 / 3.0]);
    }
}
