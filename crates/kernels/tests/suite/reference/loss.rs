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

/// Sum over images of `T^2 * sum over classes of p ln(p / q)`, where `p` and `q` are the softmax of `answers` and of
/// `logits`, both divided by `temperature`.
pub fn distillation(logits: &[f64], answers: &[f64], classes: usize, temperature: f64) -> f64 {
    let softmax = |row: &[f64]| -> Vec<f64> {
        let all: Vec<f64> = row.iter().map(|v| (v / temperature).exp()).collect();
        let sum: f64 = all.iter().sum();
        all.iter().map(|v| v / sum).collect()
    };
    let images = logits.chunks(classes).zip(answers.chunks(classes));
    let one = |(own, other): (&[f64], &[f64])| {
        let (q, p) = (softmax(own), softmax(other));
        p.iter().zip(&q).map(|(p, q)| p * (p / q).ln()).sum::<f64>()
    };
    temperature * temperature * images.map(one).sum::<f64>()
}
