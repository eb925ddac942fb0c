//! Chooses the tables and paragraphs of a record's report.

use super::Block;
use super::aims::aims;
use crate::law::report::{LawReport, PredictorReport};
use crate::method::Method;
use crate::plot::figures::Figure;
use crate::record::{Chapter, KindRecord, Record, Row, SettingRecord};
use crate::settings::{ROUND_TRIPS, names};
use crate::summary::Summary;

fn heading(text: impl Into<String>) -> Block {
    Block::Heading { text: text.into() }
}

fn text(text: impl Into<String>) -> Block {
    Block::Text { text: text.into() }
}

fn table(header: &[&str], rows: Vec<Vec<String>>) -> Block {
    Block::Table { header: header.iter().map(|&name| name.to_owned()).collect(), rows }
}

fn percent(value: f64) -> String {
    format!("{:.1} %", 100.0 * value)
}

/// Returns the number with three significant figures, or three decimals below 1.
fn figures3(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

pub(super) fn blocks(record: &Record, figures: &[Figure]) -> Vec<Block> {
    let plots = |wanted: &[&str]| -> Vec<Block> {
        let wanted = wanted.iter().filter_map(|name| figures.iter().find(|figure| figure.name == *name));
        wanted.map(|f| Block::Figure { name: f.name.clone(), caption: f.caption.clone(), svg: f.svg.clone() }).collect()
    };
    let mut blocks = vec![text(about(record))];
    let aims = aims(record);
    if !aims.is_empty() {
        blocks.push(heading("Aims"));
        let reached = |aim: &super::aims::Aim| if aim.reached { "yes" } else { "no" }.to_owned();
        let row =
            |aim: &super::aims::Aim| vec![aim.what.clone(), aim.wanted.clone(), aim.measured.clone(), reached(aim)];
        blocks.push(table(&["aim", "wanted", "measured", "reached"], aims.iter().map(row).collect()));
    }
    if let Some(rows) = headlines(record) {
        blocks.push(heading("The paper's headlines"));
        blocks.push(text(
            "U-HLM, risk-prone, from its published rules on this pair, beside what the paper reports for \
             TinyLlama-1.1B and Llama-2-7B on Alpaca.",
        ));
        blocks.push(table(&["quantity", "paper", "this pair"], rows));
    }
    for (i, chapter) in record.chapters.iter().enumerate() {
        blocks.push(heading(format!("Speed, temperature {}", chapter.temperature)));
        blocks.push(text(calibration(chapter)));
        blocks.push(speeds(chapter));
        if i == 0 {
            blocks.extend(plots(&["speed-paper", "speed-rtt50", "speed-by-rtt"]));
            for setting in chapter.settings.iter().filter(|s| is_detailed(s)) {
                blocks.push(heading(format!(
                    "{}, temperature {}",
                    capitalised(&setting.setting.name),
                    chapter.temperature
                )));
                blocks.push(details(setting));
            }
            blocks.extend(by_kind(chapter));
            blocks.extend(plots(&["uplink"]));
            if chapter.settings.iter().any(|s| s.oracle.is_some()) {
                blocks.push(heading("Windows against an oracle"));
                blocks.push(oracle(chapter));
                blocks.extend(plots(&["oracle"]));
            }
        }
        if !chapter.quality.is_empty() {
            blocks.push(heading(format!("Quality, temperature {}", chapter.temperature)));
            blocks.push(quality(chapter));
        }
    }
    blocks.extend(plots(&["accuracy"]));
    if let Some(law) = record.chapters.first().and_then(|chapter| chapter.uncertainty.as_ref()) {
        blocks.push(heading("Uncertainty and rejection"));
        blocks.extend(the_law(law));
        blocks.extend(plots(&["law", "law-sampled", "gating", "density"]));
    }
    blocks
}

/// Returns the paper's figures for U-HLM beside those measured on this pair; `None` without the paper's channel.
fn headlines(record: &Record) -> Option<Vec<Vec<String>>> {
    let chapter = record.chapters.first()?;
    let row = chapter.setting(names::PAPER)?.row(Method::UHlmRiskProne)?;
    let unfaded = chapter.setting(names::PAPER_UNFADED).and_then(|setting| setting.row(Method::UHlmRiskProne));
    let mut rows = vec![vec![
        "uplinks and target passes saved against HLM".to_owned(),
        "45.93 %".to_owned(),
        percent(1.0 - row.summary.transmission_rate),
    ]];
    let mut add = |what: &str, paper: &str, here: String| rows.push(vec![what.into(), paper.into(), here]);
    let times = |e: crate::summary::Estimate| format!("{:.2} x ({:.2} to {:.2})", e.value, e.low, e.high);
    add("tokens a second over HLM, with fading", "2.54 x", times(row.against.hlm));
    if let Some(row) = unfaded {
        add("the same without fading", "-", times(row.against.hlm));
    }
    let right = |method| chapter.quality_of(method).filter(|q| q.marked > 0).map(|quality| quality.accuracy.value);
    if let (Some(own), Some(llm)) = (right(Method::UHlmRiskProne), right(Method::LlmOnly)) {
        let here = percent(own / llm);
        add("share of the target's accuracy (paper: cosine similarity; here: right answers)", "97.54 %", here);
    }
    if let Some(law) = &chapter.uncertainty {
        let sampled = &law.estimators[crate::lab::SAMPLED];
        add("slope a", "0.82", format!("{:.3}", sampled.a.value));
        add("intercept b", "-0.06", format!("{:.3}", sampled.b.value));
        add("Delta = P(p(d) < q(d))", "0.301", format!("{:.3}", law.risk.delta));
        add("risk-averse threshold", "0.073", format!("{:.3}", law.risk.risk_averse));
        add("risk-prone threshold", "0.431", format!("{:.3}", law.risk.risk_prone));
        add("risk between the thresholds", "0.00224", format!("{:.5}", law.risk.measured));
        add("bound on it", "below 0.004", format!("{:.5}", law.risk.bound));
        add("tokens that the law rests on", "5,134", law.held_out.to_string());
    }
    Some(rows)
}

fn about(record: &Record) -> String {
    let about = &record.about;
    let million = |n: u64| format!("{:.2} M", n as f64 / 1e6);
    format!(
        "Draft model {} ({} parameters), target {} ({} parameters), vocabulary {}. A draft pass costs {} ms and a \
         target pass {} ms of virtual time. Speed on {} prompts, right answers on {} questions, calibration on {} \
         other prompts; replies of at most {} tokens; seed {}. Intervals are 95 %: bootstrap over prompts, Wilson's \
         for shares of right answers.",
        about.draft.0,
        million(about.draft.1),
        about.target.0,
        million(about.target.1),
        about.vocabulary,
        about.times.draft_ms,
        about.times.target_ms,
        about.speed_prompts,
        about.quality_prompts,
        about.calibration_prompts,
        about.max_tokens,
        about.seed
    )
}

fn calibration(chapter: &Chapter) -> String {
    let (a, b, delta) = chapter.law;
    let t = &chapter.thresholds;
    format!(
        "This SDK's calibration: a = {a:.3}, b = {b:.3}, Delta = {delta:.3}. U-HLM's thresholds, from the paper's \
         sampled estimator: {:.3} (risk-averse) and {:.3} (risk-prone, TR {}).",
        t.risk_averse,
        t.risk_prone,
        percent(t.rate)
    )
}

/// Returns the table of the tokens a second of every method on every link.
fn speeds(chapter: &Chapter) -> Block {
    let mut header = vec!["tokens/s".to_owned()];
    header.extend(chapter.settings.iter().map(|setting| setting.setting.name.clone()));
    let rows = Method::ALL.iter().map(|&method| {
        let speed = |setting: &SettingRecord| {
            setting.row(method).map_or(String::new(), |row| figures3(row.summary.tokens_per_second.value))
        };
        let mut row = vec![method.name()];
        row.extend(chapter.settings.iter().map(speed));
        row
    });
    Block::Table { header, rows: rows.collect() }
}

/// Tells whether every figure of a setting is shown.
fn is_detailed(setting: &SettingRecord) -> bool {
    let name = &setting.setting.name;
    name == names::PAPER || *name == names::free(50) || *name == names::billed(50)
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

fn details(setting: &SettingRecord) -> Block {
    let header = [
        "method",
        "exact",
        "tokens/s",
        "95 %",
        "reply median (5 to 95 %)",
        "first token, s",
        "TR",
        "TSR",
        "passes/token",
        "target tokens/token",
        "drafted/token",
        "bytes up/token",
        "down/token",
        "rollbacks/token",
        "device s/token",
    ];
    let row = |row: &Row| {
        let s = &row.summary;
        let (speed, reply, first) = (s.tokens_per_second, s.reply_tokens_per_second, s.first_token_s);
        vec![
            row.method.name(),
            if row.method.is_exact() { "yes" } else { "no" }.into(),
            figures3(speed.value),
            format!("{} to {}", figures3(speed.low), figures3(speed.high)),
            format!("{} ({} to {})", figures3(reply.median), figures3(reply.p5), figures3(reply.p95)),
            format!("{} ({} to {})", figures3(first.median), figures3(first.p5), figures3(first.p95)),
            percent(s.transmission_rate),
            s.true_skip_rate.map_or("-".into(), percent),
            figures3(s.passes_per_token),
            figures3(s.processed_per_token),
            figures3(s.drafted_per_token),
            figures3(s.up_per_token),
            figures3(s.down_per_token),
            figures3(s.rollbacks_per_token),
            figures3(s.device_s_per_token),
        ]
    };
    table(&header, setting.rows.iter().map(row).collect())
}

/// Returns a table for each link of every method's figures by kind of prompt, where they were asked for.
pub(super) fn by_kind(chapter: &Chapter) -> Vec<Block> {
    let settings = chapter.settings.iter().filter(|setting| !setting.kinds.is_empty());
    let blocks = |setting: &SettingRecord| {
        let name = format!("{}, temperature {}, by kind of prompt", setting.setting.name, chapter.temperature);
        let cells = "In each cell: tokens a second, target passes a token, share of judged tokens that stood, bytes up \
                     and down a token.";
        [heading(capitalised(&name)), text(cells), table_by_kind(setting)]
    };
    settings.flat_map(blocks).collect()
}

fn table_by_kind(setting: &SettingRecord) -> Block {
    let mut header = vec!["method".to_owned()];
    header.extend(setting.kinds.iter().map(|kind| kind.kind.clone()));
    let cell = |summary: &Summary| {
        let (up, down) = (summary.up_per_token, summary.down_per_token);
        // Where nothing is judged nothing stands, and nothing falls.
        let judges = summary.transmission_rate > 0.0;
        let stood = if judges { percent(summary.acceptance) } else { "-".into() };
        let figure = |value: f64| if value == 0.0 { "0".into() } else { figures3(value) };
        let [speed, passes, up, down] =
            [summary.tokens_per_second.value, summary.passes_per_token, up, down].map(figure);
        format!("{speed}; {passes}; {stood}; {up} / {down}")
    };
    let of = |method: Method| {
        let of_kind = |kind: &KindRecord| {
            kind.rows.iter().find(|row| row.0 == method).map_or(String::new(), |(_, summary)| cell(summary))
        };
        let mut row = vec![method.name()];
        row.extend(setting.kinds.iter().map(of_kind));
        row
    };
    Block::Table { header, rows: Method::ALL.map(of).to_vec() }
}

fn oracle(chapter: &Chapter) -> Block {
    let methods = [Method::FixedWindow(2), Method::FixedWindow(4), Method::FixedWindow(8), Method::OursExact];
    let rows = ROUND_TRIPS.iter().filter_map(|&rtt| {
        let setting = chapter.setting(&names::free(rtt))?;
        let (without, with) = setting.oracle?;
        let speed = |method: Method| setting.row(method).map_or(0.0, |row| row.summary.tokens_per_second.value);
        let of =
            |method: Method, oracle: f64| format!("{} ({})", figures3(speed(method)), percent(speed(method) / oracle));
        let mut row = vec![format!("{rtt} ms"), figures3(without)];
        row.extend(methods.iter().map(|&method| of(method, without)));
        row.push(figures3(with));
        row.push(of(Method::OursExactAhead, with));
        Some(row)
    });
    let header =
        ["RTT", "oracle", "fixed, 2", "fixed, 4", "fixed, 8", "ours", "oracle, draft-ahead", "ours, draft-ahead"];
    table(&header, rows.collect())
}

fn quality(chapter: &Chapter) -> Block {
    let rows = chapter.quality.iter().map(|(method, quality, summary)| {
        let (accuracy, nats, marked) = (quality.accuracy, quality.nats_per_token, quality.marked > 0);
        let distance = chapter.divergences.iter().find(|d| d.method == *method).map(|d| format!("{:.4}", d.mean()));
        let exact = if method.is_exact() { "0 by its rule".to_owned() } else { "-".to_owned() };
        vec![
            method.name(),
            if marked { format!("{} of {}", quality.right, quality.marked) } else { "-".into() },
            if marked { percent(accuracy.value) } else { "-".into() },
            if marked { format!("{} to {}", percent(accuracy.low), percent(accuracy.high)) } else { "-".into() },
            format!("{:.3} ({:.3} to {:.3})", nats.value.exp(), nats.low.exp(), nats.high.exp()),
            distance.unwrap_or(exact),
            figures3(summary.passes_per_token),
            percent(summary.transmission_rate),
        ]
    });
    let header =
        ["method", "right", "accuracy", "95 %", "target perplexity", "total variation a token", "passes/token", "TR"];
    table(&header, rows.collect())
}

/// Returns the tables of the law.
pub(super) fn the_law(law: &LawReport) -> Vec<Block> {
    let fit = |i: usize| {
        let e = &law.estimators[i];
        format!(
            "{:.3} ({:.3} to {:.3}) | {:.3} ({:.3} to {:.3})",
            e.a.value, e.a.low, e.a.high, e.b.value, e.b.low, e.b.high
        )
    };
    let row = |report: &PredictorReport, fit: Option<String>| {
        let fit = fit.unwrap_or_else(|| "- | -".into());
        let mut row = vec![report.name.clone()];
        row.extend(fit.split(" | ").map(str::to_owned));
        row.extend([
            format!("{:.3}", report.pearson),
            format!("{:.3}", report.spearman),
            format!("{:.3}", report.auc),
            format!("{:.4} ({:.4} to {:.4})", report.brier.value, report.brier.low, report.brier.high),
            format!("{:.4}", report.calibration_error),
            risk_at(report, 0.2),
        ]);
        row
    };
    let mut rows: Vec<_> = law.estimators.iter().enumerate().map(|(i, e)| row(&e.line, Some(fit(i)))).collect();
    rows.extend(law.learned.iter().map(|report| row(report, None)));
    let header =
        ["predictor", "a", "b", "Pearson", "Spearman", "AUC", "Brier", "calibration error", "risk at 20 % sent"];
    let risk = &law.risk;
    vec![
        text(format!(
            "Fitted on {} tokens of the calibration prompts, judged on {} held-out ones; the mean rejection \
             probability is {}. a and b are fitted to the held-out tokens themselves, the scores are those of the \
             calibration prompts' fit.",
            law.calibrated_on,
            law.held_out,
            percent(law.mean_beta)
        )),
        table(&header, rows),
        text(format!(
            "Under shared noise the target writes another token than the drafted one at {} of the places, which the \
             next table is about: each predictor is fitted to what was written after the calibration prompts.",
            percent(law.mean_mismatch)
        )),
        table(&header, law.shared_noise.iter().map(|report| row(report, None)).collect()),
        text(format!(
            "The paper's risk: between the thresholds {:.3} and {:.3} (Delta = {:.3}) its line gives {:.5}, its \
             bound is {:.5}, and {:.5} was measured; below the lower threshold, where the line says that nothing is \
             rejected, {:.5} was measured. The mean of beta over all tokens, those that are sent counted as 0.",
            risk.risk_averse,
            risk.risk_prone,
            risk.delta,
            risk.by_the_line,
            risk.bound,
            risk.measured,
            risk.measured_below
        )),
    ]
}

fn risk_at(report: &PredictorReport, share: f64) -> String {
    let nearest = report.risk_curve.iter().min_by(|a, b| (a.0 - share).abs().total_cmp(&(b.0 - share).abs()));
    nearest.map_or(String::new(), |point| format!("{:.4}", point.1))
}
