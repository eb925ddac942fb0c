//! Writes the record for people: the same blocks as one self-contained HTML page and as Markdown for the documentation.

pub mod aims;
mod html;
mod markdown;
mod sections;

use serde::Serialize;

use crate::error::EvalError;
use crate::law::report::LawReport;
use crate::plot::figures::{self, Figure};
use crate::record::Record;

pub use self::html::page;

/// A part of a report.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Block {
    /// A heading.
    Heading {
        /// Text of the heading.
        text: String,
    },
    /// A paragraph.
    Text {
        /// Text of the paragraph.
        text: String,
    },
    /// A table; the first column is text, the others are figures.
    Table {
        /// Names of the columns.
        header: Vec<String>,
        /// Cells of each row.
        rows: Vec<Vec<String>>,
    },
    /// A plot.
    Figure {
        /// Name of the plot's file, without ending.
        name: String,
        /// Caption, in a sentence.
        caption: String,
        /// Drawing as SVG text.
        svg: String,
    },
}

/// Returns the law's tables as Markdown.
#[must_use]
pub fn law_as_markdown(law: &LawReport) -> String {
    markdown::text(&sections::the_law(law), "", "")
}

/// Returns the tables by kind of prompt as Markdown; empty where they were not asked for.
#[must_use]
pub fn kinds_as_markdown(record: &Record) -> String {
    let blocks: Vec<Block> = record.chapters.iter().flat_map(sections::by_kind).collect();
    markdown::text(&blocks, "", "")
}

/// A record with its plots, ready to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    title: String,
    blocks: Vec<Block>,
    figures: Vec<Figure>,
}

impl Report {
    /// Draws the plots and makes the tables.
    ///
    /// # Errors
    /// [`EvalError::Plot`].
    pub fn new(record: &Record) -> Result<Self, EvalError> {
        let figures = figures::all(record)?;
        let about = &record.about;
        Ok(Self {
            title: format!("{} and {}", about.draft.0, about.target.0),
            blocks: sections::blocks(record, &figures),
            figures,
        })
    }

    /// Returns one HTML page with everything in it; it loads nothing.
    ///
    /// # Errors
    /// [`EvalError::Plot`], if the page's template fails.
    pub fn html(&self) -> Result<String, EvalError> {
        page(&format!("{}: evaluation", self.title), &self.blocks)
    }

    /// Returns Markdown that shows the plots from files under `images`, each called `<prefix>-<name>.svg`.
    #[must_use]
    pub fn markdown(&self, images: &str, prefix: &str) -> String {
        markdown::text(&self.blocks, images, prefix)
    }

    /// Returns the plots.
    #[must_use]
    pub fn figures(&self) -> &[Figure] {
        &self.figures
    }
}

/// Returns the document with `text` between its lines `<!-- begin NAME -->` and `<!-- end NAME -->`.
///
/// Returns `None` if the document has no such lines in this order.
#[must_use]
pub fn replace_section(document: &str, name: &str, text: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
    let start = document.find(&begin)? + begin.len();
    let stop = start + document[start..].find(&end)?;
    Some(format!("{}\n{}\n\n{}", &document[..start], text.trim(), &document[stop..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_section_of_a_document_changes() {
        let document = "before\n<!-- begin a -->\nold\n<!-- end a -->\n<!-- begin b -->\nkept\n<!-- end b -->\n";
        let changed = replace_section(document, "a", "new\n").expect("there is one");
        assert_eq!(
            changed,
            "before\n<!-- begin a -->\n\nnew\n\n<!-- end a -->\n<!-- begin b -->\nkept\n<!-- end b -->\n"
        );
        assert_eq!(replace_section(&changed, "a", "new").as_ref(), Some(&changed));
        assert_eq!(replace_section(document, "c", "new"), None);
    }
}
