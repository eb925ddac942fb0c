//! Writes the report as a section of a Markdown document.

use super::Block;

pub(super) fn text(blocks: &[Block], images: &str, prefix: &str) -> String {
    let mut text = String::new();
    for block in blocks {
        match block {
            Block::Heading { text: heading } => text.push_str(&format!("### {heading}\n\n")),
            Block::Text { text: paragraph } => text.push_str(&format!("{paragraph}\n\n")),
            Block::Table { header, rows } => {
                let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
                text.push_str(&line(header));
                text.push_str(&format!("|---|{}\n", "---:|".repeat(header.len().saturating_sub(1))));
                rows.iter().for_each(|row| text.push_str(&line(row)));
                text.push('\n');
            }
            Block::Figure { name, caption, .. } => {
                text.push_str(&format!("![{caption}]({images}/{prefix}-{name}.svg)\n\n"));
            }
        }
    }
    text
}
