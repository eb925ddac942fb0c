//! Keeps the measured values, as they are written to a file, and the figures that follow from them.

use std::path::Path;

use serde::Serialize;
use uhlm_eval::statistics::{median, quantile};
use uhlm_law::sampling::TokenId;

use crate::failure::Failure;

/// The models, the link and the settings of a measurement.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Conditions {
    pub(super) draft: String,
    pub(super) target: String,
    pub(super) draft_threads: u32,
    pub(super) target_threads: u32,
    pub(super) round_trip_ms: f64,
    pub(super) temperature: f32,
    pub(super) max_tokens: usize,
    pub(super) seed: u64,
}

impl std::fmt::Display for Conditions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} ({} threads) for {} ({} threads), {} ms of link, T = {}, {} tokens at most, seed {}",
            self.draft,
            self.draft_threads,
            self.target,
            self.target_threads,
            self.round_trip_ms,
            self.temperature,
            self.max_tokens,
            self.seed
        )
    }
}

/// The measured values of one reply; "for each token" means each token of the reply.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Measured {
    pub(super) method: String,
    /// Tokens a second, from the first to the last token; `None` where nearly all came with the first.
    pub(super) decode_rate: Option<f64>,
    /// Tokens a second, from the call to the end of the reply; not a number where nothing was written.
    pub(super) whole_rate: f64,
    pub(super) first_token_seconds: f64,
    /// Passes of the target for each token.
    pub(super) passes: f64,
    /// Requests to the verifier for each token.
    pub(super) requests: f64,
    /// Drafted tokens for each token.
    pub(super) drafted: f64,
    /// Share of the reply that was drafted and accepted.
    pub(super) share_drafted: f64,
    /// Drafted tokens that the target judged, for each token.
    pub(super) judged: f64,
    /// Number of windows that were sent again.
    pub(super) resent: u64,
    /// Number of tokens that were written without the target.
    pub(super) unverified: u64,
    #[serde(skip)]
    pub(super) tokens: Vec<TokenId>,
}

/// A reply beside the streamed one.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Compared {
    #[serde(flatten)]
    pub(super) measured: Measured,
    pub(super) length: usize,
    /// Speed over that of the streamed reply, after the first token of each; 1 for the streamed reply itself.
    pub(super) ratio: Option<f64>,
    /// Speed over that of the streamed reply, over the whole reply.
    pub(super) whole_ratio: f64,
    /// Index of the first token in which the texts differ; `None` where they are equal.
    pub(super) parts_at: Option<usize>,
}

/// The replies to one prompt, in every way.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Prompt {
    pub(super) category: String,
    pub(super) replies: Vec<Compared>,
}

impl Prompt {
    /// Compares each reply with the first one, which was streamed.
    pub(super) fn new(category: String, measured: Vec<Measured>) -> Self {
        let streamed = measured.first().cloned();
        let compare = |measured: Measured| {
            let streamed = streamed.as_ref().unwrap_or(&measured);
            let length = measured.tokens.len();
            let same = streamed.tokens.iter().zip(&measured.tokens).take_while(|(a, b)| a == b).count();
            Compared {
                length,
                ratio: measured.decode_rate.zip(streamed.decode_rate).map(|(own, streamed)| own / streamed),
                whole_ratio: measured.whole_rate / streamed.whole_rate,
                parts_at: (same < length.max(streamed.tokens.len())).then_some(same),
                measured,
            }
        };
        Self { category, replies: measured.into_iter().map(compare).collect() }
    }
}

/// The figures of a way of writing over several prompts.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Summary {
    /// Kind of the prompts; `None` for all of them.
    pub(super) category: Option<String>,
    pub(super) method: String,
    pub(super) prompts: usize,
    /// Medians of the speeds and of the ratios, and the worst ratio; `None` where no reply has one.
    pub(super) decode_rate: Option<f64>,
    pub(super) whole_rate: Option<f64>,
    pub(super) ratio: Option<f64>,
    pub(super) worst: Option<f64>,
    pub(super) whole_ratio: Option<f64>,
    /// Means over the replies.
    pub(super) passes: f64,
    pub(super) requests: f64,
    pub(super) drafted: f64,
    pub(super) share_drafted: f64,
    /// Share of the judged tokens that stood; `None` where none was judged.
    pub(super) accepted: Option<f64>,
    /// Number of replies with the streamed one's text.
    pub(super) equal: usize,
}

impl Summary {
    fn of(category: Option<&str>, method: &str, replies: &[&Compared]) -> Self {
        let all = |value: fn(&Compared) -> f64| -> Vec<f64> {
            replies.iter().map(|reply| value(reply)).filter(|value| !value.is_nan()).collect()
        };
        let known = |value: fn(&Compared) -> Option<f64>| -> Vec<f64> {
            replies.iter().filter_map(|reply| value(reply)).collect()
        };
        let tokens = |value: fn(&Measured) -> f64| {
            replies.iter().map(|reply| value(&reply.measured) * reply.length as f64).sum::<f64>()
        };
        let judged = tokens(|measured| measured.judged);
        let mean = |value: fn(&Compared) -> f64| all(value).iter().sum::<f64>() / replies.len().max(1) as f64;
        Self {
            category: category.map(str::to_owned),
            method: method.to_owned(),
            prompts: replies.len(),
            decode_rate: median(&known(|reply| reply.measured.decode_rate)),
            whole_rate: median(&all(|reply| reply.measured.whole_rate)),
            ratio: median(&known(|reply| reply.ratio)),
            worst: quantile(&known(|reply| reply.ratio), 0.0),
            whole_ratio: median(&all(|reply| reply.whole_ratio)),
            passes: mean(|reply| reply.measured.passes),
            requests: mean(|reply| reply.measured.requests),
            drafted: mean(|reply| reply.measured.drafted),
            share_drafted: mean(|reply| reply.measured.share_drafted),
            accepted: (judged > 0.0).then(|| tokens(|measured| measured.share_drafted) / judged),
            equal: replies.iter().filter(|reply| reply.parts_at.is_none()).count(),
        }
    }
}

/// Everything that was measured.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Document {
    pub(super) conditions: Conditions,
    pub(super) prompts: Vec<Prompt>,
    /// Figures by category, then over all prompts.
    pub(super) summaries: Vec<Summary>,
}

impl Document {
    pub(super) fn new(conditions: Conditions, prompts: Vec<Prompt>) -> Self {
        let mut categories: Vec<Option<&str>> = Vec::new();
        for prompt in &prompts {
            if !categories.contains(&Some(&prompt.category)) {
                categories.push(Some(&prompt.category));
            }
        }
        categories.push(None);
        let methods: Vec<&str> =
            prompts.first().iter().flat_map(|prompt| &prompt.replies).map(|reply| &reply.measured.method[..]).collect();
        let mut summaries = Vec::new();
        for category in categories {
            for (place, method) in methods.iter().enumerate() {
                let of_category = prompts.iter().filter(|prompt| category.is_none_or(|name| name == prompt.category));
                let replies: Vec<_> = of_category.filter_map(|prompt| prompt.replies.get(place)).collect();
                summaries.push(Summary::of(category, method, &replies));
            }
        }
        Self { conditions, summaries, prompts }
    }

    /// Writes the document to a file.
    pub(super) fn save(&self, path: &Path) -> Result<(), Failure> {
        let failed = |reason: String| Failure::new(format!("cannot write {}: {reason}", path.display()));
        let document = serde_json::to_string_pretty(self).map_err(|error| failed(error.to_string()))?;
        std::fs::write(path, document + "\n").map_err(|error| failed(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(method: &str, decode_rate: f64, tokens: &[TokenId]) -> Measured {
        Measured {
            method: method.into(),
            decode_rate: Some(decode_rate),
            whole_rate: decode_rate / 2.0,
            first_token_seconds: 0.1,
            passes: 1.0,
            requests: 0.5,
            drafted: 1.0,
            share_drafted: 0.5,
            judged: 0.5,
            resent: 0,
            unverified: 0,
            tokens: tokens.to_vec(),
        }
    }

    #[test]
    fn a_pace_is_compared_with_the_streamed_reply_of_the_same_prompt() {
        let prompts = [(10.0, 8.0, &[1, 2, 3][..]), (4.0, 8.0, &[1, 5, 3][..]), (8.0, 8.0, &[1, 2][..])];
        let prompts = prompts.map(|(streamed, fastest, tokens)| {
            let replies = vec![measured("streaming", streamed, &[1, 2, 3]), measured("fastest", fastest, tokens)];
            Prompt::new("math".into(), replies)
        });
        let parts: Vec<_> = prompts.iter().map(|prompt| prompt.replies[1].parts_at).collect();
        assert_eq!(parts, [None, Some(1), Some(2)]);
        let conditions = Conditions {
            draft: "d".into(),
            target: "t".into(),
            draft_threads: 1,
            target_threads: 1,
            round_trip_ms: 0.0,
            temperature: 0.7,
            max_tokens: 3,
            seed: 1,
        };
        let document = Document::new(conditions, prompts.into());
        let of = |category: Option<&str>, method: &str| {
            let is_it = |s: &&Summary| s.category.as_deref() == category && s.method == method;
            document.summaries.iter().find(is_it).expect("a summary").clone()
        };
        let fastest = of(None, "fastest");
        assert_eq!((fastest.ratio, fastest.worst, fastest.equal, fastest.prompts), (Some(1.0), Some(0.8), 1, 3));
        assert_eq!(of(None, "fastest").accepted, Some(1.0));
        assert_eq!((of(Some("math"), "streaming").ratio, of(None, "streaming").decode_rate), (Some(1.0), Some(8.0)));
        let mut at_once = measured("thrifty", 0.0, &[1, 2, 3]);
        at_once.decode_rate = None;
        let prompt = Prompt::new("math".into(), vec![measured("streaming", 4.0, &[1, 2, 3]), at_once]);
        assert_eq!((prompt.replies[1].ratio, prompt.replies[1].whole_ratio), (None, 0.0));
    }
}
