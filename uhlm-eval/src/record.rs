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

/// The results of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Models, prompts and costs that were measured on.
    pub about: About,
    /// One chapter for each temperature.
    pub chapters: Vec<Chapter>,
}

/// The models, prompts and costs that were measured on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The draft model's name and its number of parameters.
    pub draft: (String, u64),
    /// The target model's name and its number of parameters.
    pub target: (String, u64),
    /// Number of tokens in the models' vocabulary.
    pub vocabulary: usize,
    /// Time of the models' passes in virtual time.
    pub times: ComputeTimes,
    /// Number of prompts that speed is measured on.
    pub speed_prompts: usize,
    /// Number of prompts with right answers that quality is measured on.
    pub quality_prompts: usize,
    /// Number of prompts that the calibration is made of.
    pub calibration_prompts: usize,
    /// Greatest length of a reply, in tokens.
    pub max_tokens: usize,
    /// Seed of every random choice.
    pub seed: u64,
}

/// The results at one temperature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chapter {
    /// Temperature of both models' sampling; 0 is greedy.
    pub temperature: f32,
    /// This SDK's calibration: `a` and `b` of the law, and Delta, the share of drafted tokens with `p(d) < q(d)`.
    pub law: (f64, f64, f64),
    /// Thresholds and rate that the baselines decide by.
    pub thresholds: Thresholds,
    /// Results on each link.
    pub settings: Vec<SettingRecord>,
    /// Quality of each method's replies, on a link that does not matter to it.
    pub quality: Vec<(Method, Quality, Summary)>,
    /// Distance of each lossy method's next token from the target's.
    pub divergences: Vec<Divergence>,
    /// Report of the law between uncertainty and rejection, where it was measured.
    pub uncertainty: Option<LawReport>,
}

/// The results of all methods on one link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SettingRecord {
    /// The link and its billing.
    pub setting: Setting,
    /// Results of each method.
    pub rows: Vec<Row>,
    /// Results by kind of prompt, where they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<KindRecord>,
    /// Speed that a window policy could reach that knows every verdict, in tokens a second: without and with
    /// draft-ahead. It is only there where a round trip is a fixed time.
    pub oracle: Option<(f64, f64)>,
}

/// The results of all methods on one link, of the prompts of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KindRecord {
    /// Name of the kind.
    pub kind: String,
    /// Figures of each method.
    pub rows: Vec<(Method, Summary)>,
}

/// The results of one method on one link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The method.
    pub method: Method,
    /// The method's figures.
    pub summary: Summary,
    /// The method's speed over that of others, with paired bootstrap intervals over prompts.
    pub against: Against,
}

/// Ratios of one method's tokens a second to those of others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Against {
    /// Ratio to HLM.
    pub hlm: Estimate,
    /// Ratio to the risk-prone U-HLM.
    pub u_hlm: Estimate,
    /// Ratio to the target alone, streamed.
    pub llm: Estimate,
}

impl SettingRecord {
    /// Returns a method's row.
    #[must_use]
    pub fn row(&self, method: Method) -> Option<&Row> {
        self.rows.iter().find(|row| row.method == method)
    }
}

impl Chapter {
    /// Returns the results on the link of this name.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&SettingRecord> {
        self.settings.iter().find(|setting| setting.setting.name == name)
    }

    /// Returns a method's quality.
    #[must_use]
    pub fn quality_of(&self, method: Method) -> Option<&Quality> {
        self.quality.iter().find(|entry| entry.0 == method).map(|entry| &entry.1)
    }
}

impl Record {
    /// Returns the chapter of a temperature.
    #[must_use]
    pub fn chapter(&self, temperature: f32) -> Option<&Chapter> {
        self.chapters.iter().find(|chapter| (chapter.temperature - temperature).abs() < 1e-6)
    }
}
