//! One strided matrix product on the calling thread.
#![allow(unsafe_code, reason = "the gemm crate takes raw pointers")]

use gemm::Parallelism;

/// A matrix inside a slice: element (i, j) stands at `i * rows + j * columns`.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    /// The values.
    pub values: &'a [f32],
    /// Distance between rows.
    pub rows: usize,
    /// Distance between columns.
    pub columns: usize,
}

impl View<'_> {
    fn holds(&self, rows: usize, columns: usize) -> bool {
        (rows - 1) * self.rows + (columns - 1) * self.columns < self.values.len()
    }
}

/// `out = a * b`, or `out += a * b`, with `(m, n, k)` the sizes and `stride` between rows of `out`.
///
/// # Safety
/// `out` must be valid for writes at `i * stride + j` for all `i < m`, `j < n`, and no other thread
/// may touch those elements during the call.
pub(super) unsafe fn product(
    (m, n, k): (usize, usize, usize),
    (out, stride): (*mut f32, usize),
    accumulate: bool,
    a: View,
    b: View,
) {
    assert!(m > 0 && n > 0 && k > 0 && a.holds(m, k) && b.holds(k, n), "matrix out of range");
    // SAFETY: reads of `a` and `b` are in range by the assertion, writes by the caller's promise.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out,
            1,
            stride as isize,
            accumulate,
            a.values.as_ptr(),
            a.columns as isize,
            a.rows as isize,
            b.values.as_ptr(),
            b.columns as isize,
            b.rows as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
