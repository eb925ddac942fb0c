//! The rules for what a session may say: events that make sense to who reads them, and tokens that were written by the
//! model that they are said to be from.

use std::collections::VecDeque;
use std::time::Duration;

use uhlm_core::{Event, FinishReason, Generation, GenerationError, GenerationOptions, LinkState, Origin, Statistics};
use uhlm_law::model::{LanguageModel as _, Vocabulary as _};
use uhlm_law::noise::{Place, Tape};
use uhlm_law::sampling::{ChainInput, SamplingChain, SamplingParams, Scratch, TokenId};

use super::Violation;
use crate::synthetic::SyntheticModel;

/// Returns the violation `what` unless the rule `holds`.
fn check(holds: bool, what: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(what()) }
}

/// The events of one generation, summed up.
#[derive(Debug)]
pub struct Said {
    /// Tokens that stand, with the origin that was told for each.
    pub tokens: Vec<(TokenId, Origin)>,
    /// End of the generation.
    pub end: Result<(FinishReason, Statistics), GenerationError>,
    /// States of the verifier that were told, in order.
    pub links: Vec<LinkState>,
    /// Text of the reply.
    text: String,
}

/// The reader's view of a reply, kept by the events alone.
#[derive(Default)]
struct Reader {
    text: String,
    reasoning: String,
    committed: Vec<(TokenId, Origin)>,
    /// Text that is shown and may be taken back.
    shown: String,
    provisional: VecDeque<TokenId>,
    rollbacks: u64,
    rolled_back: u64,
    links: Vec<LinkState>,
    /// Whether the device may write alone although the verifier answers, as it does where a budget is spent.
    may_be_alone: bool,
}

impl Reader {
    /// Takes note that the verifier answers, or does not.
    fn hear_of(&mut self, link: LinkState) -> Result<(), Violation> {
        let was_away = self.links.last().is_none_or(|link| *link != LinkState::Online);
        self.links.push(link);
        check(link != LinkState::Online || was_away, || "the verifier is back, and was not away".into())
    }

    /// Takes an event and checks that it makes sense after those before it.
    fn read(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Provisional(token) => {
                self.shown.push_str(&token.text);
                self.provisional.push_back(token.id);
            }
            Event::Committed { token, origin } => {
                if let Some(front) = self.provisional.pop_front() {
                    check(front == token.id, || format!("{} stands where {front} is shown", token.id))?;
                }
                // Text that was held back comes with a later token, and then may reach beyond what is shown.
                let rest = self.shown.strip_prefix(&token.text).map(str::to_owned);
                // Text that is shown and belongs to no provisional token was held back; the next token brings it.
                let goes_on = self.provisional.is_empty() && token.text.starts_with(&self.shown);
                check(rest.is_some() || goes_on, || {
                    format!("{:?} stands where {:?} is shown", token.text, self.shown)
                })?;
                self.shown = rest.unwrap_or_default();
                self.text.push_str(&token.text);
                let is_away = self.links.last().is_some_and(|link| *link != LinkState::Online);
                // A token whose text was held back to the end is named a second time, wherever the verifier is by then.
                let may_be = self.may_be_alone || self.committed.last() == Some(&(token.id, origin));
                check(origin != Origin::Unverified || is_away || may_be, || {
                    format!("{} is not verified, and nobody said that the verifier is away", token.id)
                })?;
                self.committed.push((token.id, origin));
            }
            Event::Reasoning { token, origin } => {
                if let Some(front) = self.provisional.pop_front() {
                    check(front == token.id, || format!("{} stands where {front} is shown", token.id))?;
                }
                self.reasoning.push_str(&token.text);
                self.committed.push((token.id, origin));
            }
            Event::Rollback { tokens } => {
                check(tokens as usize == self.provisional.len() && tokens > 0, || {
                    format!("{tokens} of {} tokens are taken back", self.provisional.len())
                })?;
                self.rollbacks += 1;
                self.rolled_back += u64::from(tokens);
                self.provisional.clear();
                self.shown.clear();
            }
            Event::State { link, .. } => self.hear_of(link)?,
            // No session of the simulation has tools.
            Event::ToolCall(_) | Event::ToolResult(_) | Event::MalformedToolCall { .. } => {
                return Err("a tool is called that nobody offers".into());
            }
            Event::Finished { .. } => {}
        }
        Ok(())
    }
}

/// Listens to a generation to its end. `may_be_alone` says whether the device may write alone although the verifier
/// answers.
///
/// # Errors
/// The rule that its events break.
pub fn listen(generation: &mut Generation, may_be_alone: bool) -> Result<Said, Violation> {
    let mut reader = Reader { may_be_alone, ..Reader::default() };
    let end = loop {
        match generation.blocking_next() {
            None => return Err("the events end without an end".into()),
            Some(Err(error)) => break Err(error),
            Some(Ok(Event::Finished { reason, text, reasoning, statistics })) => {
                check(reasoning == reader.reasoning.trim(), || {
                    format!("the reasoning is {reasoning:?} and was told as {:?}", reader.reasoning)
                })?;
                break Ok((reason, text, *statistics));
            }
            Some(Ok(event)) => reader.read(event)?,
        }
    };
    check(generation.blocking_next().is_none(), || "something is said after the end".into())?;
    check(reader.provisional.is_empty(), || "something provisional is left".into())?;
    let mut tokens = reader.committed;
    let end = match end {
        Err(error) => Err(error),
        Ok((reason, text, statistics)) => {
            check(text == reader.text, || format!("the text is {text:?} and was told as {:?}", reader.text))?;
            // Text that was held back to the end may come with its token named a second time.
            if tokens.len() as u64 == statistics.tokens() + 1 && tokens.iter().nth_back(1) == tokens.last() {
                tokens.pop();
            }
            let of = |origin| tokens.iter().filter(|token| token.1 == origin).count() as u64;
            let counted = (of(Origin::Draft), of(Origin::Verified), of(Origin::Target), of(Origin::Unverified));
            let origins = &statistics.origins;
            let told = (origins.draft, origins.verified, origins.target, origins.unverified);
            check(counted == told, || format!("tokens by origin: {counted:?} in events, {told:?} counted"))?;
            let back = (statistics.rollbacks, statistics.rolled_back);
            check(back == (reader.rollbacks, reader.rolled_back), || format!("rollbacks: {back:?} counted"))?;
            Ok((reason, statistics))
        }
    };
    Ok(Said { tokens, end, links: reader.links, text: reader.text })
}

/// The facts that a reply is measured by.
#[derive(Debug)]
pub struct Expected<'a> {
    /// Draft model.
    pub draft: &'a SyntheticModel,
    /// Target model.
    pub target: &'a SyntheticModel,
    /// Parameters of the sampling chain of both models.
    pub sampling: &'a SamplingParams,
    /// Tokens of the prompt.
    pub prompt: &'a [TokenId],
    /// Options of the generation.
    pub options: &'a GenerationOptions,
    /// Virtual time from the call to the last event.
    pub elapsed: Duration,
}

impl Expected<'_> {
    /// Checks that each token was written by the model that it is said to be from, that the reply ended where it says,
    /// and that the statistics add up.
    ///
    /// # Errors
    /// The rule that does not hold.
    pub fn check(&self, said: &Said) -> Result<(), Violation> {
        let mut tokens = said.tokens.as_slice();
        // Without statistics nothing says whether the last token was named a second time, for its text.
        if let (Err(_), [first @ .., before, last]) = (&said.end, tokens)
            && before == last
            && self.check_tokens(tokens).is_err()
        {
            tokens = &tokens[..=first.len()];
        }
        self.check_tokens(tokens)?;
        let ids: Vec<TokenId> = tokens.iter().map(|token| token.0).collect();
        if let Some(early) = (1..ids.len()).find(|&len| self.end(&ids[..len]).is_some()) {
            return Err(format!("the reply ended with token {early} and went on to {}", ids.len()));
        }
        let Ok((reason, statistics)) = &said.end else { return Ok(()) };
        let found = self.end(&ids);
        // The context may end where something else does.
        let is_full = self.prompt.len() + ids.len() >= self.target.capacity;
        let fits = match reason {
            FinishReason::Cancelled => found.is_none(),
            FinishReason::ContextFull => is_full,
            reason => found == Some(*reason),
        };
        check(fits, || {
            let (prompt, capacity) = (self.prompt.len(), self.target.capacity);
            format!("it ends for {reason:?} after {prompt} + {} tokens of {capacity}, and {found:?} holds", ids.len())
        })?;
        let expected = self.text(&ids);
        check(said.text == expected, || format!("the text is {:?}, of its tokens it is {expected:?}", said.text))?;
        self.check_statistics(statistics)
    }

    /// Tells whether all of a reply is the target's own, and was written to its end.
    #[must_use]
    pub fn is_targets_own(&self, said: &Said) -> bool {
        said.end.as_ref().is_ok_and(|(reason, _)| *reason != FinishReason::Cancelled)
            && said.tokens.iter().all(|token| matches!(token.1, Origin::Verified | Origin::Target))
    }

    /// Checks that each token is the one that the model of its origin draws at its place.
    fn check_tokens(&self, tokens: &[(TokenId, Origin)]) -> Result<(), Violation> {
        let chain = SamplingChain::new(self.sampling.clone()).map_err(|error| error.to_string())?;
        let tape = Tape::new(self.options.seed.unwrap_or_default(), 0);
        let (mut scratch, mut place, mut history) = (Scratch::default(), Place::START, self.prompt.to_vec());
        for (i, &(id, origin)) in tokens.iter().enumerate() {
            let model = match origin {
                Origin::Verified | Origin::Target => self.target,
                Origin::Draft | Origin::Unverified => self.draft,
            };
            let logits = model.logits(*history.last().ok_or("no prompt")?);
            let input = ChainInput { logits: &logits, history: &history, mask: None };
            let winner = chain.winner(input, &mut scratch, model.token_keys(), tape.at(place));
            let winner = winner.map_err(|error| error.to_string())?.id;
            check(winner == id, || format!("token {i} is told to be {origin:?} and is {id} instead of {winner}"))?;
            history.push(id);
            place = place.after(model.piece(id).len());
        }
        Ok(())
    }

    fn bytes(&self, ids: &[TokenId]) -> Vec<u8> {
        ids.iter().flat_map(|&id| self.target.piece(id).iter().copied()).collect()
    }

    /// Returns the reason that a reply of these tokens has ended, if it has.
    fn end(&self, ids: &[TokenId]) -> Option<FinishReason> {
        let text = String::from_utf8_lossy(&self.bytes(ids)).into_owned();
        let last = *ids.last()?;
        if self.target.is_end(last) {
            Some(FinishReason::EndOfReply)
        } else if self.options.stop.iter().any(|stop| text.contains(stop.as_str())) {
            Some(FinishReason::StopSequence)
        } else {
            (ids.len() >= self.options.max_tokens).then_some(FinishReason::MaxTokens)
        }
    }

    /// Returns the text of a reply, which reaches up to the first stop string.
    fn text(&self, ids: &[TokenId]) -> String {
        let (text, _) = uhlm_law::text::complete(&self.bytes(ids));
        let stop = self.options.stop.iter().filter_map(|stop| text.find(stop.as_str())).min();
        stop.map_or(text.clone(), |at| text[..at].to_owned())
    }

    /// Checks that the statistics add up.
    fn check_statistics(&self, statistics: &Statistics) -> Result<(), Violation> {
        let Statistics { origins, drafted, judged, rejected, rolled_back, .. } = statistics;
        let rules = [
            (statistics.prompt_tokens == self.prompt.len() as u64, "tokens of the prompt"),
            (statistics.reused_tokens <= statistics.prompt_tokens, "tokens reused"),
            (rejected <= judged && judged <= drafted, "judged tokens"),
            // Each drafted token stands or was taken back.
            (*drafted == origins.draft + origins.verified + origins.unverified + rolled_back, "drafted tokens"),
            (statistics.skipped_matched <= statistics.skipped_labelled, "skipped tokens"),
            (statistics.verdicts as usize == statistics.verdict_times.len(), "times of verdicts"),
            (statistics.verdicts as usize == statistics.round_bytes.len(), "bytes of rounds"),
            (statistics.elapsed == self.elapsed, "time"),
            (statistics.prefill + statistics.drafting + statistics.waiting <= statistics.elapsed, "parts of the time"),
            (statistics.first_token <= statistics.elapsed, "time of the first token"),
        ];
        rules.iter().try_for_each(|(holds, what)| {
            check(*holds, || format!("{what} do not add up, of {:?}: {statistics:?}", self.elapsed))
        })
    }
}
