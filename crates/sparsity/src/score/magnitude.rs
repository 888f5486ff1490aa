//! The size of a weight.

/// Absolute values.
pub fn magnitude(values: &[f32]) -> Vec<f32> {
    values.iter().map(|v| v.abs()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magnitude_ignores_the_sign() {
        assert_eq!(magnitude(&[-2.0, 0.5, -0.0]), [2.0, 0.5, 0.0]);
    }
}
