//! The counts and rates of a generation, each defined where it is computed.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uhlm_law::calibration::Label;

use crate::origin::Origin;

/// The time that one verdict took, by its parts, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictTiming {
    /// Time from sending the window until its verdict came, in microseconds.
    pub total_us: u32,
    /// Time in the verifier's queue, in microseconds.
    pub queue_us: u32,
    /// Duration of the target's pass with its scoring, in microseconds.
    pub decode_us: u32,
}

impl VerdictTiming {
    /// Returns the time that was neither queue nor decode, in microseconds: network, TLS, HTTP and both runtimes.
    #[must_use]
    pub fn network_us(&self) -> u32 {
        self.total_us.saturating_sub(self.queue_us).saturating_sub(self.decode_us)
    }
}

/// Numbers of committed tokens by origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OriginCounts {
    /// Number of tokens with [`Origin::Draft`].
    pub draft: u64,
    /// Number of tokens with [`Origin::Verified`].
    pub verified: u64,
    /// Number of tokens with [`Origin::Target`].
    pub target: u64,
    /// Number of tokens with [`Origin::Unverified`].
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

    /// Adds other numbers.
    pub(crate) fn add(&mut self, other: &Self) {
        self.draft = self.draft.saturating_add(other.draft);
        self.verified = self.verified.saturating_add(other.verified);
        self.target = self.target.saturating_add(other.target);
        self.unverified = self.unverified.saturating_add(other.unverified);
    }

    /// Returns the number of all committed tokens.
    #[must_use]
    pub fn total(&self) -> u64 {
        [self.verified, self.target, self.unverified].into_iter().fold(self.draft, u64::saturating_add)
    }
}

/// The counts and times of a generation. Statistics of several generations add up with [`Statistics::add`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Statistics {
    /// Length of the prompt in tokens, those reused from earlier turns included.
    pub prompt_tokens: u64,
    /// Of those, the number of tokens whose KV cache was reused on the device.
    pub reused_tokens: u64,
    /// Number of messages of earlier turns that the models have forgotten for this reply and those after it, to make
    /// room.
    pub dropped_messages: u64,
    /// Numbers of committed tokens by origin.
    pub origins: OriginCounts,
    /// Whether the draft model has another vocabulary than the target and proposed through a bridge; tokens are then
    /// the target's.
    pub bridged: bool,
    /// Whether a chat service wrote the reply as a whole: neither was it drawn with the shared noise, nor was anything
    /// judged.
    pub handed_off: bool,
    /// Of all committed tokens, the number of those of the reasoning, its marks included.
    pub reasoning_tokens: u64,
    /// Number of tokens that were drafted. Each takes a forward pass of its own except those of `ngram_accepted`, which
    /// share one; where `bridged`, they are the target's, and such a token takes as many passes as it covers of the
    /// draft model's.
    pub drafted: u64,
    /// Number of tokens that repeat the conversation and that the draft model read ahead of drafting them.
    pub ngram_proposed: u64,
    /// Of those, the number that were then drafted.
    pub ngram_accepted: u64,
    /// Number of tokens of a grammar that leaves no choice about them, which the device added without a pass of the
    /// draft model. They are not counted as drafted, judged or skipped. Those that the verifier added are among its
    /// tokens.
    pub forced: u64,
    /// Whether the reply is a whole text of its grammar; `None` where it has none.
    pub grammar_complete: Option<bool>,
    /// Number of drafted tokens that a verdict decided on: equal to the target's own, or rejected.
    pub judged: u64,
    /// Of those, the number of rejected ones: the target wrote another token.
    pub rejected: u64,
    /// Number of drafted tokens that the gate let pass without a verdict.
    pub skipped: u64,
    /// Number of skipped tokens about which the target said whether they are its own. It does so with labels collected
    /// or a goal of risk, which spend bytes on that, else never.
    pub skipped_labelled: u64,
    /// Of those, the number that are the target's own.
    pub skipped_matched: u64,
    /// Number of times that provisional tokens were taken back.
    pub rollbacks: u64,
    /// Number of tokens that were taken back.
    pub rolled_back: u64,
    /// Number of requests that were answered with a verdict.
    pub verdicts: u64,
    /// Number of forward passes of the target for this reply, as the verifier counts them: those that judge, and one
    /// for each token that it writes alone.
    pub target_passes: u64,
    /// Number of sessions opened on the verifier.
    pub opens: u64,
    /// Number of requests to the verifier, those included that open a session. Repetitions on the way do not count.
    pub requests: u64,
    /// Whether the [budget](crate::options::SessionOptions::budget) was spent before the reply ended, so that the rest
    /// of it was written without the verifier.
    pub budget_spent: bool,
    /// Number of windows sent again after a failure, a desynchronisation or an eviction.
    pub resent: u64,
    /// Size of all request bodies, in bytes.
    pub body_up: u64,
    /// Size of all response bodies, in bytes.
    pub body_down: u64,
    /// Time from when the session's thread takes the generation up until its end; in JSON, as the other times, in
    /// seconds.
    #[serde(with = "seconds")]
    pub elapsed: Duration,
    /// Time in which the draft model read the prompt.
    #[serde(with = "seconds")]
    pub prefill: Duration,
    /// Time from when the session's thread takes the generation up until the first committed token.
    #[serde(with = "seconds")]
    pub first_token: Duration,
    /// Time in the draft model, its sampling and its uncertainty, prompt excluded.
    #[serde(with = "seconds")]
    pub drafting: Duration,
    /// Time in which the device could only wait for the verifier.
    #[serde(with = "seconds")]
    pub waiting: Duration,
    /// Times of the verdicts, in order.
    pub verdict_times: Vec<VerdictTiming>,
    /// Sizes of each verdict's request and response bodies, in bytes, in order.
    pub round_bytes: Vec<(u32, u32)>,
    /// Number of tokens in each verdict's window, in order.
    pub round_tokens: Vec<u32>,
    /// Labels that calibration learns from, if the generation was asked to collect them.
    #[serde(skip)]
    pub labels: Option<Vec<Label>>,
}

/// Writes durations as seconds.
pub(crate) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(value.as_secs_f64())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Returns `part / whole`, or 0 where there is no whole.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

impl Statistics {
    /// Returns the number of committed tokens.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.origins.total()
    }

    /// Returns the committed tokens per second of [`elapsed`](Self::elapsed), the time on the prompt included.
    #[must_use]
    pub fn tokens_per_second(&self) -> f64 {
        ratio(self.tokens() as f64, self.elapsed.as_secs_f64())
    }

    /// Returns the transmission rate (TR): the share of decided draft tokens that were sent to be judged (paper,
    /// section 5).
    #[must_use]
    pub fn transmission_rate(&self) -> f64 {
        ratio(self.judged as f64, (self.judged + self.skipped) as f64)
    }

    /// Returns the true skip rate (TSR): the share of skipped tokens that the target would have written itself; `None`
    /// where it said so of none ([`skipped_labelled`](Self::skipped_labelled)).
    #[must_use]
    pub fn true_skip_rate(&self) -> Option<f64> {
        (self.skipped_labelled > 0).then(|| self.skipped_matched as f64 / self.skipped_labelled as f64)
    }

    /// Returns the share of judged tokens that were accepted.
    #[must_use]
    pub fn acceptance_rate(&self) -> f64 {
        ratio((self.judged - self.rejected) as f64, self.judged as f64)
    }

    /// Returns the number of forward passes of the target for each committed token.
    #[must_use]
    pub fn target_passes_per_token(&self) -> f64 {
        ratio(self.target_passes as f64, self.tokens() as f64)
    }

    /// Returns the median time from sending a window until its verdict, the longer of the middle two of an even number;
    /// `None` without a verdict.
    #[must_use]
    pub fn median_verdict(&self) -> Option<Duration> {
        let mut times: Vec<u32> = self.verdict_times.iter().map(|timing| timing.total_us).collect();
        let middle = times.len() / 2;
        (!times.is_empty()).then(|| Duration::from_micros(u64::from(*times.select_nth_unstable(middle).1)))
    }

    /// Counts the `up` bytes that a request took on its way, of which `counted` count already since it was sent.
    pub(crate) fn count_up(&mut self, up: u64, counted: u64) {
        self.body_up = (self.body_up + up).saturating_sub(counted);
    }

    /// Adds another generation's counts and times.
    pub fn add(&mut self, other: &Self) {
        self.prompt_tokens += other.prompt_tokens;
        self.reused_tokens += other.reused_tokens;
        self.dropped_messages += other.dropped_messages;
        self.origins.add(&other.origins);
        self.bridged |= other.bridged;
        self.handed_off |= other.handed_off;
        self.reasoning_tokens += other.reasoning_tokens;
        self.drafted += other.drafted;
        self.ngram_proposed += other.ngram_proposed;
        self.ngram_accepted += other.ngram_accepted;
        self.forced += other.forced;
        self.grammar_complete = match (self.grammar_complete, other.grammar_complete) {
            (Some(one), Some(two)) => Some(one && two),
            (one, two) => one.or(two),
        };
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
        self.requests += other.requests;
        self.budget_spent |= other.budget_spent;
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
