//! Lists the modes that are measured.

use clap::ValueEnum;
use serde::Serialize;
use uhlm_core::{DraftAhead, Mode, SessionOptions};
use uhlm_law::calibration::Calibration;
use uhlm_law::gate::Goal;

use crate::options::default_goal;

/// A mode to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Which {
    /// The target alone, streamed
    Target,
    /// The draft model alone
    Draft,
    /// Exact; drafting goes on while a verdict travels
    Exact,
    /// Exact; the device waits for each verdict
    ExactWaiting,
    /// Exact; two windows in flight
    ExactPipelined,
    /// Opportunistic at the threshold that calibration recommends
    Opportunistic,
    /// Opportunistic at the paper's risk-averse threshold
    RiskAverse,
    /// Opportunistic at the paper's risk-prone threshold
    RiskProne,
}

impl Which {
    pub(crate) const ALL: [Self; 8] = [
        Self::Target,
        Self::Draft,
        Self::Exact,
        Self::ExactWaiting,
        Self::ExactPipelined,
        Self::Opportunistic,
        Self::RiskAverse,
        Self::RiskProne,
    ];

    /// Returns the name of the mode for people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Target => "target alone",
            Self::Draft => "draft alone",
            Self::Exact => "exact, draft-ahead",
            Self::ExactWaiting => "exact, waiting",
            Self::ExactPipelined => "exact, 2 in flight",
            Self::Opportunistic => "opp., goal",
            Self::RiskAverse => "opp., risk-averse",
            Self::RiskProne => "opp., risk-prone",
        }
    }

    /// Returns the session's options for the mode.
    pub(super) fn options(self, base: &SessionOptions, calibration: &Calibration) -> SessionOptions {
        let base = SessionOptions { calibration: calibration.clone(), ..base.clone() };
        let exact = |draft_ahead| SessionOptions { mode: Mode::Exact, draft_ahead, ..base.clone() };
        let opportunistic = |goal| SessionOptions { mode: Mode::Opportunistic, goal, ..base.clone() };
        match self {
            Self::Target => SessionOptions { mode: Mode::RemoteOnly, ..base },
            Self::Draft => SessionOptions { mode: Mode::DeviceOnly, ..base },
            Self::Exact => exact(DraftAhead::WhileWaiting),
            Self::ExactWaiting => exact(DraftAhead::Off),
            Self::ExactPipelined => exact(DraftAhead::Pipelined(2)),
            Self::Opportunistic => opportunistic(default_goal(calibration)),
            Self::RiskAverse => opportunistic(Goal::RiskAverse),
            Self::RiskProne => opportunistic(Goal::RiskProne),
        }
    }
}
