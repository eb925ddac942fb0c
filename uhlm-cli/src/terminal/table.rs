//! Makes plain tables: the first column to the left, the others to the right.

use unicode_width::UnicodeWidthStr as _;

use super::style::{Style, paint};

/// Rows under a heading.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    heading: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Makes a table with this heading.
    pub(crate) fn new(heading: &[&str]) -> Self {
        Self { heading: heading.iter().map(|&cell| cell.to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// Returns the lines, the heading first.
    fn lines(&self) -> Vec<String> {
        let all = || std::iter::once(&self.heading).chain(&self.rows);
        let widths: Vec<usize> = (0..self.heading.len())
            .map(|i| all().filter_map(|row| row.get(i)).map(|cell| cell.width()).max().unwrap_or(0))
            .collect();
        all()
            .map(|row| {
                let cells = row.iter().zip(&widths).enumerate().map(|(i, (cell, width))| {
                    let space = " ".repeat(width - cell.width());
                    if i == 0 { format!("{cell}{space}") } else { format!("{space}{cell}") }
                });
                cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
            })
            .collect()
    }

    /// Returns the table as text for stdout.
    pub(crate) fn render(&self) -> String {
        let lines = self.lines();
        let body = lines.iter().skip(1).cloned();
        let heading = lines.first().map(|line| paint(Style::Heading, line));
        heading.into_iter().chain(body).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_the_width_of_their_cells() {
        let mut table = Table::new(&["mode", "n"]);
        table.push(vec!["exact".into(), "1".into()]);
        table.push(vec!["\u{4e2d}".into(), "12.5".into()]);
        assert_eq!(table.lines(), ["mode      n", "exact     1", "\u{4e2d}     12.5"]);
    }
}
