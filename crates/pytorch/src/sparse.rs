//! Sparse tensors written out in full.

use crate::load::Numbers;

/// Adds each of the values to the place in a dense tensor of `shape` that its column of `indices`
/// (dimensions x count) names; equal places are summed, as `PyTorch`'s `to_dense` does.
pub fn coo(
    shape: &[usize],
    indices: (&[usize], &[i64]),
    values: &Numbers,
) -> Result<Numbers, String> {
    let ([dimensions, count], places) = indices else {
        return Err(format!("indices of shape {:?}; expected dimensions x values", indices.0));
    };
    let (dimensions, count) = (*dimensions, *count);
    if dimensions > shape.len() {
        return Err(format!("{dimensions} indices a value in {} dimensions", shape.len()));
    }
    // What has no index of its own is a dense block a value.
    let block: usize = shape[dimensions..].iter().product();
    let mut starts = Vec::with_capacity(count);
    for value in 0..count {
        let mut at = 0;
        for (d, size) in shape[..dimensions].iter().enumerate() {
            at = at * size + within(places[d * count + value], *size)?;
        }
        starts.push(at * block);
    }
    spread(shape, &starts, block, values)
}

/// Puts the values of a compressed matrix of `shape` where `starts` and `indices` say.
pub fn compressed(
    shape: &[usize],
    by_column: bool,
    (starts, indices): (&[i64], &[i64]),
    values: &Numbers,
) -> Result<Numbers, String> {
    let [rows, columns] = *shape else {
        return Err(format!("compressed rows of shape {shape:?}; expected a matrix"));
    };
    let (outer, inner) = if by_column { (columns, rows) } else { (rows, columns) };
    let whole = starts.len() == outer + 1
        && starts.first() == Some(&0)
        && starts.last() == Some(&(indices.len() as i64));
    if !whole || !starts.is_sorted() {
        return Err(format!("row starts that do not lead from 0 to the {} values", indices.len()));
    }
    let mut places = Vec::with_capacity(indices.len());
    for (line, pair) in starts.windows(2).enumerate() {
        for index in &indices[pair[0] as usize..pair[1] as usize] {
            let index = within(*index, inner)?;
            places.push(if by_column { index * columns + line } else { line * columns + index });
        }
    }
    spread(shape, &places, 1, values)
}

/// `index`, where it is within a dimension of `size`.
fn within(index: i64, size: usize) -> Result<usize, String> {
    let found = usize::try_from(index).ok().filter(|i| *i < size);
    found.ok_or_else(|| format!("an index of {index} in a dimension of {size}"))
}

/// A dense tensor of `shape`, zero but for `values` in blocks of `block` from each of `starts`.
fn spread(
    shape: &[usize],
    starts: &[usize],
    block: usize,
    values: &Numbers,
) -> Result<Numbers, String> {
    let total = shape.iter().product();
    if values.len() != starts.len() * block {
        return Err(format!("{} values; expected {}", values.len(), starts.len() * block));
    }
    let places = || starts.iter().flat_map(|s| *s..s + block);
    match values {
        Numbers::Floats(values) => {
            let mut all = vec![0.0; total];
            for (at, value) in places().zip(values) {
                all[at] += value;
            }
            match all.iter().position(|v: &f32| !v.is_finite()) {
                None => Ok(Numbers::Floats(all)),
                Some(at) => {
                    Err(format!("value {at}, a sum, is {}; expected a finite number", all[at]))
                }
            }
        }
        Numbers::Bytes(values) => {
            let mut all = vec![0_u8; total];
            for (at, value) in places().zip(values) {
                all[at] = all[at].saturating_add(*value);
            }
            Ok(Numbers::Bytes(all))
        }
        Numbers::Integers(values) => {
            let mut all = vec![0_i64; total];
            for (at, value) in places().zip(values) {
                all[at] = all[at].saturating_add(*value);
            }
            Ok(Numbers::Integers(all))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(values: &[f32]) -> Numbers {
        Numbers::Floats(values.to_vec())
    }

    #[test]
    fn equal_places_are_summed_and_blocks_stay_whole() {
        let found = coo(&[2, 3], (&[2, 3], &[0, 1, 0, 1, 2, 1]), &floats(&[1.0, 2.0, 3.0]));
        assert_eq!(found, Ok(floats(&[0.0, 4.0, 0.0, 0.0, 0.0, 2.0])));
        let found = coo(&[3, 2], (&[1, 1], &[2]), &floats(&[5.0, 6.0]));
        assert_eq!(found, Ok(floats(&[0.0, 0.0, 0.0, 0.0, 5.0, 6.0])));
    }

    #[test]
    fn rows_and_columns_are_written_out() {
        let check = |by_column, starts: &[i64], indices: &[i64], expected: &[f32]| {
            let found =
                compressed(&[2, 3], by_column, (starts, indices), &floats(&[1.0, 2.0, 3.0]));
            assert_eq!(found, Ok(floats(expected)));
        };
        check(false, &[0, 2, 3], &[0, 2, 1], &[1.0, 0.0, 2.0, 0.0, 3.0, 0.0]);
        check(true, &[0, 1, 1, 3], &[1, 0, 1], &[0.0, 0.0, 2.0, 1.0, 0.0, 3.0]);
    }

    #[test]
    fn places_outside_are_refused() {
        let refused = |found: Result<Numbers, String>, expected: &str| {
            let error = found.expect_err("refused");
            assert!(error.contains(expected), "{error} lacks {expected}");
        };
        refused(coo(&[2], (&[1, 1], &[2]), &floats(&[1.0])), "an index of 2 in a dimension of 2");
        refused(coo(&[2], (&[1, 1], &[-1]), &floats(&[1.0])), "an index of -1");
        refused(
            coo(&[2], (&[2, 1], &[0, 0]), &floats(&[1.0])),
            "2 indices a value in 1 dimensions",
        );
        refused(coo(&[2], (&[1], &[0]), &floats(&[1.0])), "expected dimensions x values");
        refused(coo(&[2], (&[1, 1], &[0]), &floats(&[1.0, 2.0])), "2 values; expected 1");
        let huge = floats(&[f32::MAX, f32::MAX]);
        refused(coo(&[1], (&[1, 2], &[0, 0]), &huge), "value 0, a sum, is inf");
        let csr = |shape: &[usize], starts: &[i64]| {
            compressed(shape, false, (starts, &[0]), &floats(&[1.0]))
        };
        refused(csr(&[2], &[0, 1]), "expected a matrix");
        refused(csr(&[1, 1], &[0, 2]), "do not lead from 0 to the 1 values");
        refused(csr(&[2, 1], &[0, 9, 1]), "do not lead");
    }
}
