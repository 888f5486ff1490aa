//! The page: everything set into one HTML file.

use artifact::record::Layer;
use artifact::size::thousands;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use crate::format::{bytes_like, percent, short, unbroken};
use crate::plots::Plot;
use crate::table::Group;
use crate::view::View;
use crate::{deployed, headline, provenance, svg};

const TEMPLATE: &str = include_str!("template.html");

/// What the page shows, by section.
pub struct Contents<'a> {
    /// The title.
    pub title: &'a str,
    /// Runs, scans and chain.
    pub view: &'a View,
    /// The table of results.
    pub groups: &'a [Group<'a>],
    /// The figures by section.
    pub figures: &'a Figures,
}

/// Every figure, by section.
#[derive(Default)]
pub struct Figures {
    /// Accuracy against sparsity, where there is more than one point.
    pub tradeoff: Vec<Plot>,
    /// Accuracy against bytes and milliseconds, where several networks were packed.
    pub packed: Vec<Plot>,
    /// Of each run: bars, histograms without zeros, histograms with.
    pub runs: Vec<[Plot; 3]>,
    /// One a scan.
    pub sensitivity: Vec<Plot>,
    /// One a training run.
    pub training: Vec<Plot>,
}

impl Figures {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Plot> {
        let runs = self.runs.iter().flatten();
        self.tradeoff
            .iter()
            .chain(&self.packed)
            .chain(runs)
            .chain(&self.sensitivity)
            .chain(&self.training)
    }
}

/// The whole HTML text.
///
/// # Panics
/// If the template is wrong, which the tests would have shown.
pub fn render(contents: &Contents) -> String {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // The ending .html turns escaping on: titles and folder names are not trusted.
    environment.add_template("report.html", TEMPLATE).expect("a constant template");
    let template = environment.get_template("report.html").expect("added above");
    template.render(Serde(Page::of(contents))).expect("the template names only what is given")
}

/// What the template names.
#[derive(Serialize)]
struct Page<'a> {
    title: &'a str,
    plot_style: &'a str,
    headline: String,
    tiles: Vec<headline::Tile>,
    warnings: Vec<String>,
    groups: Vec<TableGroup>,
    tradeoff: Vec<Figure>,
    packed: Vec<deployed::Row>,
    costs: Vec<Figure>,
    runs: Vec<RunSection>,
    sensitivity: Vec<Figure>,
    training: Vec<Figure>,
    steps: Vec<provenance::Step>,
}

impl<'a> Page<'a> {
    fn of(contents: &Contents<'a>) -> Self {
        let Contents { title, view, groups, figures } = contents;
        let largest = crate::table::largest(groups);
        let figure = |plots: &[Plot]| plots.iter().map(Figure::of).collect();
        Self {
            title,
            plot_style: svg::STYLE,
            headline: unbroken(&headline::sentence(view)),
            tiles: headline::tiles(view),
            warnings: provenance::warnings(&view.chain),
            groups: groups.iter().map(|g| table(g, largest, groups.len() > 2)).collect(),
            tradeoff: figure(&figures.tradeoff),
            packed: view.packed().map(|p| deployed::Row::of(&p)).collect(),
            costs: figure(&figures.packed),
            runs: runs(view, figures),
            sensitivity: figure(&figures.sensitivity),
            training: figure(&figures.training),
            steps: provenance::steps(&view.chain),
        }
    }
}

#[derive(Serialize)]
struct TableGroup {
    /// Shown above the rows; empty where the states alone tell them apart.
    label: String,
    rows: Vec<TableRow>,
}

#[derive(Serialize)]
struct TableRow {
    state: String,
    cells: Vec<String>,
}

fn table(group: &Group, largest: u64, many: bool) -> TableGroup {
    let row = |r: &crate::table::Row| {
        let left = r.sparsity;
        let cells = vec![
            r.test(),
            r.lost(),
            r.validation(),
            percent(left.of_prunable, 2),
            percent(left.of_all, 2),
            thousands(left.nonzero),
            r.file(largest),
            bytes_like(left.nonzero * 4, largest),
            r.size(|s| s.gzip, largest),
            r.size(|s| s.zstd, largest),
            short(left.macs_dense as f64),
            short(left.macs_sparse as f64),
        ];
        TableRow { state: r.state.clone(), cells }
    };
    let label = if many { group.label.clone() } else { String::new() };
    TableGroup { label, rows: group.rows.iter().map(row).collect() }
}

#[derive(Serialize)]
struct RunSection {
    label: String,
    layers: Vec<LayerRow>,
    bars: Figure,
    without_zeros: Figure,
    with_zeros: Figure,
}

fn runs(view: &View, figures: &Figures) -> Vec<RunSection> {
    let section = |(run, [bars, without, with]): (&crate::view::Run, &[Plot; 3])| RunSection {
        label: run.label.clone(),
        layers: run.layers.iter().map(LayerRow::of).collect(),
        bars: Figure::of(bars),
        without_zeros: Figure::of(without),
        with_zeros: Figure::of(with),
    };
    view.runs.iter().zip(&figures.runs).map(section).collect()
}

#[derive(Serialize)]
struct LayerRow {
    name: String,
    shape: String,
    weights: String,
    kept: String,
    sparsity: String,
    /// Length of the inline bar in percent.
    bar: String,
    share: String,
    macs_dense: String,
    macs_sparse: String,
    reason: String,
}

impl LayerRow {
    fn of(layer: &Layer) -> Self {
        let shape: Vec<String> = layer.shape.iter().map(usize::to_string).collect();
        Self {
            name: layer.name.clone(),
            shape: shape.join(" × "),
            weights: thousands(layer.weights),
            kept: thousands(layer.kept),
            sparsity: percent(layer.sparsity, 2),
            bar: format!("{:.1}", (layer.sparsity * 100.0).clamp(0.0, 100.0)),
            share: percent(layer.share, 2),
            macs_dense: short(layer.macs_dense as f64),
            macs_sparse: short(layer.macs_sparse as f64),
            reason: layer.reason.clone(),
        }
    }
}

#[derive(Serialize)]
struct Figure {
    name: String,
    title: String,
    caption: String,
    keys: Vec<(String, String)>,
    panels: Vec<String>,
    /// Width of a panel in user units.
    width: f64,
    /// Whether several panels stand side by side.
    many: bool,
}

impl Figure {
    fn of(plot: &Plot) -> Self {
        let key = |k: &crate::plots::Key| (k.mark().mark((18.0, 12.0)), k.label.clone());
        Self {
            name: plot.name.clone(),
            title: plot.title.clone(),
            caption: plot.caption.clone(),
            keys: plot.keys.iter().map(key).collect(),
            panels: plot.panels.iter().map(|p| p.drawing.inline(p.size, &p.title)).collect(),
            width: plot.panels.first().map_or(0.0, |p| p.size.0),
            many: plot.panels.len() > 1,
        }
    }
}
