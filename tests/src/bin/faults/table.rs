//! The table: trials by stage and kind, failures by what went wrong.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::judge::Wrong;

/// What came of one trial.
pub struct Outcome {
    /// The stage, or the parser.
    pub row: &'static str,
    /// The kind of fault.
    pub column: &'static str,
    /// What went wrong, if anything did.
    pub failure: Option<Wrong>,
}

/// Passed and all trials of a cell.
#[derive(Default, Clone, Copy)]
struct Cell {
    passed: usize,
    all: usize,
}

/// All outcomes, counted.
pub struct Table {
    rows: Vec<&'static str>,
    columns: Vec<&'static str>,
    cells: BTreeMap<(&'static str, &'static str), Cell>,
    wrong: BTreeMap<Wrong, usize>,
}

impl Table {
    /// Counts `outcomes`.
    pub fn of(outcomes: Vec<Outcome>) -> Self {
        let mut table =
            Self { rows: vec![], columns: vec![], cells: BTreeMap::new(), wrong: BTreeMap::new() };
        for Outcome { row, column, failure } in outcomes {
            if !table.rows.contains(&row) {
                table.rows.push(row);
            }
            if !table.columns.contains(&column) {
                table.columns.push(column);
            }
            let cell = table.cells.entry((row, column)).or_default();
            cell.all += 1;
            match failure {
                None => cell.passed += 1,
                Some(wrong) => *table.wrong.entry(wrong).or_default() += 1,
            }
        }
        table
    }

    /// Number of trials.
    pub fn trials(&self) -> usize {
        self.cells.values().map(|c| c.all).sum()
    }

    /// Number of trials that failed.
    pub fn failures(&self) -> usize {
        self.wrong.values().sum()
    }

    /// As Markdown: passed of all trials a cell; then each way to fail with its count.
    pub fn text(&self) -> String {
        let mut text = format!("| |{}|\n|---|", self.columns.join("|"));
        text += &"---:|".repeat(self.columns.len());
        for row in &self.rows {
            let _ = write!(text, "\n|{row}|");
            for column in &self.columns {
                match self.cells.get(&(*row, *column)) {
                    Some(cell) => drop(write!(text, "{} of {}|", cell.passed, cell.all)),
                    None => text += "|",
                }
            }
        }
        text += "\n\n";
        for wrong in Wrong::ALL {
            let count = self.wrong.get(&wrong).copied().unwrap_or(0);
            let _ = writeln!(text, "{wrong:<28} {count}");
        }
        text
    }
}
