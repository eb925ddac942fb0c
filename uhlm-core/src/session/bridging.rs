//! Drafting across a bridge: the draft model draws in its own tokens, and what it has drawn is proposed in the
//! target's.
//!
//! Decides what a proposed token inherits of the draws that it covers. Which tokens those are is the
//! [`Bridge`]'s business.

use uhlm_law::advance::Tokens;
use uhlm_law::bridge::{Bridge, Proposed};
use uhlm_law::model::ModelError;
use uhlm_law::sampling::TokenId;

use super::drafter::{Draft, Drafter};
use super::end::End;
use super::token::Drafted;
use crate::language::Language;
use crate::mode::Mode;

impl Drafter {
    /// Takes a target's language for that of the session's tokens from now on; with `None`, the draft model's own.
    pub(super) fn speak(&mut self, target: Option<Language>) {
        let own = &self.model.language;
        self.bridge = target.as_ref().map(|target| Bridge::new(own.clone(), target.words.clone()));
        self.set_language(target.unwrap_or_else(|| Language::from(&self.model)));
    }

    /// Tells whether the session's tokens are those of another vocabulary than the draft model's.
    pub(super) fn is_bridged(&self) -> bool {
        self.bridge.is_some()
    }

    /// Returns the tokens that the draft model has of the conversation; those that are `held` where they are the
    /// session's own.
    pub(super) fn own_tokens<'a>(&'a self, held: &'a [TokenId]) -> &'a [TokenId] {
        self.bridge.as_ref().map_or(held, Bridge::tokens)
    }

    /// Begins a reply to a prompt of so many tokens of the target's, which the draft model reads as `own`.
    pub(super) fn cross(&mut self, prompt: usize, own: Vec<TokenId>) {
        if let Some(bridge) = &mut self.bridge {
            bridge.begin(prompt, own);
        }
    }

    /// Tells whether the draft model can say nothing that the target would understand until that has written on.
    pub(super) fn is_stuck(&mut self, tokens: &[TokenId]) -> bool {
        self.with_own(tokens, |_, _| ());
        self.bridge.as_ref().is_some_and(Bridge::is_stuck)
    }

    /// Does `work` on the draft model's tokens of a conversation, as far as they fit its context.
    pub(super) fn with_own<T>(&mut self, tokens: &[TokenId], work: impl FnOnce(&mut Self, &[TokenId]) -> T) -> T {
        let Some(mut bridge) = self.bridge.take() else { return work(self, tokens) };
        let own = bridge.follow(tokens);
        let outcome = work(self, &own[..own.len().min(self.fits)]);
        self.bridge = Some(bridge);
        outcome
    }

    /// Returns how many of the session's tokens the contexts hold: the draft model's has room for about as many more
    /// of them as of its own.
    pub(super) fn capacity(&mut self) -> Result<usize, ModelError> {
        self.fits = self.sequence()?.capacity();
        let bridge = self.bridge.as_ref();
        Ok(bridge.map_or(self.fits, |bridge| bridge.target_tokens() + self.fits.saturating_sub(bridge.tokens().len())))
    }

    /// Draws the draft model's next token; the last `unsent` of `tokens` are drafted ones that nobody has heard of.
    /// Returns what is drafted in the session's tokens, which may be nothing yet.
    pub(super) fn draft(
        &mut self,
        tokens: &Tokens,
        unsent: usize,
        mode: Mode,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Draft, End> {
        let Some(mut bridge) = self.bridge.take() else {
            let drafted = self.draw_at(tokens, mode, cancelled)?;
            return Ok(Draft { replaces: 0, tokens: vec![drafted] });
        };
        let outcome = self.draft_across(&mut bridge, tokens, unsent, mode, cancelled);
        self.bridge = Some(bridge);
        outcome
    }

    fn draft_across(
        &mut self,
        bridge: &mut Bridge<Drafted>,
        tokens: &Tokens,
        unsent: usize,
        mode: Mode,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Draft, End> {
        let own = bridge.follow(tokens.ids());
        if own.len() >= self.fits {
            // The reply ends here; what is under way still counts.
            bridge.give_up();
            return Ok(Draft::default());
        }
        let position = self.position(bridge.place());
        let drawn = self.draw(bridge.tokens(), position, None, mode, cancelled)?;
        bridge.drew(drawn.id, drawn);
        let proposal = bridge.propose(unsent);
        Ok(Draft { replaces: proposal.replaces, tokens: proposal.tokens.iter().map(Drafted::of).collect() })
    }
}

impl Drafted {
    /// Returns what is known of a proposed token: it stands if all draws in it do, and the least sure of them speaks
    /// for it. The text that it only continues was counted with the token before.
    fn of(proposed: &Proposed<Self>) -> Self {
        let draws = &proposed.draws;
        let least_sure = draws.iter().copied().max_by(|one, other| one.beta.total_cmp(&other.beta));
        let survival: f64 = draws.iter().map(|drawn| 1.0 - drawn.beta).product();
        Self {
            id: proposed.id,
            beta: if proposed.continues { 0.0 } else { 1.0 - survival },
            judged: draws.iter().any(|drawn| drawn.judged) || draws.is_empty(),
            ..least_sure.unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(beta: f64, judged: bool) -> Drafted {
        Drafted { id: 9, uncertainty: beta as f32, beta, judged, ..Drafted::default() }
    }

    #[test]
    fn a_token_stands_if_all_draws_in_it_do_and_has_the_features_of_the_least_sure() {
        let draws = vec![drawn(0.1, false), drawn(0.5, true), drawn(0.2, false)];
        let token = Drafted::of(&Proposed { id: 3, draws, continues: false });
        assert_eq!((token.id, token.uncertainty, token.judged), (3, 0.5, true));
        assert!((token.beta - (1.0 - 0.9 * 0.5 * 0.8)).abs() < 1e-12, "{}", token.beta);
        let rest = Drafted::of(&Proposed { id: 4, draws: vec![drawn(0.5, true)], continues: true });
        assert_eq!((rest.id, rest.beta, rest.judged), (4, 0.0, true));
        let read = Drafted::of(&Proposed { id: 5, draws: Vec::new(), continues: true });
        assert_eq!((read.id, read.beta, read.judged), (5, 0.0, true));
    }
}
