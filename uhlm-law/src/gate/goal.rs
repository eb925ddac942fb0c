//! The goals that an app can set the gate, and the laws by which a rejection is expected.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The goal that the app sets the gate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// The paper's risk-averse threshold `u_th = -b/a`: by the law `beta = a u + b` between uncertainty `u` and
    /// rejection probability `beta`, nothing is skipped that could be rejected.
    RiskAverse,
    /// The paper's risk-prone threshold `u_th = (Delta - b)/a`, which it adopts; Delta is the share of the drafted
    /// tokens that the target finds less probable than the draft model.
    #[default]
    RiskProne,
    /// The threshold on `u` is this one, in [0, 1], whatever happens.
    Threshold(f32),
    /// This share of the drafted tokens is judged, in [0, 1]: those that the target most probably writes otherwise.
    ShareSent(f64),
    /// At most this many bytes of request and response bodies are spent a token of the reply, on average, by judging
    /// fewer tokens in the opportunistic mode. It is a ceiling: where judging everything costs less, everything is
    /// judged. The exact mode judges all in any case, and this goal changes nothing there.
    Bytes(f64),
    /// As much as possible is skipped, with at most this many tokens per drafted token, in [0, 1], that are skipped
    /// although the target would have written another.
    Risk(f64),
}

impl Goal {
    /// Returns the goal with its value in range: the nearest end, or what sends every token where it is not a number.
    pub(super) fn within_range(self) -> Self {
        let or = |value: f64, least: f64| if value.is_nan() { least } else { value };
        match self {
            Self::Threshold(value) => Self::Threshold(if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) }),
            Self::ShareSent(value) => Self::ShareSent(or(value, 1.0).clamp(0.0, 1.0)),
            Self::Risk(value) => Self::Risk(or(value, 0.0).clamp(0.0, 1.0)),
            Self::Bytes(value) => Self::Bytes(or(value, 0.0).max(0.0)),
            Self::RiskAverse | Self::RiskProne => self,
        }
    }
}

impl std::fmt::Display for Goal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::RiskAverse => f.write_str("risk-averse"),
            Self::RiskProne => f.write_str("risk-prone"),
            Self::Threshold(value) => write!(f, "threshold:{value}"),
            Self::ShareSent(value) => write!(f, "share:{value}"),
            Self::Risk(value) => write!(f, "risk:{value}"),
            Self::Bytes(value) => write!(f, "bytes:{value}"),
        }
    }
}

/// The law by which it is expected that the target writes another token: for windows, for draft-ahead, and for skipping
/// where the goal is a share to send or a risk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Predictor {
    /// The calibration's learned law, tracked, which sees the shared noise; the line where it has none.
    #[default]
    Learned,
    /// The paper's line `beta = a u + b`, tracked. All skipping then goes by `u`.
    LinearLaw,
}

/// The text names no goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a goal: risk-averse, risk-prone, threshold:U, share:S or risk:R with a number in [0, 1], or bytes:B")]
pub struct InvalidGoal;

impl FromStr for Goal {
    type Err = InvalidGoal;

    fn from_str(text: &str) -> Result<Self, InvalidGoal> {
        let Some((name, value)) = text.split_once(':') else {
            return match text {
                "risk-averse" => Ok(Self::RiskAverse),
                "risk-prone" => Ok(Self::RiskProne),
                _ => Err(InvalidGoal),
            };
        };
        let value: f64 = value.parse().map_err(|_| InvalidGoal)?;
        match name {
            "bytes" if value.is_finite() && value > 0.0 => Ok(Self::Bytes(value)),
            _ if !(0.0..=1.0).contains(&value) => Err(InvalidGoal),
            "threshold" => Ok(Self::Threshold(value as f32)),
            "share" => Ok(Self::ShareSent(value)),
            "risk" => Ok(Self::Risk(value)),
            _ => Err(InvalidGoal),
        }
    }
}
