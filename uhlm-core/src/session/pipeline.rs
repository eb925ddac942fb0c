//! The part of a reply that does not stand yet: the drafted tokens, and the windows of them that are on their way.
//!
//! Decides which tokens a request carries and what an answer decides about each drafted one. It leaves to
//! [`pace`](super::pace) when it pays to send, and to [`Reply`](super::reply::Reply) how text is told. Pure: time is an
//! argument.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use uhlm_law::advance::{
    Advance, Asked, Begin, Bounds, Committed, Conversation, Frame, Grants, InvalidAnswer, Labelling, Peer, Tokens,
    Wanted, id_bytes,
};
use uhlm_law::calibration::Features;
use uhlm_law::sampling::TokenId;
use uhlm_law::window::Window;

use super::token::{Decided, Drafted, Standing};
use super::verdict::{InFlight, Outcome, Told};
use crate::origin::Origin;

/// Largest number of skipped tokens about which the target may still say something.
const MAX_UNLABELLED: usize = 256;

/// The tokens of a session, with what is known of those that do not stand yet.
#[derive(Debug)]
pub(super) struct Pipeline {
    bounds: Bounds,
    /// Number of tokens, the prompt's included, with which the verifier ends the reply.
    limit: usize,
    /// All tokens, and the state of the protocol over them; `None` before the first generation.
    conversation: Option<Conversation>,
    /// Drafted tokens that do not stand yet, with what is known of each.
    branch: VecDeque<Drafted>,
    /// Windows whose verdict is awaited, in the order in which they were sent.
    in_flight: VecDeque<InFlight>,
    /// Skipped tokens with their positions, oldest first.
    unlabelled: VecDeque<(usize, Drafted)>,
}

impl Pipeline {
    /// Makes a pipeline for a vocabulary, with no tokens.
    pub(super) fn new(vocabulary_size: usize) -> Self {
        let vocabulary_size = u32::try_from(vocabulary_size).unwrap_or(u32::MAX);
        Self {
            // A reply ends at the limit that it was given, however long the verifier's context is.
            bounds: Bounds { vocabulary_size, context: u32::MAX, max_body: u32::MAX },
            limit: usize::MAX,
            conversation: None,
            branch: VecDeque::new(),
            in_flight: VecDeque::new(),
            unlabelled: VecDeque::new(),
        }
    }

    /// Sets the largest body, in bytes, of requests to the verifier from now on.
    pub(super) fn set_max_body(&mut self, max_body: u32) {
        self.bounds.max_body = max_body;
        if let Some(conversation) = &mut self.conversation {
            conversation.set_bounds(self.bounds);
        }
    }

    /// Begins a generation with a prompt; returns how many of the tokens so far it begins with.
    pub(super) fn begin(&mut self, begin: Begin, prompt: &[TokenId], peer: Option<&mut Peer>) -> usize {
        self.branch.clear();
        self.in_flight.clear();
        self.unlabelled.clear();
        self.limit = (begin.reply_start as usize).saturating_add(begin.max_tokens as usize);
        match &mut self.conversation {
            Some(conversation) => conversation.renew(begin, prompt, peer),
            None => {
                self.conversation = Some(Conversation::new(self.bounds, begin, prompt));
                0
            }
        }
    }

    /// Returns all tokens, with the hash of every prefix: the prompt, what else is committed, then the drafted ones.
    /// `None` before the first generation.
    pub(super) fn tokens(&self) -> Option<&Tokens> {
        self.conversation.as_ref().map(Conversation::tokens)
    }

    /// Returns all tokens; none before the first generation.
    pub(super) fn ids(&self) -> &[TokenId] {
        self.tokens().map_or(&[], Tokens::ids)
    }

    /// Returns the number of all tokens.
    pub(super) fn len(&self) -> usize {
        self.ids().len()
    }

    /// Tells whether as many tokens are committed as the verifier was told that the reply may have.
    pub(super) fn is_at_limit(&self) -> bool {
        self.committed() >= self.limit
    }

    /// Tells whether the reply's chain has parts that not every verifier knows.
    pub(super) fn is_wide(&self) -> bool {
        self.conversation.as_ref().is_some_and(|conversation| conversation.begin().sampling.is_wide())
    }

    /// Returns the number of committed tokens, the prompt's included.
    pub(super) fn committed(&self) -> usize {
        self.conversation.as_ref().map_or(0, Conversation::committed)
    }

    /// Returns the drafted tokens that do not stand yet.
    pub(super) fn branch(&self) -> &[TokenId] {
        self.conversation.as_ref().map_or(&[], Conversation::branch)
    }

    /// Appends a drafted token.
    pub(super) fn push(&mut self, drafted: Drafted) {
        if let Some(conversation) = &mut self.conversation {
            conversation.draft(drafted.id);
            self.branch.push_back(drafted);
        }
    }

    /// Returns how many drafted tokens `peer` was not sent; all of them without one.
    pub(super) fn unsent_to(&self, peer: Option<&Peer>) -> usize {
        peer.map_or(self.branch.len(), |peer| self.unsent(peer).count())
    }

    /// Returns the uncertainty of each drafted token.
    pub(super) fn uncertainties(&self) -> impl Iterator<Item = f32> + use<'_> {
        self.branch.iter().map(|drafted| drafted.uncertainty)
    }

    /// Takes the last `tokens` drafted ones back, for others that take their place; nobody was sent them.
    pub(super) fn retract(&mut self, tokens: usize) {
        let kept = self.branch.len().saturating_sub(tokens);
        self.branch.truncate(kept);
        if let Some(conversation) = &mut self.conversation {
            conversation.take_back(conversation.committed() + kept);
        }
    }

    /// Returns the drafted tokens that `peer` was not sent.
    fn unsent<'a>(&'a self, peer: &Peer) -> impl Iterator<Item = &'a Drafted> + use<'a> {
        let sent =
            self.conversation.as_ref().map_or(0, |conversation| conversation.sent(peer) - conversation.committed());
        self.branch.iter().skip(sent)
    }

    /// Returns the open window: the risk of the drafted tokens that `peer` was not sent.
    pub(super) fn window(&self, peer: &Peer) -> Window {
        self.unsent(peer).map(|drafted| if drafted.judged { drafted.beta } else { 0.0 }).collect()
    }

    /// Tells whether a verdict has to be asked for about a token of the open window.
    pub(super) fn needs_verdict(&self, peer: &Peer) -> bool {
        self.unsent(peer).any(|drafted| drafted.judged)
    }

    /// Returns the probability that everything drafted stands.
    pub(super) fn survival(&self) -> f64 {
        self.branch.iter().filter(|drafted| drafted.judged).map(|drafted| 1.0 - drafted.beta).product()
    }

    /// Returns the number of windows whose verdict is awaited.
    pub(super) fn windows_in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Returns how long ago the last window in flight was sent, and its number of tokens.
    pub(super) fn last_sent(&self, now: Instant) -> Option<(Duration, usize)> {
        self.in_flight.back().map(|last| (now.saturating_duration_since(last.sent), last.end - last.start))
    }

    /// Returns how many drafted tokens that do not stand yet were sent by `at`.
    pub(super) fn sent_by(&self, at: Instant) -> usize {
        let ends = self.in_flight.iter().filter(|window| window.sent <= at).map(|window| window.end);
        ends.max().map_or(0, |end| end.saturating_sub(self.committed()))
    }

    /// Returns what the device saw of the last drafted token.
    pub(super) fn last_features(&self) -> Option<Features> {
        self.branch.back().map(Drafted::features)
    }

    /// Returns how many committed tokens `peer` is not known to hold.
    pub(super) fn unknown_to(&self, peer: &Peer) -> usize {
        self.committed().saturating_sub(peer.assumed())
    }

    /// Makes the next request. It has the committed tokens that the verifier lacks, and the open window up to its last
    /// token that is to be judged, or up to the first where they are judged one by one: the target decides the token
    /// after a window too, and which one that is must not depend on how far the device had drafted by then. Returns the
    /// request with the number of tokens that the verifier has to process for it.
    pub(super) fn send(
        &mut self,
        peer: &mut Peer,
        one_by_one: bool,
        grants: Grants,
        labels: Labelling,
        now: Instant,
    ) -> Option<(Advance, Asked, usize)> {
        let conversation = self.conversation.as_mut()?;
        let mut judged = self.branch.iter();
        let last = if one_by_one {
            judged.position(|drafted| drafted.judged)
        } else {
            judged.rposition(|drafted| drafted.judged)
        };
        let judged = last.map_or(0, |last| last + 1);
        let wanted = Wanted { upto: conversation.committed() + judged, grants, labels };
        let (request, asked) = conversation.advance(peer, &wanted);
        let processed = request.stand.len() + request.draft.len();
        if !request.draft.is_empty() {
            let start = request.base as usize + request.stand.len();
            let given_bytes = request.stand.iter().copied().map(id_bytes).sum();
            let end = start + request.draft.len();
            self.in_flight.push_back(InFlight { start, end, processed, given_bytes, sent: now });
        }
        Some((request, asked, processed))
    }

    /// Tells whether a request was made for this reply, and not for an earlier one.
    pub(super) fn asked_for_this(&self, asked: &Asked) -> bool {
        self.conversation.as_ref().is_some_and(|conversation| conversation.generation() == asked.generation())
    }

    /// Takes a frame of the answer to the request `asked`, and returns what it changes.
    ///
    /// # Errors
    /// [`InvalidAnswer`] for a frame that is no answer; nothing has changed.
    pub(super) fn hear(
        &mut self,
        peer: &mut Peer,
        asked: &mut Asked,
        frame: &Frame,
        now: Instant,
    ) -> Result<Outcome, InvalidAnswer> {
        let Some(conversation) = &mut self.conversation else { return Ok(Outcome::default()) };
        let first = conversation.committed();
        let effects = conversation.hear(peer, asked, frame)?;
        let mut outcome = Outcome { ask: effects.ask, more: effects.more, ..Outcome::default() };
        (outcome.ended, outcome.finished) = (effects.ended, effects.finished);
        let decided = self.settle(first, &effects.committed, &mut outcome);
        if let Frame::Text(text) = frame {
            outcome.passes = Some(text.passes);
            outcome.told = Told::of(text);
            if let (Some(window), Some(pass_us)) = (self.answered(first, &outcome), text.pass_us) {
                outcome.verdict = Some(window.verdict(text.queue_us.unwrap_or(0), pass_us, now));
            }
        }
        let labels = effects.labels.iter().flat_map(|labels| {
            let at = |i: usize| labels.pos as usize + i;
            labels.matched.iter().enumerate().map(move |(i, &matched)| (at(i), matched, labels.p.get(i).copied()))
        });
        let labels: Vec<_> = labels.collect();
        outcome.judged = decided
            .into_iter()
            .filter(|(_, drafted, _)| drafted.judged)
            .map(|(position, drafted, matched)| {
                let p = labels.iter().find(|label| label.0 == position).and_then(|label| label.2);
                Decided { drafted, matched, p }
            })
            .collect();
        outcome.skipped =
            labels.iter().filter_map(|&(position, matched, p)| self.labelled(position, matched, p)).collect();
        Ok(outcome)
    }

    /// Takes committed tokens out of the branch, from position `first` on. Returns the drafted tokens among them with
    /// their positions, and whether the target wrote the same.
    fn settle(&mut self, first: usize, committed: &[Committed], outcome: &mut Outcome) -> Vec<(usize, Drafted, bool)> {
        let mut decided = Vec::new();
        for (position, token) in (first..).zip(committed) {
            let drafted = self.branch.pop_front();
            let matched = drafted.is_some_and(|drafted| drafted.id == token.id);
            let mut taken_back = 0;
            if let Some(drafted) = drafted {
                decided.push((position, drafted, matched));
                if !matched {
                    taken_back = self.branch.len() + 1;
                    self.branch.clear();
                }
            }
            let drafted = drafted.filter(|_| matched);
            outcome.standing.push((taken_back, Standing { id: token.id, origin: token.origin.into(), drafted }));
        }
        decided
    }

    /// Takes the windows that are decided out of those in flight; returns the one that was judged, if one was.
    fn answered(&mut self, first: usize, outcome: &Outcome) -> Option<InFlight> {
        let committed = self.committed();
        let is_rolled_back = outcome.standing.iter().any(|(taken_back, _)| *taken_back > 0);
        let judged = self.in_flight.front().copied().filter(|window| window.start < committed && window.end > first);
        let judged = judged.filter(|window| window.end <= committed || is_rolled_back);
        if is_rolled_back {
            self.in_flight.clear();
        } else {
            self.in_flight.retain(|window| window.end > committed);
        }
        judged
    }

    /// Takes what the target says about a skipped token, which is then no longer kept; returns `None` for a token that
    /// is not known.
    fn labelled(&mut self, position: usize, matched: bool, p: Option<f32>) -> Option<Decided> {
        let place = self.unlabelled.iter().position(|(at, _)| *at == position)?;
        let (_, drafted) = self.unlabelled.remove(place)?;
        Some(Decided { drafted, matched, p })
    }

    /// Commits the drafted tokens at the front that nobody is to judge.
    pub(super) fn skip(&mut self) -> Vec<Standing> {
        let count = self.branch.iter().take_while(|drafted| !drafted.judged).count();
        self.commit_own(count)
    }

    /// Commits all drafted tokens, because no verifier is within reach. A token that the gate would have let pass is no
    /// worse for that.
    pub(super) fn go_on_alone(&mut self) -> Vec<Standing> {
        self.in_flight.clear();
        self.commit_own(self.branch.len())
    }

    /// Commits the first `count` drafted tokens without a verdict.
    fn commit_own(&mut self, count: usize) -> Vec<Standing> {
        let Some(conversation) = &mut self.conversation else { return Vec::new() };
        let first = conversation.committed();
        let count = conversation.skip(count).len();
        let own: Vec<_> = self.branch.drain(..count).collect();
        self.unlabelled.extend((first..).zip(own.iter().copied()).filter(|(_, drafted)| !drafted.judged));
        let excess = self.unlabelled.len().saturating_sub(MAX_UNLABELLED);
        self.unlabelled.drain(..excess);
        let origin = |drafted: &Drafted| if drafted.judged { Origin::Unverified } else { Origin::Draft };
        own.iter()
            .map(|drafted| Standing { id: drafted.id, origin: origin(drafted), drafted: Some(*drafted) })
            .collect()
    }

    /// Takes all drafted tokens back; returns their number.
    pub(super) fn take_back(&mut self) -> usize {
        self.branch.clear();
        self.in_flight.clear();
        self.conversation.as_mut().map_or(0, |conversation| conversation.take_back(0))
    }

    /// Cuts the committed tokens off at `at` and commits `ids` there, whatever was committed or drafted beyond, which
    /// nobody was told of. Returns how many drafted tokens that takes back.
    pub(super) fn decree(&mut self, at: usize, ids: &[TokenId], peer: Option<&mut Peer>) -> usize {
        let taken_back = self.branch.len();
        self.branch.clear();
        self.in_flight.clear();
        self.unlabelled.retain(|(position, _)| *position < at);
        if let Some(conversation) = &mut self.conversation {
            conversation.decree(at, ids, peer);
        }
        taken_back
    }

    /// Takes note that windows in flight will not be answered: their tokens are drafts to send again. Returns whether
    /// there were any.
    pub(super) fn call_back(&mut self) -> bool {
        let any = !self.in_flight.is_empty();
        self.in_flight.clear();
        any
    }

    /// Returns the conversation, to tell it of refusals and of answers that broke off.
    pub(super) fn conversation(&mut self) -> Option<&mut Conversation> {
        self.conversation.as_mut()
    }
}

#[cfg(test)]
mod tests;
