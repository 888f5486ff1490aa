//! Second-order importance with the diagonal of the empirical Fisher matrix.

/// Adds `g^2`, for each of the images that the gradient is the mean of, to each sum. The mean over images stands for the second derivative of the loss (`LeCun` et al. 1989, "Optimal
/// brain damage"; the empirical Fisher matrix for it as in Theis et al. 2018, "Faster gaze prediction with dense
/// networks and Fisher pruning").
pub(super) fn add(sums: &mut [f64], gradient: &[f32], images: f64) {
    for (sum, gradient) in sums.iter_mut().zip(gradient) {
        *sum += images * f64::from(*gradient).powi(2);
    }
}

/// `w^2 F / 2`: the loss that the weight's absence costs to second order, where the first is zero.
pub(super) fn score(weight: f32, fisher: f64) -> f64 {
    f64::from(weight).powi(2) * fisher / 2.0
}
