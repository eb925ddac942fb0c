//! What the conversation alone would have proposed (prompt lookup), worked out from the target's own reply: with shared
//! noise a proposal stands iff it is the token that the target writes there, whoever makes it.

use std::path::Path;
use std::sync::Arc;

use uhlm_law::chat::{ChatTemplate as _, Message};
use uhlm_law::ngram::Index;
use uhlm_law::sampling::TokenId;
use uhlm_llama::Language;

use super::record::Measured;
use crate::failure::Failure;

/// Longest proposal, in tokens.
const LONGEST: usize = 8;

/// The target's language, in which a conversation is read.
pub(super) struct Conversation(Arc<Language>);

impl Conversation {
    /// Reads the vocabulary of the target's file.
    pub(super) fn of(target: &Path) -> Result<Self, Failure> {
        Ok(Self(Language::load(target).map_err(|error| Failure::new(error.to_string()))?))
    }

    /// Returns the figures that a streamed reply would have had with the conversation's proposals. Speeds are left out:
    /// nothing was written.
    pub(super) fn proposed(&self, prompt: &str, streamed: &Measured) -> Result<Measured, Failure> {
        let prompt = self.0.prompt(&[Message::user(prompt)]).map_err(|error| Failure::new(error.to_string()))?;
        let Counts { passes, proposed, stood } = look_up(&prompt, &streamed.tokens);
        let each = |count: usize| count as f64 / streamed.tokens.len().max(1) as f64;
        Ok(Measured {
            method: "conversation alone".into(),
            decode_rate: None,
            whole_rate: f64::NAN,
            passes: each(passes),
            requests: each(passes),
            drafted: each(proposed),
            share_drafted: each(stood),
            judged: each(proposed),
            ..streamed.clone()
        })
    }
}

/// The counts of a reply that the conversation proposed for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passes: usize,
    proposed: usize,
    stood: usize,
}

/// Goes through a reply in passes, each of which judges what the text so far proposes and adds one token.
fn look_up(prompt: &[TokenId], reply: &[TokenId]) -> Counts {
    let (mut index, mut counts, mut at) = (Index::new(), Counts::default(), 0);
    index.follow(prompt);
    while at < reply.len() {
        let proposal = index.longest().map(|found| index.continuation(found, LONGEST)).unwrap_or_default();
        let stood = proposal.iter().zip(&reply[at..]).take_while(|(proposed, own)| proposed == own).count();
        let end = (at + stood + 1).min(reply.len());
        reply[at..end].iter().for_each(|&id| index.push(id));
        counts.passes += 1;
        counts.proposed += proposal.len().min(reply.len() - at);
        counts.stood += stood;
        at = end;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_that_repeats_the_prompt_takes_few_passes_and_a_new_one_a_pass_a_token() {
        let prompt: Vec<TokenId> = (0..40).collect();
        assert_eq!(look_up(&prompt, &[90, 91, 92]), Counts { passes: 3, proposed: 0, stood: 0 });
        // Two tokens bring it into step; then nine a pass.
        let counts = look_up(&prompt, &(10..38).collect::<Vec<_>>());
        assert_eq!(counts, Counts { passes: 5, proposed: 24, stood: 24 });
        assert_eq!(look_up(&prompt, &[]), Counts::default());
    }
}
