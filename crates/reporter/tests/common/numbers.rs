//! Plausible scores.

use artifact::record::{Epoch, Score, Scores};

/// Of this accuracy.
pub fn score(accuracy: f64, images: usize) -> Score {
    let correct = (accuracy * images as f64) as usize;
    Score { loss: 1.6 * (1.0 - accuracy) + 0.1, accuracy, correct, images }
}

/// On both parts, a little better on validation images.
pub fn scores(test: f64) -> Scores {
    Scores { validation: score(test + 0.004, 500), test: score(test, 1000) }
}

/// So many epochs, whose accuracy goes from one number to another.
pub fn epochs(count: usize, from: f64, to: f64) -> Vec<Epoch> {
    let mut best = 0.0_f64;
    let epoch = |i: usize| {
        let done = 1.0 - (-4.0 * i as f64 / count as f64).exp();
        let shake = 0.012 * (i as f64 * 2.4).sin() * (1.0 - done);
        let accuracy = from + (to - from) * done + shake;
        best = best.max(accuracy);
        Epoch {
            epoch: i,
            lr: 0.1 * (1.0 - i as f64 / count as f64),
            train_loss: 2.3 * (1.0 - done) + 0.2,
            train_accuracy: accuracy - 0.03 * (1.0 - done) + 0.01,
            validation: score(accuracy, 500),
            best,
            revived: 0,
            sparsity: None,
        }
    };
    (1..=count).map(epoch).collect()
}
