//! Keeps recorded logits: those of both models of a pair at every position of replies that the target wrote.
//!
//! A trace takes the place of the models ([`crate::replay`]): a session that writes the recorded text needs nothing
//! else of them, so one recording serves every link and every speed of the models. This module decides what is kept;
//! [`mod@file`] decides the bytes and [`record`] the recording.

pub(crate) mod bytes;
mod error;
pub mod file;
pub mod record;
pub(crate) mod rows;
pub(crate) mod sections;
mod vocabulary;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use uhlm_law::digest::Digest;
use uhlm_law::sampling::{SamplingParams, TokenId};

pub use error::TraceError;
pub use vocabulary::TraceVocabulary;

/// The identity of one of the two models.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelIdentity {
    /// Name of the model in its file.
    pub name: String,
    /// Fingerprint of the model's file.
    pub fingerprint: Digest,
    /// Number of the model's parameters.
    pub parameters: u64,
}

/// The models and the settings of all replies of a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Identity of the draft model.
    pub draft: ModelIdentity,
    /// Identity of the target model.
    pub target: ModelIdentity,
    /// Hash over the models' vocabulary.
    pub vocabulary: Digest,
    /// Number of tokens in the models' vocabulary, whatever part of it the trace holds.
    pub vocabulary_size: u32,
    /// Parameters of the sampling chain that drew the replies.
    pub sampling: SamplingParams,
    /// Greatest length of a reply, in tokens.
    pub max_tokens: usize,
    /// Most logits that are kept of a row.
    pub top: usize,
    /// Seed that the replies' seeds are derived from.
    pub seed: u64,
}

/// The logits of one model at one position.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Ids of the tokens with the greatest logits, ascending.
    pub ids: Vec<TokenId>,
    /// Logits of those tokens.
    pub logits: Vec<f32>,
    /// Logarithm of the sum of `exp(z)` of every logit `z` over the whole vocabulary.
    pub log_normaliser: f64,
}

/// One reply with the rows of logits that decided it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordedReply {
    /// Kind of task of the prompt.
    pub category: String,
    /// Text of the prompt.
    pub question: String,
    /// Seed of the reply's noise.
    pub seed: u64,
    /// Tokens of the prompt, as the chat template makes them.
    pub prompt: Vec<TokenId>,
    /// Tokens of the reply; the last one may end it.
    pub tokens: Vec<TokenId>,
    /// Rows of the draft model, one for each token of the reply.
    pub draft: Vec<Row>,
    /// Rows of the target model, one for each token of the reply.
    pub target: Vec<Row>,
}

/// A recording of replies of a pair.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Models and settings of all replies.
    pub header: Header,
    /// Tokens that the ids of the trace mean.
    pub vocabulary: TraceVocabulary,
    /// Recorded replies.
    pub replies: Vec<RecordedReply>,
}

impl Trace {
    /// Returns the same trace over the tokens that occur in it, numbered anew in the order of their ids. Tokens keep
    /// their pieces and keys, so every draw stays the same, and a row over the whole vocabulary gets shorter.
    ///
    /// # Errors
    /// [`TraceError::Damaged`] for an id outside the vocabulary.
    pub fn compacted(mut self) -> Result<Self, TraceError> {
        let mut occurring = BTreeSet::new();
        for reply in &mut self.replies {
            reply.each_id(|id| {
                occurring.insert(*id);
            });
        }
        let ids: Vec<TokenId> = occurring.into_iter().collect();
        let outside = TraceError::Damaged { what: "a token outside the vocabulary".into() };
        self.vocabulary = self.vocabulary.part(&ids).ok_or(outside)?;
        let mut places = vec![0; ids.last().map_or(0, |&last| last as usize + 1)];
        (0..).zip(&ids).for_each(|(place, &id)| places[id as usize] = place);
        self.replies.iter_mut().for_each(|reply| reply.each_id(|id| *id = places[*id as usize]));
        Ok(self)
    }

    /// Returns the number of recorded tokens.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.replies.iter().map(|reply| reply.tokens.len()).sum()
    }

    /// Returns the kinds of task, in the order in which they occur.
    #[must_use]
    pub fn categories(&self) -> Vec<&str> {
        let mut categories: Vec<&str> = Vec::new();
        for reply in &self.replies {
            if !categories.contains(&reply.category.as_str()) {
                categories.push(&reply.category);
            }
        }
        categories
    }
}

impl RecordedReply {
    fn each_id(&mut self, mut visit: impl FnMut(&mut TokenId)) {
        let rows = self.draft.iter_mut().chain(&mut self.target).flat_map(|row| &mut row.ids);
        self.prompt.iter_mut().chain(&mut self.tokens).chain(rows).for_each(&mut visit);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use uhlm_law::model::Vocabulary as _;
    use uhlm_law::noise::TokenKeys;
    use uhlm_law::token::TokenKind;

    use super::*;

    /// Returns a trace over 40 tokens, of which few occur.
    pub(crate) fn small() -> Trace {
        let texts: Vec<String> = (0..40).map(|i| format!("w{i}")).collect();
        let keys = TokenKeys::new(texts.iter().map(|text| (text, TokenKind::Normal))).expect("distinct");
        let vocabulary = TraceVocabulary::new(texts.iter().map(|text| (text.as_bytes(), text == "w39")), keys);
        let row = |ids: &[TokenId]| Row {
            ids: ids.to_vec(),
            logits: ids.iter().map(|&id| id as f32 / 3.0).collect(),
            log_normaliser: 2.5,
        };
        let model = |name: &str| ModelIdentity { name: name.into(), fingerprint: Digest([7; 32]), parameters: 12 };
        let reply = RecordedReply {
            category: "letters".into(),
            question: "Which?".into(),
            seed: u64::MAX,
            prompt: vec![30, 2],
            tokens: vec![5, 39],
            draft: vec![row(&[5, 11]), row(&[2, 39])],
            target: vec![row(&[5, 17]), row(&[39])],
        };
        Trace {
            header: Header {
                draft: model("small"),
                target: model("large"),
                vocabulary: Digest([9; 32]),
                vocabulary_size: 40,
                sampling: SamplingParams { temperature: 0.7, ..SamplingParams::default() },
                max_tokens: 2,
                top: 2,
                seed: 4,
            },
            vocabulary,
            replies: vec![reply.clone(), RecordedReply { category: "more".into(), ..reply }],
        }
    }

    #[test]
    fn a_compacted_trace_says_the_same_of_the_same_tokens() {
        let trace = small();
        let compact = trace.clone().compacted().expect("sound");
        assert_eq!(compact.vocabulary.size(), 6, "2, 5, 11, 17, 30, 39");
        assert_eq!(compact.header.vocabulary_size, 40);
        let (before, after) = (&trace.replies[1], &compact.replies[1]);
        assert_eq!((after.prompt.as_slice(), after.tokens.as_slice()), (&[4, 0][..], &[1, 5][..]));
        let rows = |reply: &RecordedReply| [reply.draft.clone(), reply.target.clone()].concat();
        for (before, after) in rows(before).iter().zip(rows(after)) {
            assert_eq!((&before.logits, before.log_normaliser), (&after.logits, after.log_normaliser));
            for (&old, &new) in before.ids.iter().zip(&after.ids) {
                assert_eq!(trace.vocabulary.piece(old), compact.vocabulary.piece(new));
                assert_eq!(trace.vocabulary.keys().get(old), compact.vocabulary.keys().get(new));
                assert_eq!(trace.vocabulary.is_end(old), compact.vocabulary.is_end(new));
            }
        }
        assert_eq!(compact.categories(), ["letters", "more"]);
    }

    #[test]
    fn an_id_outside_the_vocabulary_is_refused() {
        let mut trace = small();
        trace.replies[0].prompt.push(40);
        assert!(matches!(trace.compacted(), Err(TraceError::Damaged { .. })));
    }
}
