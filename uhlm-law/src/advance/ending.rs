//! The end of a reply.
//!
//! Decides which reason counts where several hold. Leaves to its caller which tokens end a generation and what text
//! tokens stand for.

use super::frame::EndReason;
use super::request::Begin;
use crate::sampling::TokenId;

/// The knowledge of a vocabulary that it takes to see the end of a reply.
pub trait Ending {
    /// Tells whether the token ends a generation.
    fn is_end(&self, id: TokenId) -> bool;

    /// Tells whether the text of `reply` holds one of the strings `stop`, which it did not without its last token.
    fn completes_stop(&self, reply: &[TokenId], stop: &[String]) -> bool;

    /// Returns the token that the grammar of the generation makes follow `reply`, whatever the logits are; `None`
    /// where they decide, and without a grammar.
    fn forced(&self, reply: &[TokenId]) -> Option<TokenId> {
        let _ = reply;
        None
    }
}

/// Returns why the reply ends with the last of `tokens`, the prompt's included; `None` where it goes on. `tokens` are
/// those of a whole sequence, of which `context` fit.
pub(super) fn reply_end(tokens: &[TokenId], begin: &Begin, context: usize, ending: &dyn Ending) -> Option<EndReason> {
    let reply = tokens.get(begin.reply_start as usize..).unwrap_or_default();
    let last = reply.last().copied();
    if last.is_some_and(|id| ending.is_end(id)) {
        Some(EndReason::Eog)
    } else if !reply.is_empty() && !begin.stop.is_empty() && ending.completes_stop(reply, &begin.stop) {
        Some(EndReason::Stop)
    } else if reply.len() >= begin.max_tokens as usize {
        Some(EndReason::Max)
    } else if tokens.len() >= context {
        Some(EndReason::Context)
    } else {
        None
    }
}
