//! Kept values as planes of bytes, with scales and a codebook where the encoding has them.

use std::borrow::Cow;

use half::f16;

use crate::codebook::{self, SIZE};
use crate::{Values, planes};

/// Steps of an 8-bit value on each side of 0.
const STEPS: f32 = 127.0;

/// The kept values of a tensor as they are stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Coded {
    /// Planes of bytes, not yet compressed.
    pub planes: Vec<Vec<u8>>,
    /// One factor an output channel.
    pub scales: Option<Vec<f32>>,
    /// What indices stand for.
    pub codebook: Option<Vec<f32>>,
}

/// Bytes of each plane of `kept` values.
pub(crate) fn plane_sizes(values: Values, kept: usize) -> Vec<usize> {
    match values {
        Values::F32 => vec![kept; 4],
        Values::F16 => vec![kept; 2],
        Values::Int8 => vec![kept],
        Values::Codebook4 => vec![kept.div_ceil(2)],
    }
}

/// Encodes `kept`, of which `rows[i]` belong to output channel `i`.
///
/// # Errors
/// In words, where a value is beyond the encoding's range.
pub(crate) fn encoded(values: Values, kept: &[f32], rows: &[usize]) -> Result<Coded, String> {
    match values {
        Values::F32 => Ok(Coded { planes: planes::of_f32(kept), ..Coded::default() }),
        Values::F16 => halves(kept),
        Values::Int8 => Ok(steps(kept, rows)),
        Values::Codebook4 => Ok(indices(kept, rows)),
    }
}

/// Kept values as they lie in memory.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kept {
    /// As numbers.
    Floats(Vec<f32>),
    /// Of eight bits, in units of the scale of their row.
    Integers {
        /// In the order of the tensor.
        units: Vec<i8>,
        /// One an output channel.
        scales: Vec<f32>,
    },
}

impl Kept {
    /// The values, of which `rows[i]` belong to output channel `i`.
    pub fn floats(&self, rows: &[usize]) -> Cow<'_, [f32]> {
        match self {
            Self::Floats(values) => Cow::Borrowed(values),
            Self::Integers { units, scales } => {
                Cow::Owned(scaled(scales, rows, units.iter().map(|unit| f32::from(*unit))))
            }
        }
    }
}

/// The values of `coded`, whose planes, scales and codebook have the right sizes.
///
/// # Errors
/// In words, where a value is not finite, or a scale is none that [`encoded`] writes.
pub(crate) fn decoded(values: Values, coded: Coded, rows: &[usize]) -> Result<Kept, String> {
    let floats = match (values, &coded) {
        (Values::F32, Coded { planes, .. }) => planes::to_f32(planes),
        (Values::F16, Coded { planes, .. }) => {
            planes::to_f16(planes).map(|b| f16::from_bits(b).to_f32()).collect()
        }
        (Values::Int8, _) => return integers(coded, rows),
        (Values::Codebook4, Coded { planes, scales, codebook }) => {
            let book = codebook.as_deref().unwrap_or_default();
            let nibbles = planes[0].iter().flat_map(|byte| [byte & 15, byte >> 4]);
            let parts = nibbles.map(|n| book[usize::from(n)]);
            scaled(scales.as_deref().unwrap_or_default(), rows, parts)
        }
    };
    check_finite(&floats)?;
    check_scales(coded.scales.as_deref().unwrap_or_default())?;
    Ok(Kept::Floats(floats))
}

fn integers(coded: Coded, rows: &[usize]) -> Result<Kept, String> {
    let scales = coded.scales.unwrap_or_default();
    let bytes = coded.planes.into_iter().next().unwrap_or_default();
    let kept = Kept::Integers { units: bytes.into_iter().map(|b| b as i8).collect(), scales };
    let Kept::Integers { units, scales } = &kept else { unreachable!("made above") };
    // Whatever the integers are, the values of any other scales are finite.
    if scales.iter().any(|scale| !(scale * -f32::from(i8::MIN)).is_finite()) {
        check_finite(&kept.floats(rows))?;
    }
    check_scales(scales)?;
    let mut rest = &units[..];
    for (output, (scale, count)) in scales.iter().zip(rows).enumerate() {
        let (own, after) = rest.split_at(*count);
        if *scale == 0.0 && own.iter().any(|unit| *unit != 0) {
            return Err(format!("the scale of output {output} is 0; its integers are not"));
        }
        rest = after;
    }
    Ok(kept)
}

fn check_finite(kept: &[f32]) -> Result<(), String> {
    match kept.iter().position(|v| !v.is_finite()) {
        Some(i) => Err(format!("kept value {i} is {}; expected a number", kept[i])),
        None => Ok(()),
    }
}

/// Scales are 0 or positive.
fn check_scales(scales: &[f32]) -> Result<(), String> {
    match scales.iter().position(|scale| !scale.is_finite() || *scale < 0.0) {
        Some(output) => Err(format!(
            "the scale of output {output} is {}; expected a number that is not negative",
            scales[output]
        )),
        None => Ok(()),
    }
}

fn halves(kept: &[f32]) -> Result<Coded, String> {
    let bits: Vec<u16> = kept.iter().map(|v| f16::from_f32(*v).to_bits()).collect();
    if let Some(i) = bits.iter().position(|b| !f16::from_bits(*b).is_finite()) {
        return Err(format!(
            "kept value {i} is {}; f16 ends at {}: pack with f32 or int8 values",
            kept[i],
            f16::MAX
        ));
    }
    Ok(Coded { planes: planes::of_f16(&bits), ..Coded::default() })
}

fn steps(kept: &[f32], rows: &[usize]) -> Coded {
    let scales: Vec<f32> = largest(kept, rows).iter().map(|most| most / STEPS).collect();
    let bytes = unscaled(kept, rows, &scales).map(|v| v.round() as i8 as u8).collect();
    Coded { planes: vec![bytes], scales: Some(scales), codebook: None }
}

fn indices(kept: &[f32], rows: &[usize]) -> Coded {
    let scales = largest(kept, rows);
    let parts: Vec<f32> = unscaled(kept, rows, &scales).collect();
    let book = codebook::fitted(&parts);
    let borders = codebook::borders(&book);
    let nibbles: Vec<u8> = parts.iter().map(|v| codebook::nearest(&borders, *v)).collect();
    let pair = |pair: &[u8]| pair[0] | pair.get(1).unwrap_or(&0) << 4;
    let bytes = nibbles.chunks(2).map(pair).collect();
    Coded { planes: vec![bytes], scales: Some(scales), codebook: Some(book.to_vec()) }
}

/// The largest absolute value of each row; 0 of an empty one.
fn largest(kept: &[f32], rows: &[usize]) -> Vec<f32> {
    let mut rest = kept;
    let mut of_row = |count: &usize| {
        let (row, after) = rest.split_at(*count);
        rest = after;
        row.iter().fold(0.0_f32, |most, v| most.max(v.abs()))
    };
    rows.iter().map(&mut of_row).collect()
}

/// The scale of every value in order.
fn spread<'a>(scales: &'a [f32], rows: &'a [usize]) -> impl Iterator<Item = f32> + 'a {
    scales.iter().zip(rows).flat_map(|(scale, count)| std::iter::repeat_n(*scale, *count))
}

/// Values in units of their scale; those of scale 0 are 0.
fn unscaled<'a>(
    kept: &'a [f32],
    rows: &'a [usize],
    scales: &'a [f32],
) -> impl Iterator<Item = f32> + 'a {
    let part = |(v, scale): (&f32, f32)| if scale == 0.0 { 0.0 } else { v / scale };
    kept.iter().zip(spread(scales, rows)).map(part)
}

fn scaled(scales: &[f32], rows: &[usize], units: impl Iterator<Item = f32>) -> Vec<f32> {
    // A loop over rows, not over pairs: this is most of the time that reading takes.
    let mut kept = Vec::with_capacity(rows.iter().sum());
    let mut units = units;
    for (scale, count) in scales.iter().zip(rows) {
        kept.extend(units.by_ref().take(*count).map(|unit| unit * scale));
    }
    kept
}

/// Whether the encoding has scales and a codebook: how many of each for `rows` output channels.
pub(crate) fn side_sizes(values: Values, rows: usize) -> (Option<usize>, Option<usize>) {
    match values {
        Values::F32 | Values::F16 => (None, None),
        Values::Int8 => (Some(rows), None),
        Values::Codebook4 => (Some(rows), Some(SIZE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `kept` in two rows of these counts, through `values` and back.
    fn back(values: Values, kept: &[f32], rows: &[usize]) -> Vec<f32> {
        let coded = encoded(values, kept, rows).expect("in range");
        let sizes: Vec<usize> = coded.planes.iter().map(Vec::len).collect();
        assert_eq!(sizes, plane_sizes(values, kept.len()));
        let sides = (coded.scales.as_ref().map(Vec::len), coded.codebook.as_ref().map(Vec::len));
        assert_eq!(sides, side_sizes(values, rows.len()));
        decoded(values, coded, rows).expect("numbers").floats(rows).into_owned()
    }

    proptest! {
        #[test]
        fn errors_are_bounded(kept in prop::collection::vec(-100.0_f32..100.0, 0..80), cut in 0.0..1.0_f64) {
            let first = (cut * kept.len() as f64) as usize;
            let rows = [first, 0, kept.len() - first];
            let most = largest(&kept, &rows);
            prop_assert_eq!(&back(Values::F32, &kept, &rows), &kept);
            let scales: Vec<f32> = spread(&most, &rows).collect();
            let check = |values, bound: fn(f32, f32) -> f32| {
                let found = back(values, &kept, &rows);
                found.iter().zip(&kept).zip(&scales).all(|((a, b), s)| (a - b).abs() <= bound(*b, *s))
            };
            // Half a unit of the 11th significant bit, or of the smallest subnormal.
            prop_assert!(check(Values::F16, |v, _| (v.abs() / 2048.0).max(2.0_f32.powi(-25))));
            // Half a step, and the rounding of the scale itself.
            prop_assert!(check(Values::Int8, |_, most| most / STEPS * 0.5001));
            // No value is further off than the span of all.
            prop_assert!(check(Values::Codebook4, |_, most| 2.0 * most));
        }

        #[test]
        fn sixteen_values_need_no_more(picks in prop::collection::vec(0_u8..16, 1..80)) {
            let kept: Vec<f32> = picks.iter().map(|p| f32::from(*p) / 16.0 - 0.5).collect();
            let found = back(Values::Codebook4, &kept, &[kept.len()]);
            prop_assert!(found.iter().zip(&kept).all(|(a, b)| (a - b).abs() <= 1e-6), "{found:?}");
        }
    }

    #[test]
    fn exact_cases() {
        let check = |values, kept: &[f32], expected: &[f32]| {
            assert_eq!(back(values, kept, &[kept.len()]), expected);
        };
        let two = 2.0_f32.powi(-11);
        check(Values::F16, &[1.0 + two, 1.0 + 3.0 * two, -0.0], &[1.0, 1.0 + 4.0 * two, 0.0]);
        check(Values::Int8, &[127.0, -127.0, 0.4, 0.5, -1.5], &[127.0, -127.0, 0.0, 1.0, -2.0]);
        check(Values::Int8, &[0.0, 0.0], &[0.0, 0.0]);
        check(Values::Codebook4, &[0.0, 0.0, 0.0], &[0.0, 0.0, 0.0]);
        check(Values::Codebook4, &[4.0, -1.0, 2.0], &[4.0, -1.0, 2.0]);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let error = encoded(Values::F16, &[1.0, 70_000.0], &[2]).expect_err("too large");
        assert!(error.contains("kept value 1 is 70000; f16 ends at 65504"), "{error}");
        let huge = Coded { planes: vec![vec![127]], scales: Some(vec![1e38]), codebook: None };
        let error = decoded(Values::Int8, huge, &[1]).expect_err("overflows");
        assert!(error.contains("kept value 0 is inf"), "{error}");
        let nan = Coded { planes: planes::of_f32(&[f32::NAN]), ..Coded::default() };
        assert!(decoded(Values::F32, nan, &[1]).is_err_and(|e| e.contains("is NaN")));
    }
}
