//! The table of results: dense, earlier rounds, pruned, recalibrated, fine-tuned.

use artifact::record::{Deployment, Finetuning, Pruning, Score, Scores, Sparsity, Training};
use artifact::size::Sizes;
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, presets};

use crate::chain::Record;
use crate::format::{self, NONE};
use crate::view::{Run, View};

/// Rows that belong together: a dense run, or what was made of it.
pub struct Group<'a> {
    /// The run's label; empty for a dense run that is the only one.
    pub label: String,
    /// One row a state of the network.
    pub rows: Vec<Row<'a>>,
}

/// One network.
pub struct Row<'a> {
    /// What was done to it.
    pub state: String,
    /// Scores on test and validation images, where they were measured.
    pub scores: Option<Scores>,
    /// Test accuracy of the dense network minus this one's.
    pub drop: Option<f64>,
    /// What is left.
    pub sparsity: &'a Sparsity,
    /// Sizes of the file; none for a network that was only measured, never written.
    pub sizes: Option<Sizes>,
    /// What the deployer made of it, in a row of its own.
    pub packed: Option<&'a Deployment>,
}

/// All groups: each dense run followed by those made of it.
pub fn groups(view: &View) -> Vec<Group<'_>> {
    let mut shown: Vec<usize> = vec![];
    let only = view.runs.iter().all(|r| r.dense == view.runs[0].dense);
    let mut groups = Vec::new();
    for run in &view.runs {
        if let (Some(dense), Some(training)) = (run.dense, view.training(run))
            && !shown.contains(&dense)
        {
            shown.push(dense);
            let rows = vec![dense_row(training)];
            let label = if only { "" } else { view.chain.stages[dense].name() };
            groups.push(Group { label: label.to_owned(), rows });
        }
        let rows = rows(view, run);
        if !rows.is_empty() {
            groups.push(Group { label: run.label.clone(), rows });
        }
    }
    groups
}

fn rows<'a>(view: &'a View, run: &'a Run) -> Vec<Row<'a>> {
    let dense = view.training(run).map(|t| t.scores.test);
    let last = match &view.stage(run).record {
        Record::Pruning(pruning) => vec![pruned_row(pruning)],
        Record::Finetuning(tuned) => tuned_rows(view, run, tuned, dense),
        Record::SparseTraining(trained) => {
            let row = scored("pruned in training", trained.scores, &trained.sparsity, dense);
            vec![Row { sizes: Some(trained.sizes), ..row }]
        }
        _ => vec![],
    };
    let mut rows = rounds(view, run, dense);
    rows.extend(last);
    rows.extend(view.packed_of(run).map(|p| packed_row(p.of, dense)));
    rows
}

/// The networks tuned on the way to `run`, oldest first; one that was asked for has its own group.
fn rounds<'a>(view: &'a View, run: &Run, dense: Option<Score>) -> Vec<Row<'a>> {
    let chain = &view.chain;
    let has_group = |i: usize| view.runs.iter().any(|r| r.stage == i);
    let row = |i: usize| match &chain.stages[i].record {
        Record::Finetuning(tuned) if !has_group(i) => {
            Some(tuned_row(format!("round {}, fine-tuned", chain.round(i)), tuned, dense))
        }
        _ => None,
    };
    chain.lineage(run.stage).into_iter().skip(1).rev().filter_map(row).collect()
}

fn dense_row(training: &Training) -> Row<'_> {
    Row {
        scores: Some(training.scores),
        sizes: Some(training.sizes),
        ..bare("dense", &training.sparsity)
    }
}

fn pruned_row(pruning: &Pruning) -> Row<'_> {
    Row { sizes: Some(pruning.sizes), ..bare("pruned", &pruning.sparsity) }
}

/// What came to the finetuner and what it made of it.
fn tuned_rows<'a>(
    view: &'a View,
    run: &Run,
    tuned: &'a Finetuning,
    dense: Option<Score>,
) -> Vec<Row<'a>> {
    let mut rows = match view.chain.pruned_before(run.stage) {
        Some(pruning) => vec![
            Row {
                sizes: Some(pruning.sizes),
                ..scored("pruned, as it came", tuned.pruned_as_is, &pruning.sparsity, dense)
            },
            scored("pruned, recalibrated", tuned.pruned, &pruning.sparsity, dense),
        ],
        // It was tuned before: as such it stands among the rounds or in a group of its own.
        None if view.chain.lineage(run.stage).len() > 1 => vec![],
        None => vec![scored("before fine-tuning", tuned.pruned_as_is, &tuned.sparsity, dense)],
    };
    rows.push(tuned_row("fine-tuned".into(), tuned, dense));
    rows
}

fn tuned_row(state: String, tuned: &Finetuning, dense: Option<Score>) -> Row<'_> {
    let row = scored("", tuned.tuned, &tuned.sparsity, dense);
    Row { state, sizes: Some(tuned.sizes), ..row }
}

/// A network that was measured; as if never written.
fn scored<'a>(
    state: &str,
    scores: Scores,
    sparsity: &'a Sparsity,
    dense: Option<Score>,
) -> Row<'a> {
    let drop = dense.map(|d| d.accuracy - scores.test.accuracy);
    Row { scores: Some(scores), drop, ..bare(state, sparsity) }
}

/// A file that answers by itself; what gzip would make of it is beside the point.
fn packed_row(packed: &Deployment, dense: Option<Score>) -> Row<'_> {
    let drop = dense.map(|d| d.accuracy - packed.verification.packed);
    let state = format!("packed, {}", packed.kind());
    Row { drop, packed: Some(packed), ..bare(&state, &packed.sparsity) }
}

/// A network of which only what is left is known.
fn bare<'a>(state: &str, sparsity: &'a Sparsity) -> Row<'a> {
    let state = state.to_owned();
    Row { state, scores: None, drop: None, sparsity, sizes: None, packed: None }
}

impl Row<'_> {
    /// Test accuracy.
    pub fn test(&self) -> String {
        let packed = self.packed.map(|p| p.verification.packed);
        let accuracy = self.scores.map(|s| s.test.accuracy).or(packed);
        accuracy.map_or(NONE.into(), |a| format::percent(a, 2))
    }

    /// Its file, in the unit that suits `largest`.
    pub fn file(&self, largest: u64) -> String {
        let bytes = self.sizes.map(|s| s.file).or(self.packed.map(|p| p.bytes));
        bytes.map_or(NONE.into(), |b| format::bytes_like(b, largest))
    }

    /// Validation accuracy.
    pub fn validation(&self) -> String {
        self.scores.map_or(NONE.into(), |s| format::percent(s.validation.accuracy, 2))
    }

    /// Points of test accuracy lost against dense.
    pub fn lost(&self) -> String {
        self.drop.map_or(NONE.into(), |d| format::points(d, 2))
    }

    /// One of the sizes, in the unit that suits `largest`.
    pub fn size(&self, which: fn(&Sizes) -> u64, largest: u64) -> String {
        self.sizes.as_ref().map_or(NONE.into(), |s| format::bytes_like(which(s), largest))
    }
}

/// The largest file of all: its unit suits every size.
pub fn largest(groups: &[Group]) -> u64 {
    let sizes = groups.iter().flat_map(|g| &g.rows).filter_map(|r| r.sizes);
    sizes.map(|s| s.file).max().unwrap_or(0)
}

/// The groups in short, for a terminal of 80 columns.
pub fn terminal(groups: &[Group]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(80);
    // The real file, or else what a general tool makes of one with zeros.
    let packed = groups.iter().flat_map(|g| &g.rows).any(|r| r.packed.is_some());
    let last = if packed { "File" } else { "zstd" };
    table.set_header(["Network", "Test acc.", "Drop", "Sparsity", "Ideal size", last]);
    let largest = largest(groups);
    let many = groups.len() > 2;
    for group in groups {
        if many && !group.label.is_empty() {
            table.add_row([&group.label]);
        }
        for row in &group.rows {
            table.add_row([
                if many { format!("  {}", row.state) } else { row.state.clone() },
                row.test(),
                row.lost(),
                format::percent(row.sparsity.of_prunable, 1),
                format::bytes_like(row.sparsity.nonzero * 4, largest),
                if packed { row.file(largest) } else { row.size(|s| s.zstd, largest) },
            ]);
        }
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}
