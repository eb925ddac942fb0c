//! The account of a load: what all phones have seen, as rates and percentiles of the measured time.

use tokio::time::Instant;
use uhlm_eval::statistics::quantile;

use super::Seen;
use crate::plan::Plan;
use crate::record::{Arm, Bytes, Memory, Passes, Percentiles, Refusals, Replies, Second};
use crate::scrape::Counters;
use crate::tally::{Tally, Verdict};

/// Counts from beside the phones.
pub(super) struct Sides {
    /// Number of things that the hostile phones have done.
    pub(super) attacks: u64,
    /// Number of wishes that no phone has taken.
    pub(super) never_begun: u64,
}

/// Phases of the scheduler's thread in which the engine is at work.
const PHASES: [&str; 3] = ["prefill", "verify", "scoring"];

/// Times of a load: its beginning, and the beginning and the end of what is measured.
type Times = (Instant, Instant, Instant);

pub(super) fn arm(
    plan: &Plan,
    times: Times,
    seen: Seen,
    counters: Option<(Counters, Counters)>,
    memory: Option<Memory>,
    sides: Sides,
) -> Arm {
    let (_, from, to) = times;
    let Seen { tally, late, failed } = seen;
    let seconds = (to - from).as_secs_f64();
    let is_measured = |verdict: &&Verdict| (from..to).contains(&verdict.at);
    let measured: Vec<Verdict> = tally.verdicts.iter().filter(is_measured).copied().collect();
    let tokens = |verdicts: &mut dyn Iterator<Item = &Verdict>| verdicts.map(|verdict| verdict.tokens).sum::<usize>();
    let deadline = plan.deadline.as_secs_f64();
    let each: Vec<f64> = measured.iter().map(|verdict| verdict.seconds).collect();
    let first: Vec<f64> = tally.firsts.iter().filter(is_measured).map(|verdict| verdict.seconds).collect();
    let refusals = tally.failures_within(from, to).into_iter();
    let (wire_up, wire_down) = counters.as_ref().map_or((0.0, 0.0), |(before, after)| {
        let grown = |name| after.grown(before, name);
        (grown("uhlm_wire_bytes_in_total"), grown("uhlm_wire_bytes_out_total"))
    });
    Arm {
        name: plan.name.clone(),
        phones: plan.phones,
        attack: plan.attack.map(|attack| attack.to_string()),
        attacks: sides.attacks,
        seconds,
        verdicts_per_second: measured.len() as f64 / seconds,
        tokens_per_second: tokens(&mut measured.iter()) as f64 / seconds,
        goodput: tokens(&mut measured.iter().filter(|verdict| verdict.seconds <= deadline)) as f64 / seconds,
        first: percentiles(&first),
        each: percentiles(&each),
        replies: replies(&tally, late, failed, sides.never_begun),
        refusals: refusals
            .map(|(kind, failures)| Refusals { kind: kind.to_owned(), count: failures.count, hinted: failures.hinted })
            .collect(),
        bytes: Bytes { body_up: tally.body_up, body_down: tally.body_down, wire_up, wire_down },
        passes: counters.map(|(before, after)| passes(&before, &after)),
        memory,
        course: course(&tally, times),
        distribution: distribution(each),
    }
}

fn percentiles(times: &[f64]) -> Percentiles {
    let at = |share| quantile(times, share).unwrap_or(0.0);
    Percentiles { count: times.len(), p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1.0) }
}

fn distribution(mut times: Vec<f64>) -> Vec<f64> {
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times.get((percent * times.len()).div_ceil(100).saturating_sub(1)).copied();
    (1..=100).filter_map(at).collect()
}

fn replies(tally: &Tally, late: u64, failed: u64, never_begun: u64) -> Replies {
    let mut replies = Replies { late, failed, never_begun, ..Replies::default() };
    for reply in &tally.replies {
        replies.whole += u64::from(reply.is_whole);
        replies.unfinished += u64::from(!reply.is_whole);
        replies.differing += u64::from(reply.differs_at.is_some());
        replies.lost_tokens += reply.lost as u64;
    }
    replies.unfinished -= failed.min(replies.unfinished);
    replies
}

fn passes(before: &Counters, after: &Counters) -> Passes {
    let grown = |name: &str| after.grown(before, name);
    let statuses = after.grown_by(before, "uhlm_requests_total", "status").into_iter();
    Passes {
        passes: grown("uhlm_passes_total"),
        busy: PHASES.iter().map(|phase| grown(&format!("uhlm_phase_seconds_total{{phase=\"{phase}\"}}"))).sum(),
        decoded: grown("uhlm_decoded_tokens_total"),
        session_passes: after.grown_by(before, "uhlm_session_passes_total", "kind").values().sum(),
        judged: grown("uhlm_judged_tokens_total"),
        matched: grown("uhlm_matched_tokens_total"),
        unloaded: grown("uhlm_sessions_unloaded_total"),
        statuses: statuses.filter(|(status, count)| !status.starts_with('2') && *count > 0.0).collect(),
        sessions: after.now("uhlm_sessions_open").unwrap_or(0.0),
        cached: after.now("uhlm_cached_tokens").unwrap_or(0.0),
    }
}

fn course(tally: &Tally, (began, _, to): Times) -> Vec<Second> {
    let count = (to - began).as_secs_f64().ceil() as usize;
    let second = |at: Instant| (at >= began && at < to).then(|| (at - began).as_secs() as usize);
    let mut course = vec![Second::default(); count];
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); count];
    for verdict in &tally.verdicts {
        if let Some(i) = second(verdict.at) {
            course[i].verdicts += 1;
            course[i].tokens += verdict.tokens as u64;
            times[i].push(verdict.seconds);
        }
    }
    for (at, ..) in &tally.failures {
        if let Some(i) = second(*at) {
            course[i].refusals += 1;
        }
    }
    for (second, times) in course.iter_mut().zip(&times) {
        second.p95 = quantile(times, 0.95).unwrap_or(0.0);
    }
    course
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tally::Reply;

    #[test]
    fn only_the_measured_time_counts_and_goodput_is_what_came_before_the_deadline() {
        let began = Instant::now();
        let at = |seconds: f64| began + Duration::from_secs_f64(seconds);
        let verdict = |when: f64, seconds: f64, tokens| Verdict { at: at(when), seconds, tokens };
        let reply = |is_whole, differs_at, lost| Reply { at: at(2.0), is_whole, differs_at, lost };
        let tally = Tally {
            verdicts: vec![verdict(0.5, 9.0, 9), verdict(1.5, 0.1, 4), verdict(2.5, 3.0, 2), verdict(9.0, 0.1, 1)],
            firsts: vec![verdict(1.5, 0.4, 4)],
            failures: vec![(at(1.2), "busy", true), (at(2.2), "busy", false), (at(8.0), "gone", false)],
            replies: vec![reply(true, None, 0), reply(true, Some(3), 0), reply(true, None, 2), reply(false, None, 0)],
            ..Tally::default()
        };
        let plan = Plan { phones: 2, deadline: Duration::from_secs(1), ..Plan::default() };
        let seen = Seen { tally, late: 1, failed: 1 };
        let sides = Sides { attacks: 0, never_begun: 3 };
        let arm = arm(&plan, (began, at(1.0), at(3.0)), seen, None, None, sides);
        assert_eq!((arm.verdicts_per_second, arm.tokens_per_second, arm.goodput), (1.0, 3.0, 2.0));
        assert_eq!((arm.each.count, arm.each.p50, arm.each.max, arm.first.p99), (2, 0.1, 3.0, 0.4));
        assert_eq!(arm.refusals, [Refusals { kind: "busy".into(), count: 2, hinted: 1 }]);
        let Replies { whole, differing, lost_tokens, unfinished, failed, late, never_begun } = arm.replies;
        assert_eq!((whole, differing, lost_tokens, unfinished, failed, late, never_begun), (3, 1, 2, 0, 1, 1, 3));
        assert_eq!(arm.course.len(), 3);
        assert_eq!((arm.course[1].tokens, arm.course[1].refusals, arm.course[2].p95), (4, 1, 3.0));
        assert_eq!((arm.distribution.len(), arm.distribution[49], arm.distribution[99]), (100, 0.1, 3.0));
    }
}
