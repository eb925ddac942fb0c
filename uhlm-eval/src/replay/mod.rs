//! Lets two models answer from a trace: what a session and a verifier need of a pair, at the price of a table look-up.
//!
//! On the recorded text they say what the models said; tokens beyond those that were kept have no chance. Off the
//! recorded text they say what was said at the same place of the reply: the tokens after one that is not committed are
//! thrown away, and the session does not know before that its drafts will be.

mod sequence;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use uhlm_law::chat::{ChatTemplate, Message, RenderOptions, Rendered, TemplateError};
use uhlm_law::digest::Digest;
use uhlm_law::model::{Decoder, LanguageModel, ModelError, Sequence, Special, Vocabulary};
use uhlm_law::noise::TokenKeys;
use uhlm_law::sampling::TokenId;

use self::sequence::{ReplayDraft, ReplayTarget, Rows};
use crate::models::{TargetModel, TargetSequence};
use crate::trace::{RecordedReply, Trace};

/// A trace, with the number of the reply that is being written.
#[derive(Debug)]
pub struct Replay {
    trace: Arc<Trace>,
    current: AtomicUsize,
    context: u32,
}

impl Replay {
    /// Makes a pair of models of a trace. A [compacted](Trace::compacted) trace is quicker.
    #[must_use]
    pub fn new(trace: Arc<Trace>) -> Self {
        let longest = trace.replies.iter().map(|reply| reply.prompt.len()).max().unwrap_or(0);
        // Drafts run ahead of what will be written, so that the context has room for twice a reply.
        let context = (longest + 2 * trace.header.max_tokens + 64) as u32;
        Self { trace, current: AtomicUsize::new(0), context }
    }

    /// Returns the trace.
    #[must_use]
    pub fn trace(&self) -> &Arc<Trace> {
        &self.trace
    }

    /// Makes both models answer from reply `index` from now on; returns the text that stands for its prompt.
    #[must_use]
    pub fn select(&self, index: usize) -> String {
        self.current.store(index, Ordering::Relaxed);
        index.to_string()
    }

    fn current(&self) -> Option<&RecordedReply> {
        self.trace.replies.get(self.current.load(Ordering::Relaxed))
    }
}

impl LanguageModel for Replay {
    fn vocabulary(&self) -> &dyn Vocabulary {
        &self.trace.vocabulary
    }

    fn token_keys(&self) -> &TokenKeys {
        self.trace.vocabulary.keys()
    }

    fn vocabulary_hash(&self) -> Digest {
        self.trace.header.vocabulary
    }

    /// Reads `text` as the number of a reply and returns the tokens of its prompt.
    fn tokenize(&self, text: &str, _: Special) -> Result<Vec<TokenId>, ModelError> {
        let reply = text.parse().ok().and_then(|index: usize| self.trace.replies.get(index));
        Ok(reply.map(|reply| reply.prompt.clone()).unwrap_or_default())
    }

    fn detokenize(&self, tokens: &[TokenId]) -> Vec<u8> {
        tokens.iter().flat_map(|&id| self.trace.vocabulary.piece(id)).copied().collect()
    }
}

impl ChatTemplate for Replay {
    fn render(&self, messages: &[Message], _: &RenderOptions) -> Result<Rendered, TemplateError> {
        let last = messages.last().ok_or_else(|| TemplateError::Refused { reason: "no message".into() })?;
        Ok(last.content.clone().into())
    }
}

impl Decoder for Replay {
    fn sequence(self: Arc<Self>, _: u32, _: u32) -> Result<Box<dyn Sequence>, ModelError> {
        Ok(Box::new(ReplayDraft::new(self)))
    }
}

/// The target model of a [`Replay`].
#[derive(Clone, Debug)]
pub struct RecordedTarget(pub Arc<Replay>);

impl TargetModel for RecordedTarget {
    fn name(&self) -> &str {
        &self.0.trace.header.target.name
    }

    fn fingerprint(&self) -> Digest {
        self.0.trace.header.target.fingerprint
    }

    fn language(&self) -> &dyn LanguageModel {
        self.0.as_ref()
    }

    fn context(&self) -> u32 {
        self.0.context
    }

    fn sequence(&self) -> Result<Box<dyn TargetSequence>, ModelError> {
        Ok(Box::new(ReplayTarget::new(Rows::of_target(Arc::clone(&self.0)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::tests::small;

    #[test]
    fn a_row_is_that_of_its_place_on_the_text_and_off_it() {
        let replay = Arc::new(Replay::new(Arc::new(small())));
        let text = replay.select(1);
        let prompt = replay.tokenize(&text, Special::ParseWithBos).expect("tokens");
        assert_eq!(prompt, [30, 2]);
        let mut draft = Arc::clone(&replay).sequence(0, 1).expect("a sequence");
        draft.decode(&prompt, &|| false).expect("fits");
        let finite = |logits: &[f32]| -> Vec<usize> { (0..logits.len()).filter(|&i| logits[i].is_finite()).collect() };
        assert_eq!(finite(draft.logits()), [5, 11]);
        draft.decode(&[17], &|| false).expect("fits");
        assert_eq!(finite(draft.logits()), [2, 39], "off the text");
        draft.decode(&[1, 1, 1], &|| false).expect("fits");
        assert_eq!(finite(draft.logits()), [2, 39], "beyond its end");
        draft.truncate(2).expect("rolls back");
        assert!(draft.logits().is_empty() && draft.len() == 2);
        draft.decode(&[5], &|| false).expect("fits");
        assert_eq!(draft.logits()[39], 13.0);
        assert_eq!(draft.logits().iter().filter(|z| z.is_finite()).count(), 2, "of the row before nothing is left");
        let room = draft.capacity();
        assert!(matches!(draft.decode(&vec![1; room], &|| false), Err(ModelError::ContextFull { .. })));
    }
}
