//! The choices of the law as records: the sampling chain, the gate, the uncertainty and the window.
//!
//! What they mean is decided in `uhlm-law`; the options of a session that hold them are in `config`.

pub use uhlm_law::gate::Predictor;
pub use uhlm_law::pace::Pace;
pub use uhlm_law::sampling::LogitBias;
pub use uhlm_law::uncertainty::Estimator;
use uhlm_law::{gate, sampling, window};

/// Parameters of the sampling chain, with the meaning of llama.cpp's flags of the same names. A parameter that is left
/// out changes nothing: without any, the model's own softmax is drawn from.
#[derive(Clone, Debug, Default, uniffi::Record)]
pub struct SamplingParams {
    /// Divisor of the logits, applied last, at least 0; with 0 the most probable token is taken.
    #[uniffi(default)]
    pub temperature: Option<f32>,
    /// Number of most probable tokens that are kept; 0 keeps all.
    #[uniffi(default)]
    pub top_k: Option<u32>,
    /// Probability in (0, 1] that the smallest set of most probable tokens must reach to be kept.
    #[uniffi(default)]
    pub top_p: Option<f32>,
    /// Least probability of a token that is kept, as a fraction in [0, 1] of the most probable one's.
    #[uniffi(default)]
    pub min_p: Option<f32>,
    /// Number of last tokens that the penalties look at; 0 turns them off.
    #[uniffi(default)]
    pub penalty_last_n: Option<u32>,
    /// Divisor, above 0, of the positive logit of a token that occurred (a negative one is multiplied by it); 1 is off.
    #[uniffi(default)]
    pub penalty_repeat: Option<f32>,
    /// Amount that is subtracted from a token's logit for each of its occurrences; 0 is off.
    #[uniffi(default)]
    pub penalty_frequency: Option<f32>,
    /// Amount that is subtracted once from the logit of a token that occurred; 0 is off.
    #[uniffi(default)]
    pub penalty_presence: Option<f32>,
    /// Number of standard deviations of the logits below the greatest one within which tokens are kept; 0 keeps all.
    #[uniffi(default)]
    pub top_n_sigma: Option<f32>,
    /// Amounts, -100 to 100, that are added to the logits of tokens before everything else, each token once, at most
    /// 64. Ids are those of `UhlmEngine.tokenize`.
    #[uniffi(default)]
    pub logit_bias: Vec<LogitBias>,
}

/// A token whose logit is raised or lowered.
#[uniffi::remote(Record)]
pub struct LogitBias {
    /// Id of the token in the vocabulary.
    pub id: u32,
    /// Amount that is added to its logit, -100 to 100.
    pub bias: f32,
}

impl From<SamplingParams> for sampling::SamplingParams {
    fn from(given: SamplingParams) -> Self {
        let default = Self::default();
        Self {
            temperature: given.temperature.unwrap_or(default.temperature),
            top_k: given.top_k.unwrap_or(default.top_k),
            top_p: given.top_p.unwrap_or(default.top_p),
            min_p: given.min_p.unwrap_or(default.min_p),
            penalty_last_n: given.penalty_last_n.unwrap_or(default.penalty_last_n),
            penalty_repeat: given.penalty_repeat.unwrap_or(default.penalty_repeat),
            penalty_frequency: given.penalty_frequency.unwrap_or(default.penalty_frequency),
            penalty_presence: given.penalty_presence.unwrap_or(default.penalty_presence),
            top_n_sigma: given.top_n_sigma.unwrap_or(default.top_n_sigma),
            logit_bias: given.logit_bias,
        }
    }
}

impl From<sampling::SamplingParams> for SamplingParams {
    fn from(params: sampling::SamplingParams) -> Self {
        Self {
            temperature: Some(params.temperature),
            top_k: Some(params.top_k),
            top_p: Some(params.top_p),
            min_p: Some(params.min_p),
            penalty_last_n: Some(params.penalty_last_n),
            penalty_repeat: Some(params.penalty_repeat),
            penalty_frequency: Some(params.penalty_frequency),
            penalty_presence: Some(params.penalty_presence),
            top_n_sigma: Some(params.top_n_sigma),
            logit_bias: params.logit_bias,
        }
    }
}

/// Worth of a pass against time. A pass is one forward pass of the target, which makes a token or judges a window.
#[uniffi::remote(Enum)]
pub enum Pace {
    /// Nothing but time counts. A reply is never slower than one that the target streams, and it is streamed if the
    /// target is faster than the device.
    Fastest,
    /// Time counts most, and a pass counts a little.
    Balanced,
    /// As few passes are made as a little less speed allows.
    Thrifty,
}

/// The app's aim for the gate, which decides what is judged.
#[derive(Clone, Copy, Debug, PartialEq, uniffi::Enum)]
pub enum Goal {
    /// Nothing is skipped that could be rejected by the paper's line: the threshold is its `u_th = -b/a`.
    RiskAverse,
    /// Some rejection is risked, as the paper does: the threshold is its `u_th = (Delta - b)/a`.
    RiskProne,
    /// The threshold on the uncertainty is this one, whatever happens.
    Threshold {
        /// The threshold, in [0, 1].
        uncertainty: f32,
    },
    /// This share of the drafted tokens is judged.
    ShareSent {
        /// The share, in [0, 1].
        share: f64,
    },
    /// As much as possible is skipped, with at most this probability that a drafted token should have been rejected.
    Risk {
        /// The probability, as a mean over the drafted tokens, in [0, 1].
        risk: f64,
    },
    /// In the mode `Opportunistic`, request and response bodies take at most this many bytes for each token of the
    /// reply, on average.
    Bytes {
        /// Bytes for each token, above 0.
        per_token: f64,
    },
}

impl From<Goal> for gate::Goal {
    fn from(goal: Goal) -> Self {
        match goal {
            Goal::RiskAverse => Self::RiskAverse,
            Goal::RiskProne => Self::RiskProne,
            Goal::Threshold { uncertainty } => Self::Threshold(uncertainty),
            Goal::ShareSent { share } => Self::ShareSent(share),
            Goal::Risk { risk } => Self::Risk(risk),
            Goal::Bytes { per_token } => Self::Bytes(per_token),
        }
    }
}

/// Source of the probability that a drafted token will be rejected.
#[uniffi::remote(Enum)]
pub enum Predictor {
    /// The law that the calibration learned, or the paper's line if it learned none.
    Learned,
    /// The paper's line, which goes by the uncertainty alone.
    LinearLaw,
}

/// Measure of the draft model's uncertainty about a token.
#[uniffi::remote(Enum)]
pub enum Estimator {
    /// Temperature perturbation without its sampling noise: the probability that a draw at a temperature uniform on
    /// [0, 2] differs from the drafted token.
    TemperaturePerturbation,
    /// Temperature perturbation as the paper has it.
    SampledTemperaturePerturbation {
        /// Number of draws, the paper's `K`.
        draws: u32,
    },
    /// Shannon entropy of the softmax over `ln V`.
    Entropy,
    /// One minus the probability of the most probable token.
    MaxProbability,
    /// One minus the lead of the most probable token over the second.
    Margin,
}

/// Rule by which a window is closed and sent. A window is a run of drafted tokens that are judged together. An end
/// token and a stop sequence close it in any case, and so does its largest length.
#[derive(Clone, Copy, Debug, PartialEq, uniffi::Enum)]
pub enum CloseRule {
    /// The window closes when one more token no longer pays by the cost model, with every term measured online.
    CostModel,
    /// The window closes when the probability that the target rejects something in it exceeds this.
    Risk {
        /// The probability, in [0, 1].
        risk: f64,
    },
    /// The window closes at the first token whose uncertainty exceeds the gate's threshold.
    Uncertainty,
    /// The window closes at this many tokens.
    Fixed {
        /// Number of tokens, at least 1.
        tokens: u32,
    },
}

impl From<CloseRule> for window::CloseRule {
    fn from(rule: CloseRule) -> Self {
        match rule {
            CloseRule::CostModel => Self::CostModel,
            CloseRule::Risk { risk } => Self::Risk(risk),
            CloseRule::Uncertainty => Self::Uncertainty,
            CloseRule::Fixed { tokens } => Self::Fixed(tokens as usize),
        }
    }
}
