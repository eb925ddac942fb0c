//! A load test for people: one self-contained HTML page with tables and plots.

mod plots;

use uhlm_eval::report::{Block, page};

use crate::error::LoadTestError;
use crate::record::{Arm, Record};

/// Makes the page of a record; it loads nothing.
///
/// # Errors
/// [`LoadTestError::Report`], if a plot cannot be drawn.
pub fn html(record: &Record) -> Result<String, LoadTestError> {
    let mut blocks = vec![Block::Text { text: about(record) }];
    blocks.push(Block::Heading { text: "Rates and times".into() });
    blocks.push(table(&SPEEDS, record, speeds));
    blocks.extend(plots::of(record)?);
    blocks.push(Block::Heading { text: "Replies and refusals".into() });
    blocks.push(table(&REPLIES, record, replies));
    blocks.push(Block::Heading { text: "The server's own counters".into() });
    blocks.push(table(&SERVER, record, server));
    if record.about.same_process {
        blocks.push(Block::Text {
            text: "Server and phones ran in one process, so memory and descriptors are those of both.".into(),
        });
    }
    blocks.push(table(&MEMORY, record, memory));
    Ok(page(&format!("{}: load test", record.about.model), &blocks)?)
}

/// Describes the circumstances of a test in a sentence or two.
#[must_use]
pub fn about(record: &Record) -> String {
    let about = &record.about;
    let drafts = match about.writing.as_str() {
        "stream" => "without drafts".to_owned(),
        _ => format!(
            "in windows of {}, of whose tokens {:.0} % are the target's own, a token in {:.0} ms",
            about.window,
            100.0 * about.acceptance,
            1e3 * about.draft_seconds
        ),
    };
    format!(
        "{}, context {}, vocabulary {}; replies are written as `{}`, {drafts}. Prompts have {:.0} tokens and replies \
         {:.0} on average; temperature {}; owners: {}, processors: {}. Goodput is tokens whose verdict came within \
         {:.1} s.",
        about.model,
        about.context,
        about.vocabulary,
        about.writing,
        about.prompt_tokens,
        about.reply_tokens,
        about.temperature,
        about.owners,
        about.processors,
        about.deadline
    )
}

/// The heading of [`speeds`].
pub const SPEEDS: [&str; 10] =
    ["load", "phones", "verdicts/s", "tokens/s", "goodput", "p50", "p95", "p99", "first p50", "first p99"];

/// Returns the row of a load's rates and times; times are in milliseconds.
#[must_use]
pub fn speeds(arm: &Arm) -> Vec<String> {
    let ms = |seconds: f64| format!("{:.0} ms", 1e3 * seconds);
    vec![
        arm.name.clone(),
        arm.phones.to_string(),
        format!("{:.1}", arm.verdicts_per_second),
        format!("{:.1}", arm.tokens_per_second),
        format!("{:.1}", arm.goodput),
        ms(arm.each.p50),
        ms(arm.each.p95),
        ms(arm.each.p99),
        ms(arm.first.p50),
        ms(arm.first.p99),
    ]
}

/// The heading of [`replies`].
pub const REPLIES: [&str; 9] =
    ["load", "whole", "differing", "lost tokens", "unfinished", "failed", "late", "refusals", "with a hint"];

/// Returns the row of a load's replies and refusals.
#[must_use]
pub fn replies(arm: &Arm) -> Vec<String> {
    let replies = &arm.replies;
    let kinds: Vec<String> = arm.refusals.iter().map(|of| format!("{} {}", of.count, of.kind)).collect();
    // Only a server that is busy can say when to come back.
    let busy = arm.refusals.iter().filter(|of| of.kind == "busy");
    let (count, hinted) = busy.fold((0, 0), |(count, hinted), of| (count + of.count, hinted + of.hinted));
    let hinted = if count == 0 { "-".to_owned() } else { format!("{:.1} %", 100.0 * hinted as f64 / count as f64) };
    vec![
        arm.name.clone(),
        replies.whole.to_string(),
        replies.differing.to_string(),
        replies.lost_tokens.to_string(),
        (replies.unfinished + replies.never_begun).to_string(),
        replies.failed.to_string(),
        replies.late.to_string(),
        if kinds.is_empty() { "none".into() } else { kinds.join(", ") },
        hinted,
    ]
}

/// The heading of [`server`].
pub const SERVER: [&str; 10] = [
    "load",
    "passes/s",
    "sessions a pass",
    "tokens a pass",
    "accepted",
    "unloaded",
    "body up/token",
    "wire up/token",
    "wire down/token",
    "attacks",
];

/// Returns the row of what the server's counters say of a load; "-" where it does not show them.
#[must_use]
pub fn server(arm: &Arm) -> Vec<String> {
    let tokens = (arm.tokens_per_second * arm.seconds).max(1.0);
    // Bodies are counted over the whole test, tokens of all of it are in the course.
    let all: u64 = arm.course.iter().map(|second| second.tokens).sum();
    let body = format!("{:.1} B", arm.bytes.body_up as f64 / all.max(1) as f64);
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    let mut row = vec![arm.name.clone()];
    match &arm.passes {
        Some(of) => row.extend([
            format!("{:.1}", of.passes / arm.seconds),
            format!("{:.1}", share(of.session_passes, of.passes)),
            format!("{:.1}", share(of.decoded, of.passes)),
            format!("{:.0} %", 100.0 * share(of.matched, of.judged)),
            format!("{:.0}", of.unloaded),
            body,
            format!("{:.1} B", arm.bytes.wire_up / tokens),
            format!("{:.1} B", arm.bytes.wire_down / tokens),
        ]),
        None => row.extend(["-", "-", "-", "-", "-", &body, "-", "-"].map(str::to_owned)),
    }
    row.push(arm.attacks.to_string());
    row
}

/// The heading of [`memory`].
pub const MEMORY: [&str; 7] = ["load", "memory before", "peak", "after", "descriptors before", "peak", "after"];

/// Returns the row of this process's memory and descriptors; "-" where the system does not tell.
#[must_use]
pub fn memory(arm: &Arm) -> Vec<String> {
    let mut row = vec![arm.name.clone()];
    let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    match &arm.memory {
        Some(of) => {
            row.extend([of.before, of.peak, of.after].map(mb));
            row.extend([of.descriptors_before, of.descriptors_peak, of.descriptors_after].map(|n| n.to_string()));
        }
        None => row.extend(["-"; 6].map(str::to_owned)),
    }
    row
}

fn table(heading: &[&str], record: &Record, row: fn(&Arm) -> Vec<String>) -> Block {
    Block::Table {
        header: heading.iter().map(|&name| name.to_owned()).collect(),
        rows: record.arms.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{About, Passes, Percentiles, Refusals, Replies, Second};

    fn arm(name: &str, phones: usize) -> Arm {
        let rate = 10.0 * phones as f64;
        Arm {
            name: name.into(),
            phones,
            seconds: 10.0,
            verdicts_per_second: rate,
            tokens_per_second: 3.0 * rate,
            goodput: 2.0 * rate,
            each: Percentiles { count: 100, p50: 0.04, p95: 0.08, p99: 0.1234, max: 0.2 },
            replies: Replies { whole: 7, ..Replies::default() },
            refusals: vec![Refusals { kind: "busy".into(), count: 4, hinted: 3 }],
            passes: Some(Passes { passes: 50.0, session_passes: 100.0, decoded: 400.0, ..Passes::default() }),
            course: vec![Second { tokens: 3, verdicts: 1, refusals: 0, p95: 0.1 }; 12],
            distribution: (1..=100).map(|i| f64::from(i) * 1e-3).collect(),
            ..Arm::default()
        }
    }

    #[test]
    fn rows_have_as_many_cells_as_their_heading_and_say_what_was_measured() {
        let arm = arm("1 phone", 1);
        assert_eq!(speeds(&arm).len(), SPEEDS.len());
        assert_eq!(server(&arm).len(), SERVER.len());
        assert_eq!(server(&Arm { passes: None, ..arm.clone() }).len(), SERVER.len());
        assert_eq!(memory(&arm).len(), MEMORY.len());
        let row = replies(&arm);
        assert_eq!(row.len(), REPLIES.len());
        assert_eq!((row[7].as_str(), row[8].as_str()), ("4 busy", "75.0 %"));
        assert_eq!(speeds(&arm)[7], "123 ms");
        assert_eq!(server(&arm)[2], "2.0");
    }

    #[test]
    fn a_page_has_a_plot_of_everything_and_loads_nothing() {
        let about = About { model: "a <b> model".into(), writing: "windows".into(), ..About::default() };
        let sweep = Record { about, arms: vec![arm("1", 1), arm("8", 8), arm("32", 32)] };
        let text = html(&sweep).expect("a page");
        assert_eq!(text.matches("<svg").count(), 4, "rates, times, distribution, course");
        assert!(text.contains("a &lt;b&gt; model") && !text.contains("<b> model"));
        // An SVG names its own kind by an address, which is not loaded.
        let addresses = text.matches("http").count();
        assert_eq!(addresses, text.matches("http://www.w3.org/2000/svg").count());
        let single = Record { arms: vec![arm("1", 1)], ..sweep };
        assert_eq!(html(&single).expect("a page").matches("<svg").count(), 2, "there is nothing to compare");
    }
}
