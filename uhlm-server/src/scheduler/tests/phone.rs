//! A phone as the scheduler sees it: it drafts for a while, sends a window, hears the verdict, drafts on.

use std::time::Duration;

use uhlm_law::advance::{Advance, Begin, Frame, Grant, Grants, Labelling, PrefixHash, SessionId};
use uhlm_law::protocol::ErrorCode;
use uhlm_law::sampling::{SamplingParams, TokenId};

use super::super::inbox::Ticket;
use super::super::job::{Awaited, Frames, Place};
use super::engine::{self, VOCABULARY};
use crate::owner::Owner;

/// Number of drafted tokens of a window.
const WINDOW: usize = 8;
/// Length, in tokens, beyond which a text is replaced by a new one.
const LONGEST: usize = 3000;

/// An answer that is under way.
pub(super) struct Listening {
    pub(super) answer: Option<Awaited<Frames>>,
    pub(super) frames: Option<Frames>,
    pub(super) _place: Place,
    pub(super) ticket: Ticket,
}

impl Listening {
    /// Returns what has come; the last frame of an answer ends it.
    pub(super) fn hear(&mut self) -> Vec<Frame> {
        if let Some(answer) = &mut self.answer {
            match answer.try_recv() {
                Ok(Ok(frames)) => (self.frames, self.answer) = (Some(frames), None),
                Ok(Err(refusal)) => return vec![Frame::Failed(refusal)],
                Err(_) => return Vec::new(),
            }
        }
        std::iter::from_fn(|| self.frames.as_mut()?.try_recv().ok()).flatten().collect()
    }
}

/// The behavior of a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// Drafts windows, and lets the target run ahead by some passes where a draft did not stand.
    Drafting,
    /// Lets the target write on for ever.
    Streaming,
    /// Gives a prompt of so many tokens, and another one as soon as that is read.
    Reading(usize),
}

pub(super) struct Phone {
    pub(super) owner: Owner,
    pub(super) session: Option<SessionId>,
    pub(super) habit: Habit,
    pub(super) listening: Option<Listening>,
    /// Time of the last request, and how long the text was then, until its verdict is heard.
    asked: Option<(Duration, usize)>,
    pub(super) verdicts: Vec<Duration>,
    /// Number of requests that were refused and of sessions that were gone.
    pub(super) lost: usize,
    text: Vec<TokenId>,
    generation: u32,
    seq: Option<u32>,
    dice: u64,
}

impl Phone {
    pub(super) fn new(owner: Owner, habit: Habit, number: u64) -> Self {
        Self {
            owner,
            session: None,
            habit,
            listening: None,
            asked: None,
            verdicts: Vec::new(),
            lost: 0,
            text: Vec::new(),
            generation: 0,
            seq: None,
            dice: number.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1,
        }
    }

    /// Returns a random number below `sides`.
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % sides
    }

    fn prompt(&mut self) -> Vec<TokenId> {
        let length = if let Habit::Reading(length) = self.habit { length } else { 40 };
        (0..length).map(|_| self.roll(u64::from(VOCABULARY)) as TokenId).collect()
    }

    /// Returns the target's own tokens after the text, of which one in twenty is drafted wrongly.
    fn draft(&mut self) -> Vec<TokenId> {
        let mut prefix = PrefixHash::of(&self.text);
        let mut draft = Vec::new();
        for _ in 0..WINDOW {
            let right = engine::next(prefix);
            let id = if self.roll(20) == 0 { (right + 1) % VOCABULARY } else { right };
            prefix = prefix.push(id);
            draft.push(id);
        }
        draft
    }

    /// Makes the next request.
    pub(super) fn request(&mut self, now: Duration) -> Advance {
        if self.text.len() > LONGEST || matches!(self.habit, Habit::Reading(_)) {
            (self.generation, self.seq) = (self.generation + 1, None);
        }
        let (mut base, mut stand, mut begin) = (self.text.len(), Vec::new(), None);
        if self.seq.is_none() {
            self.text = self.prompt();
            (base, stand) = (0, self.text.clone());
            begin = Some(Begin {
                seed: 1,
                sampling: SamplingParams::greedy(),
                reply_start: self.text.len() as u32,
                max_tokens: 100_000,
                stop: Vec::new(),
            });
        }
        let seq = self.seq.map_or(0, |seq| seq + 1);
        self.seq = Some(seq);
        self.asked = Some((now, self.text.len()));
        let grants = match self.habit {
            Habit::Drafting => Grants { after_mismatch: Grant::Passes(3), after_agreement: Grant::Passes(1) },
            Habit::Streaming => Grants::UNLIMITED,
            Habit::Reading(_) => Grants { after_mismatch: Grant::Passes(1), after_agreement: Grant::Passes(1) },
        };
        let draft = if self.habit == Habit::Drafting { self.draft() } else { Vec::new() };
        let check = if base == 0 { PrefixHash::EMPTY } else { PrefixHash::of(&self.text) };
        let (base, have) = (base as u32, self.text.len() as u32);
        let (generation, labels) = (self.generation, Labelling::NONE);
        Advance { generation, seq, have, base, check, stand, draft, grants, labels, begin, deadline_ms: None }
    }

    /// Takes what has come. Tells whether it is time for the next request.
    pub(super) fn hear(&mut self, now: Duration) -> bool {
        let frames = self.listening.as_mut().map(Listening::hear).unwrap_or_default();
        let mut is_free = false;
        for frame in &frames {
            match frame {
                Frame::Text(text) => {
                    self.text.truncate(text.pos as usize);
                    self.text.extend(&text.ids);
                    if let Some((asked, _)) = self.asked.take_if(|(_, held)| self.text.len() > *held) {
                        self.verdicts.push(now.saturating_sub(asked));
                        is_free |= self.habit == Habit::Drafting;
                    }
                }
                Frame::Failed(refusal) => {
                    self.lost += 1;
                    self.seq = None;
                    self.generation += 1;
                    if refusal.code == ErrorCode::Gone {
                        self.session = None;
                    }
                    is_free = true;
                }
                Frame::End(_) => is_free |= self.habit != Habit::Drafting,
                Frame::Progress(_) => {}
            }
            if frame.is_last()
                && let Some(mut listening) = self.listening.take()
            {
                listening.ticket.done();
            }
        }
        is_free
    }
}
