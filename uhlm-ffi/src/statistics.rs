//! Counts and rates of a generation, as the core defines them.

use uhlm_core::metrics;

/// Committed tokens by origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, uniffi::Record)]
pub struct OriginCounts {
    /// Written by the draft model, let pass unjudged.
    pub draft: u64,
    /// Written by the draft model, accepted by the target.
    pub verified: u64,
    /// From the residual distribution after a rejection.
    pub resampled: u64,
    /// Written by the target.
    pub bonus: u64,
    /// Written by the draft model while the verifier was out of reach.
    pub unverified: u64,
}

/// What a generation did and what it cost.
#[derive(Clone, Debug, Default, PartialEq, uniffi::Record)]
pub struct Statistics {
    /// Tokens of the prompt, those reused from earlier turns included.
    pub prompt_tokens: u64,
    /// Of those, tokens whose cache was reused on the device.
    pub reused_tokens: u64,
    /// Committed tokens.
    pub tokens: u64,
    /// Committed tokens by origin.
    pub origins: OriginCounts,
    /// Forward passes of the draft model, one a drafted token.
    pub drafted: u64,
    /// Drafted tokens that a verdict decided on.
    pub judged: u64,
    /// Of those, the rejected ones.
    pub rejected: u64,
    /// Drafted tokens that the gate let pass.
    pub skipped: u64,
    /// Times that provisional tokens were taken back.
    pub rollbacks: u64,
    /// Tokens taken back.
    pub rolled_back: u64,
    /// Requests that were answered with a verdict.
    pub verdicts: u64,
    /// Forward passes of the target.
    pub target_passes: u64,
    /// Bytes of request bodies.
    pub body_up: u64,
    /// Bytes of response bodies.
    pub body_down: u64,
    /// From the call until the end.
    pub elapsed_seconds: f64,
    /// The device's work on the prompt.
    pub prefill_seconds: f64,
    /// From the call until the first committed token.
    pub first_token_seconds: f64,
    /// Time in the draft model, its sampling and its uncertainty, prompt excluded.
    pub drafting_seconds: f64,
    /// Time in which the device could only wait for the verifier.
    pub waiting_seconds: f64,
    /// Median time from sending a window until its verdict; none without a verdict.
    pub median_verdict_seconds: Option<f64>,
    /// Committed tokens a second, prompt included.
    pub tokens_per_second: f64,
    /// Transmission rate (TR): the share of decided draft tokens that were sent to be judged.
    pub transmission_rate: f64,
    /// True skip rate (TSR): the share of skipped tokens that the target would have accepted, in expectation; none where
    /// none of them reported its target probability, which only a goal of risk asks for.
    pub true_skip_rate: Option<f64>,
    /// Share of judged tokens that were accepted.
    pub acceptance_rate: f64,
    /// Forward passes of the target for one committed token.
    pub target_passes_per_token: f64,
}

impl From<&metrics::Statistics> for Statistics {
    fn from(s: &metrics::Statistics) -> Self {
        let o = &s.origins;
        Self {
            prompt_tokens: s.prompt_tokens,
            reused_tokens: s.reused_tokens,
            tokens: s.tokens(),
            origins: OriginCounts {
                draft: o.draft,
                verified: o.verified,
                resampled: o.resampled,
                bonus: o.bonus,
                unverified: o.unverified,
            },
            drafted: s.drafted,
            judged: s.judged,
            rejected: s.rejected,
            skipped: s.skipped,
            rollbacks: s.rollbacks,
            rolled_back: s.rolled_back,
            verdicts: s.verdicts,
            target_passes: s.target_passes,
            body_up: s.body_up,
            body_down: s.body_down,
            elapsed_seconds: s.elapsed.as_secs_f64(),
            prefill_seconds: s.prefill.as_secs_f64(),
            first_token_seconds: s.first_token.as_secs_f64(),
            drafting_seconds: s.drafting.as_secs_f64(),
            waiting_seconds: s.waiting.as_secs_f64(),
            median_verdict_seconds: s.median_verdict().map(|time| time.as_secs_f64()),
            tokens_per_second: s.tokens_per_second(),
            transmission_rate: s.transmission_rate(),
            true_skip_rate: s.true_skip_rate(),
            acceptance_rate: s.acceptance_rate(),
            target_passes_per_token: s.target_passes_per_token(),
        }
    }
}
