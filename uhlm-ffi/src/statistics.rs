//! Counts and rates of a generation, as the core defines them.

pub use uhlm_core::OriginCounts;

/// Committed tokens by origin.
#[uniffi::remote(Record)]
pub struct OriginCounts {
    /// Tokens that the draft model wrote and that were not judged.
    pub draft: u64,
    /// Tokens that the draft model wrote and that are the target's own.
    pub verified: u64,
    /// Tokens that the target wrote.
    pub target: u64,
    /// Tokens that the draft model wrote while the verifier was out of reach.
    pub unverified: u64,
}

/// Counts, rates and times of one reply.
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
    /// Tokens that the draft model drafted, each in a forward pass of its own but for those of `ngram_accepted`.
    pub drafted: u64,
    /// Drafted tokens that a verdict decided on: equal to the target's own, or rejected.
    pub judged: u64,
    /// Of those, the rejected ones: the target wrote another token.
    pub rejected: u64,
    /// Drafted tokens that the gate let pass.
    pub skipped: u64,
    /// Times that provisional tokens were taken back.
    pub rollbacks: u64,
    /// Tokens taken back.
    pub rolled_back: u64,
    /// Requests that were answered with a verdict.
    pub verdicts: u64,
    /// Forward passes of the target for this reply, as the verifier counts them.
    pub target_passes: u64,
    /// Bytes of request bodies.
    pub body_up: u64,
    /// Bytes of response bodies.
    pub body_down: u64,
    /// Time from the call until the end, in seconds.
    pub elapsed_seconds: f64,
    /// Time of the device's work on the prompt, in seconds.
    pub prefill_seconds: f64,
    /// Time from the call until the first committed token, in seconds.
    pub first_token_seconds: f64,
    /// Time in the draft model, its sampling and its uncertainty, prompt excluded, in seconds.
    pub drafting_seconds: f64,
    /// Time in which the device could only wait for the verifier, in seconds.
    pub waiting_seconds: f64,
    /// Median time from sending a window until its verdict, in seconds; none without a verdict.
    pub median_verdict_seconds: Option<f64>,
    /// Committed tokens a second, prompt included.
    pub tokens_per_second: f64,
    /// Transmission rate (TR): the share of decided draft tokens that were sent to be judged.
    pub transmission_rate: f64,
    /// True skip rate (TSR): the share of skipped tokens that the target would have written itself; none where it
    /// said so of none, which only a goal of risk asks for.
    pub true_skip_rate: Option<f64>,
    /// Share of judged tokens that were not rejected.
    pub acceptance_rate: f64,
    /// Forward passes of the target for one committed token.
    pub target_passes_per_token: f64,
    /// Tokens that the conversation proposed and that the draft model read ahead of drafting them.
    #[uniffi(default = 0)]
    pub ngram_proposed: u64,
    /// Of those, the ones that were then drafted, which share a forward pass.
    #[uniffi(default = 0)]
    pub ngram_accepted: u64,
    /// Tokens of the reply's grammar that leaves no choice about them, which the device added without a forward pass.
    #[uniffi(default = 0)]
    pub forced: u64,
    /// True if the reply is a whole text of its grammar, false if it was cut before; none where it has none.
    #[uniffi(default)]
    pub grammar_complete: Option<bool>,
    /// Messages of earlier turns that the models have forgotten for this reply and those after it, to make room.
    #[uniffi(default = 0)]
    pub dropped_messages: u64,
    /// Whether the draft model has another vocabulary than the target and proposed through a bridge; all counts of
    /// tokens are then in the target's.
    #[uniffi(default = false)]
    pub bridged: bool,
    /// Whether a chat service wrote the reply as a whole: neither was it drawn with the shared noise, nor was anything
    /// judged.
    #[uniffi(default = false)]
    pub handed_off: bool,
    /// Requests to the verifier, those included that open a session.
    #[uniffi(default = 0)]
    pub requests: u64,
    /// Whether the budget was spent before the reply ended, so that the rest was written without the verifier.
    #[uniffi(default = false)]
    pub budget_spent: bool,
}

impl From<&uhlm_core::Statistics> for Statistics {
    fn from(s: &uhlm_core::Statistics) -> Self {
        Self {
            prompt_tokens: s.prompt_tokens,
            reused_tokens: s.reused_tokens,
            tokens: s.tokens(),
            origins: s.origins,
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
            ngram_proposed: s.ngram_proposed,
            ngram_accepted: s.ngram_accepted,
            forced: s.forced,
            grammar_complete: s.grammar_complete,
            dropped_messages: s.dropped_messages,
            bridged: s.bridged,
            handed_off: s.handed_off,
            requests: s.requests,
            budget_spent: s.budget_spent,
        }
    }
}
