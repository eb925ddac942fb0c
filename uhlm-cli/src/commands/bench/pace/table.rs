//! Makes the tables that a person reads.

use super::record::{Compared, Document, Prompt, Summary};
use crate::report::{percent, significant};
use crate::terminal::table::Table;

/// Returns the explanation of the columns, and the heading of the lines that are printed prompt by prompt.
pub(super) fn heading() -> String {
    format!(
        "tokens/s: after the first token, in brackets with the prompt; ratio: to the streamed reply of the same \
         prompt, after the first token\n{:<16} {:<10} {:>13} {:>6} {:>6} {:>8} {:>7} {:>6} {:>6}  text",
        "prompt", "method", "tokens/s", "ratio", "passes", "requests", "drafted", "judged", "stood"
    )
}

fn three(value: f64) -> String {
    format!("{value:.3}")
}

fn or_dash(value: Option<f64>, text: fn(f64) -> String) -> String {
    value.map_or_else(|| "-".into(), text)
}

/// Returns the replies to a prompt, one in each line.
pub(super) fn prompt(prompt: &Prompt) -> String {
    prompt.replies.iter().map(|reply| line(&prompt.category, reply)).collect::<Vec<_>>().join("\n")
}

fn line(category: &str, reply: &Compared) -> String {
    let Compared { measured: m, length, ratio, parts_at, .. } = reply;
    let whole = Some(m.whole_rate).filter(|rate| !rate.is_nan());
    let speed = format!("{} ({})", or_dash(m.decode_rate, significant), or_dash(whole, significant));
    let ratio = or_dash(*ratio, three);
    let mut text = match parts_at {
        Some(at) => format!("{length}, parts at {at}"),
        None => format!("{length}"),
    };
    if m.resent > 0 {
        text += &format!(", {} windows sent again", m.resent);
    }
    if m.unverified > 0 {
        text += &format!(", {} unverified", m.unverified);
    }
    format!(
        "{category:<16} {:<10} {speed:>13} {ratio:>6} {:>6.3} {:>8.3} {:>7.2} {:>6.2} {:>6}  {text}",
        m.method,
        m.passes,
        m.requests,
        m.drafted,
        m.judged,
        percent(m.share_drafted),
    )
}

/// Returns the table of medians by category and over all prompts.
pub(super) fn summary(document: &Document) -> String {
    let mut table = Table::new(&[
        "", "method", "tokens/s", "whole", "ratio", "worst", "whole", "passes", "stood", "requests", "equal",
    ]);
    for s in &document.summaries {
        let Summary { category, method, prompts, .. } = s;
        table.push(vec![
            category.clone().unwrap_or_else(|| "all".into()),
            method.clone(),
            or_dash(s.decode_rate, significant),
            or_dash(s.whole_rate, significant),
            or_dash(s.ratio, three),
            or_dash(s.worst, three),
            or_dash(s.whole_ratio, three),
            three(s.passes),
            or_dash(s.accepted, three),
            three(s.requests),
            format!("{}/{prompts}", s.equal),
        ]);
    }
    format!(
        "\nMedians of prompts; ratio and worst after the first token, then over the whole reply; stood: share of the \
         judged tokens.\n{}",
        table.render()
    )
}
