//! Matrix times vector: linear layers, and convolutions of a single pixel.
#![allow(unsafe_code, reason = "rows of one output are written by several threads")]

use std::ops::Range;

use super::parts;
use crate::activation::Applied;
use crate::conv::Epilogue;
use crate::shared::Shared;
use crate::{Kernel, isa, simd};

/// A matrix, `outputs x inputs`, whole or its values that are not zero.
#[derive(Debug, Clone)]
pub struct Matrix {
    inputs: usize,
    outputs: usize,
    rows: Rows,
}

#[derive(Debug, Clone)]
enum Rows {
    Dense(Vec<f32>),
    /// Where the entries of each row begin, one more than there are; and (input, value).
    Sparse(Vec<u32>, Vec<(u32, f32)>),
}

impl Matrix {
    /// All values of `weight`, `outputs x inputs`.
    pub fn dense((outputs, inputs): (usize, usize), weight: &[f32]) -> Self {
        assert!(!weight.is_empty() && weight.len() == outputs * inputs, "weight");
        Self { inputs, outputs, rows: Rows::Dense(weight.to_vec()) }
    }

    /// The values of `weight` that are not zero.
    pub fn sparse((outputs, inputs): (usize, usize), weight: &[f32]) -> Self {
        assert!(!weight.is_empty() && weight.len() == outputs * inputs, "weight");
        let (mut starts, mut entries) = (vec![0], Vec::new());
        for row in weight.chunks_exact(inputs) {
            let kept = row.iter().enumerate().filter(|(_, v)| **v != 0.0);
            entries.extend(kept.map(|(i, v)| (i as u32, *v)));
            starts.push(entries.len() as u32);
        }
        Self { inputs, outputs, rows: Rows::Sparse(starts, entries) }
    }

    /// Whether zeros are skipped.
    pub fn is_sparse(&self) -> bool {
        matches!(self.rows, Rows::Sparse(..))
    }

    /// `y = end(weight * x)`, split into at most `tasks` parts for several threads.
    pub fn forward(&self, x: &[f32], end: &Epilogue, y: &mut [f32], tasks: usize) {
        assert!(x.len() >= self.inputs && y.len() >= self.outputs, "sizes");
        let out = Shared::new(y);
        parts(self.outputs, tasks, |rows| {
            // SAFETY: parts do not overlap.
            let y = unsafe { out.part(rows.start, rows.len()) };
            simd::<Product, _>((self, &x[..self.inputs], rows.clone(), y));
            for (o, y) in rows.zip(&mut *y) {
                *y += end.bias_of(o) + end.add.get(o).copied().unwrap_or(0.0);
            }
            if let Some(activation) = end.activation {
                isa::dispatch(Applied { activation, y });
            }
        });
    }
}

/// Some rows.
struct Product;

/// Partial sums of a dense row, so that no multiply-add waits for the one before it.
const PARTIAL: usize = 64;

impl Kernel<(&Matrix, &[f32], Range<usize>, &mut [f32])> for Product {
    type Out = ();

    #[inline(always)]
    fn run((matrix, x, rows, y): (&Matrix, &[f32], Range<usize>, &mut [f32])) {
        for (o, y) in rows.zip(y) {
            *y = match &matrix.rows {
                Rows::Dense(weight) => dot(&weight[o * x.len()..][..x.len()], x),
                Rows::Sparse(starts, entries) => {
                    let row = &entries[starts[o] as usize..starts[o + 1] as usize];
                    row.iter().map(|(i, v)| v * x[*i as usize]).sum()
                }
            };
        }
    }
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; PARTIAL];
    let (wide, rest) = (a.as_chunks::<PARTIAL>().0, a.len() / PARTIAL * PARTIAL);
    for (a, b) in wide.iter().zip(b.as_chunks::<PARTIAL>().0) {
        (0..PARTIAL).for_each(|i| sums[i] = f32::mul_add(a[i], b[i], sums[i]));
    }
    let tail: f32 = a[rest..].iter().zip(&b[rest..]).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + tail
}
