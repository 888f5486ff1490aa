//! Constants reshaped, cut, joined and broadcast.

use super::super::constant::{Constant, Data, Found, MOST_RANK, extent};
use super::{MOST_VALUES, few, position, span};

/// The shape that both are broadcast to.
pub fn joint(a: &[usize], b: &[usize]) -> Found<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |dims: &[usize], i: usize| (i + dims.len()).checked_sub(rank).map_or(1, |i| dims[i]);
    let one = |i| match (at(a, i), at(b, i)) {
        (a, b) if a == b || b == 1 => Ok(a),
        (1, b) => Ok(b),
        _ => Err(format!("shapes {a:?} and {b:?} do not fit together")),
    };
    (0..rank).map(one).collect()
}

/// The values of `x` at these places of it.
fn pick(x: &Constant, dims: &[usize], places: &[usize]) -> Constant {
    let data = match &x.data {
        Data::Floats(v) => Constant::floats(dims, places.iter().map(|&i| v[i]).collect()),
        Data::Whole(v) => Constant::whole(dims, places.iter().map(|&i| v[i]).collect()),
    };
    Constant { name: x.name.clone(), ..data }
}

/// The places of a tensor of shape `dims` whose value at each index lies at the sum of index times stride.
pub fn places(dims: &[usize], strides: &[usize]) -> Found<Vec<usize>> {
    if !few(dims) {
        return Err(format!("a constant of shape {dims:?}, which is too large to compute with"));
    }
    let mut all = vec![0];
    for (&size, &stride) in dims.iter().zip(strides) {
        all = all.iter().flat_map(|at| (0..size).map(move |i| at + i * stride)).collect();
    }
    Ok(all)
}

pub fn strides(dims: &[usize]) -> Vec<usize> {
    (0..dims.len()).map(|i| dims[i + 1..].iter().product()).collect()
}

/// Broadcast to `to`, and to its own sizes where these are larger.
pub fn expand(x: &Constant, to: &[usize]) -> Found<Constant> {
    let dims = joint(&x.dims, to)?;
    if dims == x.dims {
        return Ok(x.clone());
    }
    let own = strides(&x.dims);
    let ahead = dims.len() - x.dims.len();
    let of = |i: usize| match i.checked_sub(ahead) {
        Some(i) if x.dims[i] != 1 => own[i],
        _ => 0,
    };
    let steps: Vec<usize> = (0..dims.len()).map(of).collect();
    Ok(Constant { name: None, ..pick(x, &dims, &places(&dims, &steps)?) })
}

/// With 0 for a size that stays and -1 for one that follows.
pub fn reshape(x: &Constant, to: &[i64]) -> Found<Constant> {
    let mut dims: Vec<usize> = vec![];
    for (i, &n) in to.iter().enumerate() {
        dims.push(match n {
            0 => *x.dims.get(i).ok_or("a size that stays where there is none")?,
            -1 => 1,
            n => usize::try_from(n).map_err(|_| format!("reshapes to {to:?}"))?,
        });
    }
    if let Some(open) = to.iter().position(|n| *n == -1) {
        let known = extent(&dims).map(|_| dims.iter().product());
        dims[open] = known.and_then(|n| x.count().checked_div(n)).unwrap_or(0);
    }
    if extent(&dims).is_some() && dims.iter().product::<usize>() == x.count() {
        return Ok(Constant { dims, ..x.clone() });
    }
    Err(format!("reshapes a constant of shape {:?} to {to:?}", x.dims))
}

pub fn unsqueeze(x: &Constant, axes: &[i64]) -> Found<Constant> {
    let rank = x.dims.len() + axes.len();
    if rank > MOST_RANK {
        return Err(format!("{rank} dimensions; expected {MOST_RANK} at most"));
    }
    let axes: Vec<usize> = axes.iter().map(|&a| position(a, rank)).collect::<Found<_>>()?;
    let mut left = x.dims.iter();
    let size = |i| if axes.contains(&i) { Some(1) } else { left.next().copied() };
    let dims: Option<Vec<usize>> = (0..rank).map(size).collect();
    Ok(Constant { dims: dims.ok_or("an axis twice")?, ..x.clone() })
}

pub fn squeeze(x: &Constant, axes: Option<&[i64]>) -> Found<Constant> {
    let rank = x.dims.len();
    let axes: Vec<usize> = match axes {
        Some(axes) => axes.iter().map(|&a| position(a, rank)).collect::<Found<_>>()?,
        None => (0..rank).filter(|&i| x.dims[i] == 1).collect(),
    };
    if let Some(at) = axes.iter().find(|at| x.dims[**at] != 1) {
        return Err(format!("dimension {at} of {:?} is squeezed; expected one of size 1", x.dims));
    }
    let left = (0..rank).filter(|i| !axes.contains(i)).map(|i| x.dims[i]);
    Ok(Constant { dims: left.collect(), ..x.clone() })
}

pub fn transpose(x: &Constant, order: Option<&[i64]>) -> Found<Constant> {
    let rank = x.dims.len();
    let order: Vec<usize> = match order {
        Some(order) => order.iter().map(|&a| position(a, rank)).collect::<Found<_>>()?,
        None => (0..rank).rev().collect(),
    };
    let mut seen = order.clone();
    seen.sort_unstable();
    if seen != (0..rank).collect::<Vec<_>>() {
        return Err(format!("an order {order:?} of {rank} dimensions"));
    }
    if let (Data::Floats(v), [1, 0]) = (&x.data, &order[..]) {
        let [rows, columns] = [x.dims[0], x.dims[1]];
        let moved = Constant::floats(&[columns, rows], transposed(v, columns));
        return Ok(Constant { name: x.name.clone(), ..moved });
    }
    let own = strides(&x.dims);
    let dims: Vec<usize> = order.iter().map(|&i| x.dims[i]).collect();
    let steps: Vec<usize> = order.iter().map(|&i| own[i]).collect();
    Ok(pick(x, &dims, &places(&dims, &steps)?))
}

/// The transpose of a matrix of `columns` columns.
pub fn transposed(matrix: &[f32], columns: usize) -> Vec<f32> {
    if matrix.is_empty() || columns == 0 {
        return vec![];
    }
    let rows = matrix.len() / columns;
    let mut out = vec![0.0; matrix.len()];
    // A block of columns at a time, so that what is written lies close together.
    for first in (0..columns).step_by(16) {
        for (r, row) in matrix.chunks_exact(columns).enumerate() {
            for (c, v) in row.iter().enumerate().skip(first).take(16) {
                out[c * rows + r] = *v;
            }
        }
    }
    out
}

/// Along `axis`, the values at `taken`.
fn take(x: &Constant, axis: usize, taken: &[usize]) -> Found<Constant> {
    let own = strides(&x.dims);
    let mut dims = x.dims.clone();
    dims[axis] = 1;
    let base = places(&dims, &own)?;
    dims[axis] = taken.len();
    if !few(&dims) {
        return Err(format!("a constant of shape {dims:?}; that is too large"));
    }
    let inner = own[axis];
    let all = base
        .chunks(inner.max(1))
        .flat_map(|run| taken.iter().flat_map(move |&i| run.iter().map(move |at| at + i * inner)));
    Ok(Constant { name: None, ..pick(x, &dims, &all.collect::<Vec<_>>()) })
}

pub fn gather(x: &Constant, indices: &Constant, axis: i64) -> Found<Constant> {
    let axis = position(axis, x.dims.len())?;
    let size = x.dims[axis];
    let taken: Vec<usize> =
        indices.integers()?.into_iter().map(|i| position(i, size)).collect::<Found<_>>()?;
    let found = take(x, axis, &taken)?;
    let dims = [&x.dims[..axis], &indices.dims[..], &x.dims[axis + 1..]].concat();
    if !few(&dims) {
        return Err(format!("a constant of shape {dims:?}; that is too large"));
    }
    Ok(Constant { dims, ..found })
}

/// Inputs: the constant, starts, ends, axes, steps.
pub fn slice(x: &Constant, inputs: &[Option<Constant>]) -> Found<Constant> {
    let mut found = x.clone();
    for [axis, start, end, step] in cuts(inputs, x.dims.len())? {
        let axis = position(axis, x.dims.len())?;
        let size = found.dims[axis];
        let taken: Vec<usize> = if step < 0 {
            backwards(size, start, end, step)
        } else {
            let (start, count, step) = span(size, start, end, step)?;
            // One value more than there may be is refused like all.
            (0..count.min(MOST_VALUES + 1)).map(|i| start + i * step).collect()
        };
        found = take(&found, axis, &taken)?;
    }
    Ok(found)
}

/// Places from `start` down to, but not, `end`.
fn backwards(size: usize, start: i64, end: i64, step: i64) -> Vec<usize> {
    let size = size as i64;
    let from_front = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
    let (start, end) = (from_front(start).min(size - 1), from_front(end).max(-1));
    let down = step.checked_neg().unwrap_or(i64::MAX);
    let mut at = start;
    let next = || {
        let found = (at > end && at >= 0).then_some(at as usize);
        at = at.saturating_sub(down);
        found
    };
    std::iter::from_fn(next).take(MOST_VALUES + 1).collect()
}

/// Axis, start, end and step of each cut of a slice of `rank` dimensions.
pub fn cuts(inputs: &[Option<Constant>], rank: usize) -> Found<Vec<[i64; 4]>> {
    let list =
        |i: usize| inputs.get(i).and_then(Option::as_ref).map(Constant::integers).transpose();
    let (Some(starts), Some(ends)) = (list(1)?, list(2)?) else {
        return Err("starts and ends are missing".into());
    };
    let axes = list(3)?.unwrap_or_else(|| (0..rank as i64).take(starts.len()).collect());
    let steps = list(4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()].iter().any(|n| *n != starts.len()) {
        return Err("lists of different length".into());
    }
    if starts.len() > rank {
        return Err(format!(
            "{} cuts of {rank} dimensions; expected one each at most",
            starts.len()
        ));
    }
    Ok((0..starts.len()).map(|i| [axes[i], starts[i], ends[i], steps[i]]).collect())
}

pub fn concat(parts: &[&Constant], axis: i64) -> Found<Constant> {
    let first = parts[0];
    let axis = position(axis, first.dims.len())?;
    let mut dims = first.dims.clone();
    dims[axis] = parts.iter().map(|p| p.dims.get(axis).copied().unwrap_or(0)).sum();
    let fits = |p: &&Constant| {
        p.dims.len() == dims.len() && (0..dims.len()).all(|i| i == axis || p.dims[i] == dims[i])
    };
    if !parts.iter().all(fits) || !few(&dims) {
        return Err("constants of different shapes, or too large".into());
    }
    let outer: usize = dims[..axis].iter().product();
    if parts.iter().all(|p| matches!(p.data, Data::Whole(_))) {
        let all: Vec<_> = parts.iter().map(|p| p.dims_of()).collect::<Found<_>>()?;
        return Ok(Constant::whole(&dims, joined(&all, outer)));
    }
    let all: Vec<_> = parts.iter().map(|p| Ok(p.real()?.to_vec())).collect::<Found<_>>()?;
    Ok(Constant::floats(&dims, joined(&all, outer)))
}

fn joined<T: Copy>(parts: &[Vec<T>], outer: usize) -> Vec<T> {
    let row = |o: usize| {
        parts.iter().flat_map(move |p| {
            let run = p.len().checked_div(outer).unwrap_or(0);
            p[o * run..][..run].iter().copied()
        })
    };
    (0..outer).flat_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::constant::Dim;
    use super::*;

    fn numbers(dims: &[usize]) -> Constant {
        let count = dims.iter().product::<usize>() as i64;
        Constant::whole(dims, (0..count).map(Dim::from).collect())
    }

    fn check(found: Found<Constant>, dims: &[usize], values: &[i64]) {
        let found = found.expect("fits");
        assert_eq!((&found.dims[..], &found.integers().expect("whole")[..]), (dims, values));
    }

    #[test]
    fn values_go_where_numpy_puts_them() {
        let x = numbers(&[2, 3]);
        check(transpose(&x, None), &[3, 2], &[0, 3, 1, 4, 2, 5]);
        check(gather(&x, &Constant::whole(&[], vec![Dim::from(-1)]), 1), &[2], &[2, 5]);
        check(gather(&x, &numbers(&[2]), 0), &[2, 3], &[0, 1, 2, 3, 4, 5]);
        check(expand(&numbers(&[2, 1]), &[2, 2]), &[2, 2], &[0, 0, 1, 1]);
        check(concat(&[&x, &numbers(&[2, 1])], 1), &[2, 4], &[0, 1, 2, 0, 3, 4, 5, 1]);
        check(reshape(&x, &[0, -1, 1]), &[2, 3, 1], &[0, 1, 2, 3, 4, 5]);
        let list = |v: i64| Some(Constant::whole(&[1], vec![Dim::from(v)]));
        let inputs = [Some(x.clone()), list(0), list(i64::MAX), list(1), list(2)];
        check(slice(&x, &inputs), &[2, 2], &[0, 2, 3, 5]);
        // As exporters turn pads around.
        let inputs = [Some(x.clone()), list(-1), list(i64::MIN + 1), list(0), list(-1)];
        check(slice(&x, &inputs), &[2, 3], &[3, 4, 5, 0, 1, 2]);
        assert_eq!(transposed(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert!(expand(&x, &[1 << 20, 1 << 20, 2, 3]).is_err());
    }
}
