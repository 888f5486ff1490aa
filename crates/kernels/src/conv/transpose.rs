//! Turning sixteen vectors of sixteen images into sixteen vectors of sixteen channels.

use pulp::Simd;

use crate::LANES;

/// A square of values.
pub(crate) type Square = [[f32; LANES]; LANES];

/// `out[j][i] = rows[i][j]`.
#[inline(always)]
pub(crate) fn transpose<S: Simd>(_: S, rows: &Square) -> Square {
    let mut out = *rows;
    // Four rounds swap the off-diagonal quarters of ever smaller squares: each round is a
    // permutation of two registers at a time, which the compiler turns into shuffles.
    round::<8>(&mut out);
    round::<4>(&mut out);
    round::<2>(&mut out);
    round::<1>(&mut out);
    out
}

#[inline(always)]
fn round<const D: usize>(rows: &mut Square) {
    for i in (0..LANES).filter(|i| i & D == 0) {
        let (a, b) = (rows[i], rows[i + D]);
        for l in 0..LANES {
            rows[i][l] = if l & D == 0 { a[l] } else { b[l - D] };
            rows[i + D][l] = if l & D == 0 { a[l + D] } else { b[l] };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_columns() {
        let mut rows = [[0.0; LANES]; LANES];
        (0..256).for_each(|i| rows[i / LANES][i % LANES] = i as f32);
        let out = transpose(pulp::Scalar::new(), &rows);
        (0..256).for_each(|i| assert_eq!(out[i % LANES][i / LANES], i as f32));
    }
}
