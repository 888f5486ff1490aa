//! Training: loss and accuracy over the epochs of a run.

use artifact::record::Epoch;
use artifact::timings::EpochTiming;

use super::axis::Axis;
use super::frame::Frame;
use super::{Key, Panel, Plot};
use crate::csv::{Csv, Field};

const SIZE: (f64, f64) = (420.0, 220.0);

/// A training, epoch by epoch.
pub struct Curve<'a> {
    /// The epochs.
    pub epochs: &'a [Epoch],
    /// How long each took, as far as that was recorded.
    pub timings: &'a [EpochTiming],
    /// The epoch whose weights were kept.
    pub best: usize,
}

/// Loss and accuracy of the run `label`; the file is called `name`.
pub fn plot(name: &str, label: &str, curve: &Curve) -> Plot {
    let Curve { epochs, best, .. } = *curve;
    let loss = |f: fn(&Epoch) -> f64| series(epochs, f);
    let percent = |f: fn(&Epoch) -> f64| series(epochs, f);
    let losses = [loss(|e| e.train_loss), loss(|e| e.validation.loss)];
    let accuracies =
        [percent(|e| e.train_accuracy * 100.0), percent(|e| e.validation.accuracy * 100.0)];
    let last = epochs.iter().map(|e| e.epoch).max().unwrap_or(1);
    let loss_axis = Axis::over(values(&losses), "", "");
    let accuracy_axis = Axis::percent(values(&accuracies), "");
    Plot {
        name: name.to_owned(),
        title: format!("Training, {label}"),
        caption: format!(
            "Training values are those of the augmented images while the weights still moved. The \
             dot marks epoch {best}, the best by validation accuracy; its weights were kept."
        ),
        keys: vec![Key::line("line gray", "training"), Key::line("line blue", "validation")],
        panels: vec![
            panel("Loss", (last, best), loss_axis, &losses),
            panel("Accuracy", (last, best), accuracy_axis, &accuracies),
        ],
        csv: csv(curve),
    }
}

type Series = Vec<(f64, f64)>;

fn series(epochs: &[Epoch], value: fn(&Epoch) -> f64) -> Series {
    epochs.iter().map(|e| (e.epoch as f64, value(e))).collect()
}

fn values(both: &[Series; 2]) -> impl Iterator<Item = f64> {
    both.iter().flatten().map(|v| v.1)
}

/// Training and validation over epochs up to `last`, the epoch `best` marked.
fn panel(title: &str, (last, best): (usize, usize), y: Axis, both: &[Series; 2]) -> Panel {
    let mut frame = Frame::new((title, ""), SIZE, Axis::epochs(last), y);
    for (series, class) in both.iter().zip(["line gray", "line blue"]) {
        let places = frame.places(series);
        frame.drawing.polyline(class, &places);
        if let [only] = places[..] {
            frame.drawing.dot(&class.replace("line", "dot"), only, title);
        }
    }
    let marked: Series = both[1].iter().filter(|v| v.0 == best as f64).copied().collect();
    for (place, value) in frame.places(&marked).into_iter().zip(&marked) {
        let says = format!("epoch {best}: {:.2}", value.1);
        frame.drawing.dot("dot blue", place, &says);
    }
    frame.panel()
}

fn csv(curve: &Curve) -> Csv {
    let columns = [
        "epoch",
        "lr",
        "train_loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
        "best",
        "revived",
        "seconds",
        "images_per_second",
    ];
    let mut csv = Csv::new(&columns);
    for e in curve.epochs {
        let timing = curve.timings.iter().find(|t| t.epoch == e.epoch);
        let timed = |of: fn(&EpochTiming) -> f64| Field::Number(timing.map_or(f64::NAN, of));
        csv.row([
            Field::Count(e.epoch as u64),
            Field::Number(e.lr),
            Field::Number(e.train_loss),
            Field::Number(e.train_accuracy),
            Field::Number(e.validation.loss),
            Field::Number(e.validation.accuracy),
            Field::Number(e.best),
            Field::Count(e.revived),
            timed(|t| t.seconds),
            timed(|t| t.images_per_second),
        ]);
    }
    csv
}
