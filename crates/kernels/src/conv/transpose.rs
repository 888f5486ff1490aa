//! Turning rows into columns: sixteen vectors of sixteen images into sixteen vectors of sixteen channels,
//! and smaller squares.

use pulp::Simd;

/// `N` rows of `N` values.
pub(crate) type Square<const N: usize> = [[f32; N]; N];

/// `out[j][i] = rows[i][j]`, for 4, 8 or 16 rows.
#[inline(always)]
pub(crate) fn transpose<S: Simd, const N: usize>(_: S, rows: &Square<N>) -> Square<N> {
    const { assert!(N == 4 || N == 8 || N == 16, "rows that rounds halve") };
    let mut out = *rows;
    // The rounds swap the off-diagonal quarters of ever smaller squares: each round is a
    // permutation of two registers at a time, which the compiler turns into shuffles.
    if N > 8 {
        round::<N, 8>(&mut out);
    }
    if N > 4 {
        round::<N, 4>(&mut out);
    }
    round::<N, 2>(&mut out);
    round::<N, 1>(&mut out);
    out
}

/// One round; with `D` as an argument the compiler did not unroll it, and training was 5 % slower.
#[inline(always)]
fn round<const N: usize, const D: usize>(rows: &mut Square<N>) {
    for i in (0..N).filter(|i| i & D == 0) {
        let (a, b) = (rows[i], rows[i + D]);
        for l in 0..N {
            let kept = l & D == 0;
            rows[i][l] = if kept { a[l] } else { b[l - D] };
            rows[i + D][l] = if kept { a[l + D] } else { b[l] };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<const N: usize>() {
        let mut rows = [[0.0; N]; N];
        (0..N * N).for_each(|i| rows[i / N][i % N] = i as f32);
        let out = transpose(pulp::Scalar::new(), &rows);
        (0..N * N).for_each(|i| assert_eq!(out[i % N][i / N], i as f32));
    }

    #[test]
    fn rows_become_columns() {
        check::<4>();
        check::<8>();
        check::<16>();
    }
}
