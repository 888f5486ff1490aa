//! Which values of one parameter are kept.

/// One flag a value, in the parameter's row-major order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    kept: Vec<bool>,
}

impl Mask {
    /// A mask that keeps the values where `kept` is true.
    pub fn new(kept: Vec<bool>) -> Self {
        Self { kept }
    }

    /// Number of values, kept and pruned.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether it covers no value at all.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// One flag a value: true is kept.
    pub fn kept(&self) -> &[bool] {
        &self.kept
    }

    /// Number of pruned values.
    pub fn pruned(&self) -> u64 {
        self.kept.iter().filter(|&&k| !k).count() as u64
    }

    /// Sets the pruned of `values` to +0.0.
    ///
    /// # Panics
    /// If `values` has another length than the mask.
    pub fn apply(&self, values: &mut [f32]) {
        self.fits(values);
        for (value, kept) in values.iter_mut().zip(&self.kept) {
            if !kept {
                *value = 0.0;
            }
        }
    }

    /// Number of pruned positions whose value is not zero.
    ///
    /// # Panics
    /// As [`Mask::apply`].
    pub fn revived(&self, values: &[f32]) -> u64 {
        self.alive(values).count() as u64
    }

    /// The pruned positions whose value is not zero.
    pub(crate) fn alive(&self, values: &[f32]) -> impl Iterator<Item = usize> {
        self.fits(values);
        let pairs = self.kept.iter().zip(values).enumerate();
        pairs.filter(|(_, (kept, value))| !**kept && **value != 0.0).map(|(i, _)| i)
    }

    fn fits(&self, values: &[f32]) {
        assert_eq!(values.len(), self.len(), "a mask binds as many values as it has flags");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applies_and_finds_what_revived() {
        let mask = Mask::new(vec![true, false, false, true]);
        let mut values = [1.0, -2.0, -0.0, 0.0];
        assert_eq!((mask.pruned(), mask.revived(&values)), (2, 1));
        assert_eq!(mask.alive(&values).collect::<Vec<_>>(), [1]);
        mask.apply(&mut values);
        assert_eq!(values.map(f32::to_bits), [1.0_f32, 0.0, 0.0, 0.0].map(f32::to_bits));
        assert_eq!(mask.revived(&values), 0);
    }
}
