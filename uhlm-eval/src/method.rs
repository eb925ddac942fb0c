//! The methods of the comparison, by name.

use serde::{Deserialize, Serialize};
use uhlm_core::{DraftAhead, Mode};
use uhlm_law::gate::Goal;
use uhlm_law::pace::Pace;
use uhlm_law::window::CloseRule;

use crate::baseline::rule::Baseline;
use crate::product::ProductMethod;

/// Draft length of DSSD in tokens, as its authors' figures mostly have it.
pub const DSSD_WINDOW: usize = 4;
/// Number of distribution entries that CU-HLM sends: its paper's best.
pub const CU_HLM_TOP_K: usize = 30;

/// A method of the comparison. The threshold of uncertainty is `u_th`; the law gives the probability of a rejection at
/// uncertainty `u` as `a u + b`, and Delta is the share of drafted tokens with `p(d) < q(d)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The draft model alone.
    SlmOnly,
    /// The target alone, streamed.
    LlmOnly,
    /// The rule [`Baseline::Hlm`].
    Hlm,
    /// The rule [`Baseline::RandHlm`] at the risk-prone U-HLM's measured rate.
    RandHlm,
    /// The rule [`Baseline::UHlm`] with `u_th = -b/a`.
    UHlmRiskAverse,
    /// The rule [`Baseline::UHlm`] with `u_th = (Delta - b)/a`.
    UHlmRiskProne,
    /// The rule [`Baseline::CuHlm`] with the risk-prone threshold.
    CuHlm,
    /// The rule [`Baseline::Dssd`].
    Dssd,
    /// This SDK's exact mode with windows of a fixed length and no draft-ahead: plain speculative decoding
    /// (Leviathan et al. 2023, Chen et al. 2023) over this SDK's protocol.
    FixedWindow(usize),
    /// This SDK, opportunistic, at its default goal, the paper's risk-prone threshold.
    OursOpportunistic,
    /// This SDK, opportunistic, at the risk-averse threshold.
    OursRiskAverse,
    /// This SDK, exact, without draft-ahead.
    OursExact,
    /// This SDK, exact, with its defaults: at the pace `balanced`.
    OursExactAhead,
    /// This SDK, exact, at the pace `fastest`.
    OursFastest,
    /// This SDK, exact, at the pace `thrifty`.
    OursThrifty,
}

/// The code that runs a method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Runner {
    /// A baseline, its thresholds and rates filled in.
    Baseline(Baseline),
    /// A session of this SDK.
    Product(ProductMethod),
}

/// Measured values that the rules of the baselines need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// Risk-averse threshold of uncertainty: `-b/a` for the sampled estimator.
    pub risk_averse: f32,
    /// Risk-prone threshold of uncertainty: `(Delta - b)/a` for the sampled estimator.
    pub risk_prone: f32,
    /// Transmission rate (TR) of the risk-prone U-HLM, from 0 to 1.
    pub rate: f64,
}

impl Method {
    /// All methods in the order of the tables.
    pub const ALL: [Self; 17] = [
        Self::SlmOnly,
        Self::LlmOnly,
        Self::Hlm,
        Self::RandHlm,
        Self::UHlmRiskAverse,
        Self::UHlmRiskProne,
        Self::CuHlm,
        Self::Dssd,
        Self::FixedWindow(2),
        Self::FixedWindow(4),
        Self::FixedWindow(8),
        Self::OursOpportunistic,
        Self::OursRiskAverse,
        Self::OursExact,
        Self::OursExactAhead,
        Self::OursFastest,
        Self::OursThrifty,
    ];

    /// Returns the method's name in tables and plots.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::SlmOnly => "SLM only".into(),
            Self::LlmOnly => "LLM only, streamed".into(),
            Self::Hlm => "HLM".into(),
            Self::RandHlm => "Rand-HLM".into(),
            Self::UHlmRiskAverse => "U-HLM, risk-averse".into(),
            Self::UHlmRiskProne => "U-HLM, risk-prone".into(),
            Self::CuHlm => format!("CU-HLM, k = {CU_HLM_TOP_K}"),
            Self::Dssd => format!("DSSD, {DSSD_WINDOW}"),
            Self::FixedWindow(length) => format!("fixed window, {length}"),
            Self::OursOpportunistic => "ours, risk-prone".into(),
            Self::OursRiskAverse => "ours, risk-averse".into(),
            Self::OursExact => "ours, exact".into(),
            Self::OursExactAhead => "ours, exact, balanced".into(),
            Self::OursFastest => "ours, exact, fastest".into(),
            Self::OursThrifty => "ours, exact, thrifty".into(),
        }
    }

    /// Tells whether the method's output is distributed as the target's, by its rule.
    #[must_use]
    pub fn is_exact(self) -> bool {
        !matches!(
            self,
            Self::SlmOnly
                | Self::RandHlm
                | Self::UHlmRiskAverse
                | Self::UHlmRiskProne
                | Self::CuHlm
                | Self::OursOpportunistic
                | Self::OursRiskAverse
        )
    }

    /// Tells whether it is one of this SDK's own methods; [`Self::FixedWindow`] stands for plain speculative decoding.
    #[must_use]
    pub fn is_ours(self) -> bool {
        matches!(
            self,
            Self::OursOpportunistic
                | Self::OursRiskAverse
                | Self::OursExact
                | Self::OursExactAhead
                | Self::OursFastest
                | Self::OursThrifty
        )
    }

    /// Returns the code that runs the method, with these thresholds.
    #[must_use]
    pub fn runner(self, thresholds: &Thresholds) -> Runner {
        let threshold = thresholds.risk_prone;
        let exact = |close, draft_ahead| {
            Runner::Product(ProductMethod { close, draft_ahead, ..ProductMethod::mode(Mode::Exact) })
        };
        let defaults = ProductMethod::mode(Mode::Exact);
        match self {
            Self::SlmOnly => Runner::Product(ProductMethod::mode(Mode::DeviceOnly)),
            Self::LlmOnly => Runner::Product(ProductMethod::mode(Mode::RemoteOnly)),
            Self::Hlm => Runner::Baseline(Baseline::Hlm),
            Self::RandHlm => Runner::Baseline(Baseline::RandHlm { rate: thresholds.rate }),
            Self::UHlmRiskAverse => Runner::Baseline(Baseline::UHlm { threshold: thresholds.risk_averse }),
            Self::UHlmRiskProne => Runner::Baseline(Baseline::UHlm { threshold }),
            Self::CuHlm => Runner::Baseline(Baseline::CuHlm { threshold, top_k: CU_HLM_TOP_K }),
            Self::Dssd => Runner::Baseline(Baseline::Dssd { window: DSSD_WINDOW }),
            Self::FixedWindow(length) => exact(CloseRule::Fixed(length), DraftAhead::Off),
            Self::OursOpportunistic => Runner::Product(ProductMethod::mode(Mode::Opportunistic)),
            Self::OursRiskAverse => {
                Runner::Product(ProductMethod { goal: Goal::RiskAverse, ..ProductMethod::mode(Mode::Opportunistic) })
            }
            Self::OursExact => exact(defaults.close, DraftAhead::Off),
            Self::OursExactAhead => Runner::Product(defaults),
            Self::OursFastest => Runner::Product(ProductMethod { pace: Pace::Fastest, ..defaults }),
            Self::OursThrifty => Runner::Product(ProductMethod { pace: Pace::Thrifty, ..defaults }),
        }
    }
}
