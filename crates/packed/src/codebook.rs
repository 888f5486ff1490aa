//! Sixteen values that stand for many: k-means in one dimension (Lloyd 1982).

use std::array;

/// Values of a codebook: as many as 4 bits tell apart.
pub(crate) const SIZE: usize = 16;
/// Rounds at most; it settles in far fewer or hardly moves any more.
const ROUNDS: usize = 200;

/// A codebook for `values`, ascending: from quantiles of the distinct ones, so that up to sixteen
/// need no more, to a local optimum of the squared error.
///
/// The result depends on the values alone, not on their order.
pub(crate) fn fitted(values: &[f32]) -> [f32; SIZE] {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    if sorted.is_empty() {
        return [0.0; SIZE];
    }
    let mut sums = vec![0.0];
    sums.extend(sorted.iter().scan(0.0, |sum, v| {
        *sum += f64::from(*v);
        Some(*sum)
    }));
    let mut distinct = sorted.clone();
    distinct.dedup();
    let mut book = array::from_fn(|k| distinct[(2 * k + 1) * distinct.len() / (2 * SIZE)]);
    for _ in 0..ROUNDS {
        let next = moved(&book, &sorted, &sums);
        if next == book {
            break;
        }
        book = next;
    }
    book
}

/// Each value of `book` moved to the mean of what is nearest to it; `sums[i]` is the sum of the
/// first `i` of `sorted`.
fn moved(book: &[f32; SIZE], sorted: &[f32], sums: &[f64]) -> [f32; SIZE] {
    let borders = borders(book);
    let end = |k: usize| match borders.get(k) {
        Some(border) => sorted.partition_point(|v| v <= border),
        None => sorted.len(),
    };
    let mut from = 0;
    array::from_fn(|k| {
        let to = end(k);
        let (count, sum) = (to - from, sums[to] - sums[from]);
        from = to;
        if count == 0 { book[k] } else { (sum / count as f64) as f32 }
    })
}

/// The values halfway between neighbours of `book`.
pub(crate) fn borders(book: &[f32; SIZE]) -> [f32; SIZE - 1] {
    array::from_fn(|k| f32::midpoint(book[k], book[k + 1]))
}

/// The index of the book's value nearest to `value`, by the book's [`borders`].
pub(crate) fn nearest(borders: &[f32; SIZE - 1], value: f32) -> u8 {
    borders.iter().map(|border| u8::from(value > *border)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn squared_error(values: &[f32], book: &[f32; SIZE]) -> f64 {
        let borders = borders(book);
        let off = |v: &f32| f64::from(v - book[usize::from(nearest(&borders, *v))]);
        values.iter().map(|v| off(v).powi(2)).sum()
    }

    #[test]
    fn a_few_values_come_back_exactly() {
        let check = |values: &[f32]| assert_eq!(squared_error(values, &fitted(values)), 0.0);
        check(&[]);
        check(&[1.5]);
        check(&[-1.0, 1.0, -1.0]);
        check(&(0..16).map(|i| i as f32).collect::<Vec<_>>());
    }

    proptest! {
        /// What pruning by magnitude leaves has a gap around 0, where even steps are wasted.
        #[test]
        fn better_than_even_steps(draws in prop::collection::vec(-1.0_f32..1.0, 200..400)) {
            let even = array::from_fn(|k| (k as f32 - 7.5) / 7.5);
            let values: Vec<f32> = draws.iter().map(|v| v.signum() * (0.7 + 0.3 * v.abs())).collect();
            let fitted = fitted(&values);
            prop_assert!(fitted.is_sorted());
            prop_assert!(squared_error(&values, &fitted) < 0.5 * squared_error(&values, &even));
        }

        #[test]
        fn nearest_is_nearest(values in prop::collection::vec(-1.0_f32..1.0, 1..60), x in -2.0_f32..2.0) {
            let book = fitted(&values);
            let off = |k: usize| (book[k] - x).abs();
            let found = usize::from(nearest(&borders(&book), x));
            // A value on a border may go either way by a rounding.
            prop_assert!((0..SIZE).all(|k| off(found) <= off(k) + 1e-6));
        }
    }
}
