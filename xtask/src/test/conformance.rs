//! The table of `tests/conformance.md`: which suite passed which behaviour. An empty cell fails the run.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::{cargo, table};

/// The name of a suite, and the tests that it passed.
type Column<'a> = (String, &'a [String]);

/// Returns the names in the list, in its order.
pub(super) fn read() -> Result<Vec<String>> {
    let path = cargo::root().join("tests/conformance.md");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let names = parse(&text);
    if names.is_empty() { bail!("{} names no behaviour", path.display()) } else { Ok(names) }
}

/// Returns the names in the rows of a text, which begin with a name between backquotes.
fn parse(text: &str) -> Vec<String> {
    let name = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
    text.lines().filter_map(name).collect()
}

/// Returns the table with one row for each behaviour and one column for each suite.
pub(super) fn table(behaviours: &[String], columns: &[Column<'_>]) -> String {
    let cell = |name: &String, suite: usize| match columns.get(suite) {
        Some((_, passed)) if passed.contains(name) => "ok".to_owned(),
        Some(_) => "MISSING".to_owned(),
        None => String::new(),
    };
    let rows: Vec<[String; 4]> =
        behaviours.iter().map(|name| [name.clone(), cell(name, 0), cell(name, 1), cell(name, 2)]).collect();
    let title = |suite: usize| columns.get(suite).map_or("", |(name, _)| name.as_str());
    table::format(["behaviour", title(0), title(1), title(2)], &rows)
}

/// Returns the empty cells, in words.
pub(super) fn missing(behaviours: &[String], columns: &[Column<'_>]) -> Vec<String> {
    let empty = |(suite, passed): &Column<'_>| {
        let names: Vec<&str> = behaviours.iter().filter(|name| !passed.contains(*name)).map(String::as_str).collect();
        (!names.is_empty()).then(|| format!("{suite} lacks {}", names.join(", ")))
    };
    columns.iter().filter_map(empty).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_list_names_one_behaviour() {
        let names = read().expect("the list");
        assert!(names.len() >= 20);
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(names.len(), distinct.len(), "no name twice");
        assert_eq!(parse("# Title\n| name | behaviour |\n|---|---|\n| `a_name` | what `it` does |\n"), ["a_name"]);
    }

    #[test]
    fn an_empty_cell_is_seen_and_named() {
        let behaviours = ["a".to_owned(), "b".to_owned()];
        let columns = [("rust".to_owned(), &behaviours[..]), ("kotlin".to_owned(), &behaviours[..1])];
        assert_eq!(missing(&behaviours, &columns), ["kotlin lacks b"]);
        assert!(table(&behaviours, &columns).contains("MISSING"));
        assert!(missing(&behaviours, &columns[..1]).is_empty());
    }
}
