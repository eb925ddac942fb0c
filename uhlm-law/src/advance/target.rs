//! The verifier's side of a session: what is decided, what waits to be judged, and who listens.
//!
//! Decides what a request changes, what the next pass is and what it brings, and which frames go where. It is told
//! the winners of a pass's rows; logits, chain and noise are its caller's, as are the engine, the clock and the
//! connections.
//!
//! The decided text changes in three ways only: a pass appends the target's own tokens, a grammar those that it leaves
//! no choice about, and a device gives ids. What
//! the engine holds of it (`decoded`) is no part of it: a session whose cache is given away loses time and nothing
//! else.

mod pass;

use std::cmp::Ordering;

use super::ending::{Ending, reply_end};
use super::frame::{EndReason, Frame, Labels, MAX_FRAME_IDS, Text};
use super::opening::Limits;
use super::outlet::{Sent, StreamId};
use super::plan::{PassTiming, Plan};
use super::proposal::{Parked, Proposal, Standing};
use super::refusal::Refusal;
use super::request::{Advance, Begin, Grant, Grants, Labelling};
use super::tokens::{PrefixHash, Tokens};
use crate::sampling::TokenId;

/// Largest number of tokens that a grammar appends in one turn. A pass decides on the next one, and other sessions have
/// their turns in between.
const FORCED_AT_ONCE: usize = 64;

/// The answer that text goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Live(StreamId),
    /// The verifier has ended the answer.
    Ended,
    /// The answer broke off: a repeat of its request is taken as if the first had not come.
    Lost,
}

/// A pass that the caller was told to make.
#[derive(Clone, Debug, PartialEq)]
struct Pass {
    plan: Plan,
    /// Number of the request that granted the pass, where it is self-made.
    granted_by: Option<u32>,
    /// Whether the text that the pass rests on was replaced.
    discarded: bool,
}

/// One session of a verifier.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetSession {
    limits: Limits,
    text: Tokens,
    /// Number of tokens of `text` that the engine holds.
    decoded: usize,
    generation: Option<(u32, Begin)>,
    /// Greatest number of a request of the generation.
    seq: u32,
    stream: Stream,
    grants: Grants,
    left: Grant,
    labels: Labelling,
    /// Whether the live stream was told how long its request waited.
    queue_told: bool,
    /// Index of the first given token that waits to be scored.
    unlabelled: Option<usize>,
    parked: Parked,
    pass: Option<Pass>,
    passes: u32,
    end: Option<EndReason>,
}

impl TargetSession {
    /// Makes a session that holds nothing.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            text: Tokens::new(),
            decoded: 0,
            generation: None,
            seq: 0,
            stream: Stream::Ended,
            grants: Grants::NONE,
            left: Grant::NONE,
            labels: Labelling::NONE,
            queue_told: false,
            unlabelled: None,
            parked: Parked::default(),
            pass: None,
            passes: 0,
            end: None,
        }
    }

    /// Returns the decided text, the prompt included.
    #[must_use]
    pub fn text(&self) -> &Tokens {
        &self.text
    }

    /// Returns the number of tokens of the text that the engine's sequence holds.
    #[must_use]
    pub fn decoded(&self) -> usize {
        self.decoded
    }

    /// Returns how the generation began; `None` before the first.
    #[must_use]
    pub fn begin(&self) -> Option<&Begin> {
        self.generation.as_ref().map(|(_, begin)| begin)
    }

    /// Returns the answer that text goes to; `None` where nobody listens.
    #[must_use]
    pub fn stream(&self) -> Option<StreamId> {
        match self.stream {
            Stream::Live(stream) => Some(stream),
            Stream::Ended | Stream::Lost => None,
        }
    }

    /// Returns the passes that the device grants; the caller schedules self-made passes by them.
    #[must_use]
    pub fn grants(&self) -> Grants {
        self.grants
    }

    /// Tells whether the target writes on until the reply ends, as long as drafted tokens stand. The caller then weighs
    /// what a drafted token costs, as the text comes without it too.
    #[must_use]
    pub fn runs_ahead(&self) -> bool {
        self.grants.after_agreement == Grant::Unlimited
    }

    /// Takes a request. `stream` names the answer to it.
    ///
    /// # Errors
    /// [`Refusal`], which is the answer then; nothing has changed.
    pub fn accept(&mut self, stream: StreamId, request: &Advance, ending: &dyn Ending) -> Result<Vec<Sent>, Refusal> {
        self.check_limits(request)?;
        let superseded = |stream| Sent { stream, frame: Frame::End(EndReason::Superseded) };
        let known = self.generation.as_ref().map(|(number, begin)| (request.generation.cmp(number), begin));
        let is_repeat = match known {
            Some((Ordering::Less, _)) => return Ok(vec![superseded(stream)]),
            Some((Ordering::Equal, begin)) => {
                if request.begin.as_ref().is_some_and(|given| given != begin) {
                    return Err(Refusal::BegunOtherwise { generation: request.generation });
                }
                if request.seq < self.seq {
                    self.park(request);
                    return Ok(vec![superseded(stream)]);
                }
                if !request.stand.is_empty() {
                    self.check_base(request)?;
                    self.give(request);
                }
                request.seq == self.seq && self.stream != Stream::Lost
            }
            Some((Ordering::Greater, _)) | None => {
                self.renew(request)?;
                false
            }
        };
        self.end = self.find_end(ending);
        self.force(ending);
        let contradicted = self.park(request) == Some(Standing::Contradicted);
        let mut sent: Vec<Sent> = self.stream().map(superseded).into_iter().collect();
        self.stream = Stream::Live(stream);
        self.queue_told = false;
        self.seq = request.seq;
        self.grants = request.grants;
        if !is_repeat {
            self.left = if contradicted { self.grants.after_mismatch } else { self.grants.after_agreement };
        }
        self.labels = request.labels;
        let reply_start = self.begin().map_or(0, |begin| begin.reply_start as usize);
        sent.extend(self.say(reply_start.max(request.have as usize), None, None));
        Ok(sent)
    }

    /// Takes note that the answer `stream` broke off or was given up by the device.
    pub fn reset(&mut self, stream: StreamId) {
        if self.stream == Stream::Live(stream) {
            self.silence();
        }
    }

    /// Takes note that the engine holds only the first `len` tokens of the session's sequence. A planned pass is
    /// dropped.
    pub fn cache_lost(&mut self, len: usize) {
        self.pass = None;
        self.decoded = self.decoded.min(len);
    }

    fn silence(&mut self) {
        self.stream = Stream::Lost;
        self.grants = Grants::NONE;
        self.left = Grant::NONE;
        self.parked.clear();
    }

    fn check_limits(&self, request: &Advance) -> Result<(), Refusal> {
        let Limits { vocabulary_size, context, .. } = self.limits;
        let ids = || request.stand.iter().chain(&request.draft);
        if let Some(&id) = ids().find(|id| **id >= vocabulary_size) {
            return Err(Refusal::UnknownToken { id, vocabulary_size });
        }
        let tokens = request.draft_start();
        if tokens > u64::from(context) { Err(Refusal::TooLong { tokens, context }) } else { Ok(()) }
    }

    fn check_base(&self, request: &Advance) -> Result<(), Refusal> {
        if self.text.hash_of(request.base as usize) == Some(request.check) {
            return Ok(());
        }
        Err(Refusal::Desync { base: request.base, held: self.held() })
    }

    fn held(&self) -> u32 {
        u32::try_from(self.text.len()).unwrap_or(u32::MAX)
    }

    /// Replaces the generation, and drops the tokens that another seed or another prompt has decided after the given
    /// ones.
    fn renew(&mut self, request: &Advance) -> Result<(), Refusal> {
        let generation = request.generation;
        let begin = request.begin.clone().ok_or(Refusal::NotBegun { generation, held: self.held() })?;
        self.check_base(request)?;
        let given = u32::try_from(request.draft_start()).unwrap_or(u32::MAX);
        // A prompt may come in parts: until all of it is there, nothing is decided.
        if given == 0 || request.have < given {
            return Err(Refusal::NoPrompt { reply_start: begin.reply_start, given });
        }
        self.generation = Some((generation, begin));
        self.parked.clear();
        self.passes = 0;
        self.unlabelled = None;
        self.labels = Labelling::NONE;
        self.change(request.base as usize, &request.stand);
        Ok(())
    }

    /// Takes the ids that a device gives. Where the text holds them already, what follows them is the target's own
    /// and stays.
    fn give(&mut self, request: &Advance) {
        let base = request.base as usize;
        if self.text.agreement(base, &request.stand) == request.stand.len() {
            return;
        }
        let fresh = self.change(base, &request.stand);
        let known = self.unlabelled.filter(|known| *known < fresh);
        self.unlabelled = known.or(request.labels.matched.then_some(fresh));
    }

    /// Replaces everything after `base` by `ids`; returns the index of the first token that is another than before.
    fn change(&mut self, base: usize, ids: &[TokenId]) -> usize {
        let kept = base + self.text.agreement(base, ids);
        self.text.truncate(kept);
        self.text.extend(&ids[kept - base..]);
        self.decoded = self.decoded.min(kept);
        if let Some(pass) = &mut self.pass {
            pass.discarded = true;
        }
        kept
    }

    /// Parks what a request drafts, if it is of any use; returns how it stands to the text.
    fn park(&mut self, request: &Advance) -> Option<Standing> {
        if request.draft.is_empty() {
            return None;
        }
        let check: PrefixHash = request.check.extend(&request.stand);
        let at = request.draft_start() as usize;
        let proposal = Proposal { seq: request.seq, at, check, ids: request.draft.clone() };
        let standing = proposal.standing(&self.text);
        self.parked.park(proposal);
        self.parked.prune(&self.text);
        Some(standing)
    }

    /// Tells whether a part of the prompt is still to be given.
    fn lacks_prompt(&self) -> bool {
        self.begin().is_some_and(|begin| self.text.len() < begin.reply_start as usize)
    }

    fn find_end(&self, ending: &dyn Ending) -> Option<EndReason> {
        reply_end(self.text.ids(), self.begin()?, self.limits.context as usize, ending)
    }

    /// Appends the tokens that the grammar leaves no choice about, as many as one turn may: any pass would decide on
    /// them.
    fn force(&mut self, ending: &dyn Ending) {
        let begin = self.begin().filter(|begin| begin.grammar.is_some());
        let Some(start) = begin.map(|begin| begin.reply_start as usize) else { return };
        // A pass under way rests on the text as it is; what it decides is followed by what is forced then.
        if self.pass.as_ref().is_some_and(|pass| !pass.discarded) {
            return;
        }
        let most = self.text.len() + FORCED_AT_ONCE;
        while self.end.is_none() && (start..most).contains(&self.text.len()) {
            let Some(id) = ending.forced(self.text.tail(start)) else { break };
            self.text.push(id);
            self.end = self.find_end(ending);
        }
    }

    /// Makes the frames that bring the text from index `from` on to whoever listens.
    /// `cost` says how long the pass took that brought it, and how many tokens it put through the target.
    fn say(&mut self, from: usize, cost: Option<(PassTiming, u32)>, mut labels: Option<Labels>) -> Vec<Sent> {
        let Some(stream) = self.stream() else { return Vec::new() };
        let queue_us = cost.and_then(|(timing, _)| timing.queue_us).filter(|_| !self.queue_told);
        self.queue_told |= queue_us.is_some();
        let ids = self.text.tail(from);
        // Labels alone are worth a frame.
        let chunks = ids.chunks(MAX_FRAME_IDS).chain((ids.is_empty() && labels.is_some()).then_some(&[][..]));
        chunks
            .enumerate()
            .filter_map(|(i, ids)| {
                let pos = from + i * MAX_FRAME_IDS;
                let text = Text {
                    pos: u32::try_from(pos).ok()?,
                    check: self.text.hash_of(pos)?.short(),
                    ids: ids.to_vec(),
                    passes: self.passes,
                    pass_us: cost.map(|(timing, _)| timing.pass_us),
                    queue_us,
                    rows: cost.map(|(_, rows)| rows),
                    labels: labels.take(),
                };
                Some(Sent { stream, frame: Frame::Text(text) })
            })
            .collect()
    }
}
