//! Words and tables for people.

use artifact::size::{mib, thousands};
use comfy_table::{CellAlignment, Table, presets};

/// Columns of a terminal.
const WIDTH: u16 = 80;

/// A number of bytes in a unit that suits it.
pub fn bytes(count: u64) -> String {
    if count < 1 << 20 {
        format!("{} bytes", thousands(count))
    } else {
        format!("{:.2} MiB", mib(count))
    }
}

/// A table with these headings; all columns but the first are numbers.
pub fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_width(WIDTH).set_header(headings);
    for row in rows {
        table.add_row(row);
    }
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if i > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines = table.to_string();
    lines.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// The end of a name that is longer than `most`.
pub fn shortened(name: &str, most: usize) -> String {
    let more = name.chars().count().saturating_sub(most);
    if more == 0 {
        return name.to_owned();
    }
    format!("..{}", name.chars().skip(more + 2).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_keep_their_end() {
        assert_eq!(shortened("layer1.0.conv1", 20), "layer1.0.conv1");
        assert_eq!(shortened("features.2.1.block.3.0", 10), "..lock.3.0");
        assert_eq!(bytes(1234), "1,234 bytes");
        assert_eq!(bytes(3 << 20), "3.00 MiB");
    }
}
