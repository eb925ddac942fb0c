//! Counts and rates of a generation, each defined where it is computed.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uhlm_law::calibration::Label;

use crate::origin::Origin;

/// Where the time of one verdict went, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictTiming {
    /// From sending the window until its verdict.
    pub total_us: u32,
    /// Waiting in the verifier's queue.
    pub queue_us: u32,
    /// The target's pass and its scoring.
    pub decode_us: u32,
}

impl VerdictTiming {
    /// What is neither queue nor decode: network, TLS, HTTP and both runtimes.
    #[must_use]
    pub fn network_us(&self) -> u32 {
        self.total_us.saturating_sub(self.queue_us).saturating_sub(self.decode_us)
    }
}

/// Committed tokens by origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginCounts {
    /// [`Origin::Draft`].
    pub draft: u64,
    /// [`Origin::Verified`].
    pub verified: u64,
    /// [`Origin::Target`].
    pub target: u64,
    /// [`Origin::Unverified`].
    pub unverified: u64,
}

impl OriginCounts {
    pub(crate) fn count(&mut self, origin: Origin) {
        *match origin {
            Origin::Draft => &mut self.draft,
            Origin::Verified => &mut self.verified,
            Origin::Target => &mut self.target,
            Origin::Unverified => &mut self.unverified,
        } += 1;
    }

    /// All tokens.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.draft + self.verified + self.target + self.unverified
    }
}

/// What a generation did and what it cost. Statistics of several generations add up with [`Statistics::add`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Statistics {
    /// Tokens of the prompt, those reused from earlier turns included.
    pub prompt_tokens: u64,
    /// Of those, tokens whose cache was reused on the device.
    pub reused_tokens: u64,
    /// Messages of earlier turns that the models have forgotten for this reply and those after it, to make room.
    pub dropped_messages: u64,
    /// Committed tokens by origin.
    pub origins: OriginCounts,
    /// Of all committed tokens, those of the reasoning, its marks included.
    pub reasoning_tokens: u64,
    /// Tokens that the draft model drafted. Each takes a forward pass of its own but for those of `ngram_accepted`,
    /// which share one.
    pub drafted: u64,
    /// Tokens that the conversation proposed and that the draft model read ahead of drafting them.
    pub ngram_proposed: u64,
    /// Of those, the ones that were then drafted.
    pub ngram_accepted: u64,
    /// Drafted tokens that a verdict decided on: equal to the target's own, or rejected.
    pub judged: u64,
    /// Of those, the rejected ones: the target wrote another token.
    pub rejected: u64,
    /// Drafted tokens that the gate let pass.
    pub skipped: u64,
    /// Skipped tokens about which the target said whether they are its own: with labels collected or a goal of risk,
    /// which spend bytes on that, else none.
    pub skipped_labelled: u64,
    /// Of those, the ones that are the target's own.
    pub skipped_matched: u64,
    /// Times that provisional tokens were taken back.
    pub rollbacks: u64,
    /// Tokens taken back.
    pub rolled_back: u64,
    /// Requests that were answered with a verdict.
    pub verdicts: u64,
    /// Forward passes of the target for this reply, as the verifier counts them: judged ones, and one a token that it
    /// writes alone.
    pub target_passes: u64,
    /// Sessions opened on the verifier.
    pub opens: u64,
    /// Windows sent again after a failure, a desynchronisation or an eviction.
    pub resent: u64,
    /// Bytes of request bodies.
    pub body_up: u64,
    /// Bytes of response bodies.
    pub body_down: u64,
    /// From the call until the end.
    #[serde(with = "seconds")]
    pub elapsed: Duration,
    /// The device's work on the prompt.
    #[serde(with = "seconds")]
    pub prefill: Duration,
    /// From the call until the first committed token.
    #[serde(with = "seconds")]
    pub first_token: Duration,
    /// Time in the draft model, its sampling and its uncertainty, prompt excluded.
    #[serde(with = "seconds")]
    pub drafting: Duration,
    /// Time in which the device could only wait for the verifier.
    #[serde(with = "seconds")]
    pub waiting: Duration,
    /// Each verdict's time.
    pub verdict_times: Vec<VerdictTiming>,
    /// Bytes of each round's request and response body, in order.
    pub round_bytes: Vec<(u32, u32)>,
    /// Tokens of each round's window, in order.
    pub round_tokens: Vec<u32>,
    /// What calibration learns from, if the generation was asked to collect it.
    #[serde(skip)]
    pub labels: Option<Vec<Label>>,
}

mod seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(value.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

impl Statistics {
    /// Committed tokens.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.origins.total()
    }

    /// Committed tokens a second, prompt included.
    #[must_use]
    pub fn tokens_per_second(&self) -> f64 {
        ratio(self.tokens() as f64, self.elapsed.as_secs_f64())
    }

    /// Transmission rate (TR): the share of decided draft tokens that were sent to be judged (paper, section 5).
    #[must_use]
    pub fn transmission_rate(&self) -> f64 {
        ratio(self.judged as f64, (self.judged + self.skipped) as f64)
    }

    /// True skip rate (TSR): the share of skipped tokens that the target would have written itself; `None` where it
    /// said so of none ([`skipped_labelled`](Self::skipped_labelled)).
    #[must_use]
    pub fn true_skip_rate(&self) -> Option<f64> {
        (self.skipped_labelled > 0).then(|| self.skipped_matched as f64 / self.skipped_labelled as f64)
    }

    /// Share of judged tokens that were accepted.
    #[must_use]
    pub fn acceptance_rate(&self) -> f64 {
        ratio((self.judged - self.rejected) as f64, self.judged as f64)
    }

    /// Forward passes of the target for one committed token.
    #[must_use]
    pub fn target_passes_per_token(&self) -> f64 {
        ratio(self.target_passes as f64, self.tokens() as f64)
    }

    /// Median time from sending a window until its verdict; none without a verdict.
    #[must_use]
    pub fn median_verdict(&self) -> Option<Duration> {
        let mut times: Vec<u32> = self.verdict_times.iter().map(|timing| timing.total_us).collect();
        let middle = times.len() / 2;
        (!times.is_empty()).then(|| Duration::from_micros(u64::from(*times.select_nth_unstable(middle).1)))
    }

    /// Adds another generation's counts.
    pub fn add(&mut self, other: &Self) {
        let o = &other.origins;
        self.prompt_tokens += other.prompt_tokens;
        self.reused_tokens += other.reused_tokens;
        self.dropped_messages += other.dropped_messages;
        self.origins.draft += o.draft;
        self.origins.verified += o.verified;
        self.origins.target += o.target;
        self.origins.unverified += o.unverified;
        self.reasoning_tokens += other.reasoning_tokens;
        self.drafted += other.drafted;
        self.ngram_proposed += other.ngram_proposed;
        self.ngram_accepted += other.ngram_accepted;
        self.judged += other.judged;
        self.rejected += other.rejected;
        self.skipped += other.skipped;
        self.skipped_labelled += other.skipped_labelled;
        self.skipped_matched += other.skipped_matched;
        self.rollbacks += other.rollbacks;
        self.rolled_back += other.rolled_back;
        self.verdicts += other.verdicts;
        self.target_passes += other.target_passes;
        self.opens += other.opens;
        self.resent += other.resent;
        self.body_up += other.body_up;
        self.body_down += other.body_down;
        self.elapsed += other.elapsed;
        self.prefill += other.prefill;
        self.first_token += other.first_token;
        self.drafting += other.drafting;
        self.waiting += other.waiting;
        self.verdict_times.extend_from_slice(&other.verdict_times);
        self.round_bytes.extend_from_slice(&other.round_bytes);
        self.round_tokens.extend_from_slice(&other.round_tokens);
        if let Some(labels) = &other.labels {
            self.labels.get_or_insert_default().extend_from_slice(labels);
        }
    }
}
