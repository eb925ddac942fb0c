//! The record of an evaluation: plain data, from which the report and the documentation are written. It holds nothing
//! that changes from run to run: no times of day, no names of machines, no measured durations.

use serde::{Deserialize, Serialize};

use crate::divergence::Divergence;
use crate::lab::Setting;
use crate::law::report::LawReport;
use crate::method::{Method, Thresholds};
use crate::pair::ComputeTimes;
use crate::quality::Quality;
use crate::summary::{Estimate, Summary};

/// Everything that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What was measured on.
    pub about: About,
    /// One chapter a temperature.
    pub chapters: Vec<Chapter>,
}

/// What was measured on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The draft model's name and its number of parameters.
    pub draft: (String, u64),
    /// The target's.
    pub target: (String, u64),
    /// Tokens in their vocabulary.
    pub vocabulary: usize,
    /// What computing costs in virtual time.
    pub times: ComputeTimes,
    /// Prompts that speed is measured on.
    pub speed_prompts: usize,
    /// Prompts with right answers that quality is measured on.
    pub quality_prompts: usize,
    /// Prompts that calibration is made of.
    pub calibration_prompts: usize,
    /// The most tokens of a reply.
    pub max_tokens: usize,
    /// Seed of every choice.
    pub seed: u64,
}

/// One temperature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chapter {
    /// Temperature of both models' sampling; 0 is greedy.
    pub temperature: f32,
    /// This SDK's calibration: `a`, `b`, Delta.
    pub law: (f64, f64, f64),
    /// What the baselines go by.
    pub thresholds: Thresholds,
    /// One entry a link.
    pub settings: Vec<SettingRecord>,
    /// Quality of each method's replies, on links that do not matter to it.
    pub quality: Vec<(Method, Quality, Summary)>,
    /// Distance of each lossy method's next token from the target's.
    pub divergences: Vec<Divergence>,
    /// The law between uncertainty and rejection, where it was measured.
    pub uncertainty: Option<LawReport>,
}

/// All methods on one link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SettingRecord {
    /// The link.
    pub setting: Setting,
    /// The methods.
    pub rows: Vec<Row>,
    /// What a window policy could reach that knows every verdict, tokens a second: without and with draft-ahead. Only
    /// where a round trip is a fixed time.
    pub oracle: Option<(f64, f64)>,
}

/// One method on one link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The method.
    pub method: Method,
    /// Its figures.
    pub summary: Summary,
    /// Its speed over that of others, with paired bootstrap intervals over prompts.
    pub against: Against,
}

/// Ratios of tokens a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Against {
    /// Over HLM.
    pub hlm: Estimate,
    /// Over the risk-prone U-HLM.
    pub u_hlm: Estimate,
    /// Over the target alone, streamed.
    pub llm: Estimate,
}

impl SettingRecord {
    /// A method's row.
    #[must_use]
    pub fn row(&self, method: Method) -> Option<&Row> {
        self.rows.iter().find(|row| row.method == method)
    }
}

impl Chapter {
    /// The link of this name.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&SettingRecord> {
        self.settings.iter().find(|setting| setting.setting.name == name)
    }

    /// A method's quality.
    #[must_use]
    pub fn quality_of(&self, method: Method) -> Option<&Quality> {
        self.quality.iter().find(|entry| entry.0 == method).map(|entry| &entry.1)
    }
}

impl Record {
    /// The chapter of a temperature.
    #[must_use]
    pub fn chapter(&self, temperature: f32) -> Option<&Chapter> {
        self.chapters.iter().find(|chapter| (chapter.temperature - temperature).abs() < 1e-6)
    }
}
