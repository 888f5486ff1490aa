//! Parameters a layer: kept and pruned, stacked.

use artifact::record::Layer;
use artifact::size::thousands;

use super::{Key, Panel, Plot};
use crate::csv::{Csv, Field};
use crate::format;
use crate::svg::{self, Drawing};

const WIDTH: f64 = 480.0;
const ROW: f64 = 19.0;

/// Bars of the `layers` of the network `label`; the file is called `name`.
pub fn plot(name: &str, label: &str, layers: &[Layer]) -> Plot {
    let title = format!("Weights of each layer, {label}");
    Plot {
        name: name.to_owned(),
        caption: "Each bar is as long as the layer has weights; the blue part is kept.".into(),
        keys: vec![Key::area("area blue", "kept"), Key::area("area orange soft", "pruned")],
        panels: vec![panel(&title, layers)],
        csv: csv(layers),
        title,
    }
}

fn panel(title: &str, layers: &[Layer]) -> Panel {
    let names: Vec<String> = layers.iter().map(|l| format::middle(&l.name, 30)).collect();
    let left = names.iter().map(|n| svg::width(n)).fold(0.0, f64::max) + 8.0;
    let right = WIDTH - 112.0;
    let largest = layers.iter().map(|l| l.weights).max().unwrap_or(0).max(1) as f64;
    let mut drawing = Drawing::default();
    for (i, (layer, name)) in layers.iter().zip(&names).enumerate() {
        let y = i as f64 * ROW;
        let unit = (right - left) / largest;
        let (kept, pruned) = (layer.kept as f64 * unit, layer.pruned as f64 * unit);
        let says = says(layer);
        drawing.text("e", (left - 8.0, y + 13.0), name);
        drawing.rect("area blue", (left, y + 3.0), (kept, ROW - 6.0), &says);
        drawing.rect("area orange soft", (left + kept, y + 3.0), (pruned, ROW - 6.0), &says);
        let counts = format!(
            "{} of {}",
            format::short(layer.kept as f64),
            format::short(layer.weights as f64)
        );
        drawing.text("dim", (left + kept + pruned + 6.0, y + 13.0), &counts);
    }
    Panel { title: title.to_owned(), size: (WIDTH, ROW * layers.len().max(1) as f64), drawing }
}

fn says(layer: &Layer) -> String {
    let (kept, weights) = (thousands(layer.kept), thousands(layer.weights));
    format!("{}: {kept} of {weights} kept", layer.name)
}

fn csv(layers: &[Layer]) -> Csv {
    let mut csv = Csv::new(&["layer", "weights", "kept", "pruned", "sparsity"]);
    for l in layers {
        let counts = [l.weights, l.kept, l.pruned].map(Field::Count);
        csv.row(
            [Field::Text(&l.name)].into_iter().chain(counts).chain([Field::Number(l.sparsity)]),
        );
    }
    csv
}
