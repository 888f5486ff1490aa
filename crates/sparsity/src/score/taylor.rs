//! First-order Taylor importance.

/// Adds `|w g|`, for each of the images that the gradient is the mean of, to each sum: how much the loss of an image would change, to first order, if the weight were taken out
/// (Molchanov et al. 2017, "Pruning convolutional neural networks for resource efficient inference", equation 5, of
/// single weights). The score is the mean over images.
pub(super) fn add(sums: &mut [f64], weights: &[f32], gradient: &[f32], images: f64) {
    for ((sum, weight), gradient) in sums.iter_mut().zip(weights).zip(gradient) {
        *sum += images * f64::from((weight * gradient).abs());
    }
}
