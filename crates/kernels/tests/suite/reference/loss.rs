//! Softmax cross-entropy with label smoothing.

/// Sum over images of `-sum over classes of target * ln(softmax)`, where the target is
/// `1 - smoothing` at the label plus `smoothing / classes` everywhere.
pub fn cross_entropy(logits: &[f64], labels: &[u16], smoothing: f64) -> f64 {
    let classes = logits.len() / labels.len();
    let images = logits.chunks(classes).zip(labels);
    images.map(|(row, label)| one(row, usize::from(*label), smoothing)).sum()
}

fn one(row: &[f64], label: usize, smoothing: f64) -> f64 {
    let sum: f64 = row.iter().map(|v| v.exp()).sum();
    let mut loss = 0.0;
    for (class, value) in row.iter().enumerate() {
        let hit = if class == label { 1.0 - smoothing } else { 0.0 };
        loss -= (hit + smoothing / row.len() as f64) * (value.exp() / sum).ln();
    }
    loss
}
