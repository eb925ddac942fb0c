//! A phone as the scheduler sees it: it drafts for a while, sends a window, hears the verdict, drafts on.

use std::time::Duration;

use uhlm_law::advance::{Advance, Begin, ErrorCode, Frame, Grant, Grants, Labelling, MAX_DRAFT, PrefixHash, SessionId};
use uhlm_law::sampling::{SamplingParams, TokenId};

use super::super::inbox::Ticket;
use super::super::job::{Awaited, Frames, Place};
use super::engine::{self, VOCABULARY};
use crate::owner::Owner;

/// Number of drafted tokens of a window.
const WINDOW: usize = 8;
/// Length, in tokens, beyond which a text is replaced by a new one.
pub(super) const LONGEST: usize = 3000;
/// Shortest time after which a phone that was refused comes back; it is spread over three quarters more, as the server
/// asks.
const HINT: Duration = Duration::from_millis(500);

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
    /// Drafts windows of 256 tokens under a chain that is costly to score, and wants all labels.
    Costly,
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
    /// Refusals that do not say when to come back.
    pub(super) without_hint: Vec<ErrorCode>,
    /// Number of tokens that were decided.
    pub(super) gained: usize,
    /// Length, in tokens, beyond which a text is replaced by a new one.
    pub(super) longest: usize,
    pub(super) deadline_ms: Option<u32>,
    /// Whether the last request was refused.
    refused: bool,
    /// Whether the target has answered anything of this generation.
    begun: bool,
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
            without_hint: Vec::new(),
            gained: 0,
            longest: LONGEST,
            deadline_ms: None,
            refused: false,
            begun: false,
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
        for _ in 0..if self.habit == Habit::Costly { MAX_DRAFT } else { WINDOW } {
            let right = engine::next(prefix);
            let id = if self.roll(20) == 0 { (right + 1) % VOCABULARY } else { right };
            prefix = prefix.push(id);
            draft.push(id);
        }
        draft
    }

    /// Makes the next request.
    pub(super) fn request(&mut self, now: Duration) -> Advance {
        if self.text.len() > self.longest || matches!(self.habit, Habit::Reading(_)) {
            (self.generation, self.seq) = (self.generation + 1, None);
        }
        let (mut base, mut stand, mut begin) = (self.text.len(), Vec::new(), None);
        if self.seq.is_none() {
            self.text = self.prompt();
            self.begun = false;
            (base, stand) = (0, self.text.clone());
            begin = Some(Begin {
                seed: 1,
                sampling: match self.habit {
                    Habit::Costly => {
                        SamplingParams { penalty_repeat: 1.1, penalty_last_n: 4096, ..SamplingParams::default() }
                    }
                    _ => SamplingParams::greedy(),
                },
                reply_start: self.text.len() as u32,
                max_tokens: 100_000,
                stop: Vec::new(),
                grammar: None,
            });
        }
        let seq = self.seq.map_or(0, |seq| seq + 1);
        self.seq = Some(seq);
        self.asked = Some((now, self.text.len()));
        let grants = match self.habit {
            Habit::Drafting | Habit::Costly => {
                Grants { after_mismatch: Grant::Passes(3), after_agreement: Grant::Passes(1) }
            }
            Habit::Streaming => Grants::UNLIMITED,
            Habit::Reading(_) => Grants { after_mismatch: Grant::Passes(1), after_agreement: Grant::Passes(1) },
        };
        let draft = if self.drafts() { self.draft() } else { Vec::new() };
        let check = if base == 0 { PrefixHash::EMPTY } else { PrefixHash::of(&self.text) };
        let (base, have) = (base as u32, self.text.len() as u32);
        let is_costly = self.habit == Habit::Costly;
        let labels = Labelling { matched: is_costly, probabilities: is_costly };
        let (generation, deadline_ms) = (self.generation, self.deadline_ms);
        Advance { generation, seq, have, base, check, stand, draft, grants, labels, begin, deadline_ms }
    }

    fn drafts(&self) -> bool {
        matches!(self.habit, Habit::Drafting | Habit::Costly)
    }

    /// Returns how long the phone rests before its next request, of which an undisturbed one takes `drafting`.
    pub(super) fn pause(&mut self, drafting: Duration) -> Duration {
        if std::mem::take(&mut self.refused) {
            return HINT.mul_f64(1.0 + 0.75 * self.roll(256) as f64 / 256.0);
        }
        // Not all of them in step.
        drafting.mul_f64(0.75 + self.roll(50) as f64 / 100.0)
    }

    /// Begins to count anew.
    pub(super) fn restart(&mut self) {
        self.verdicts.clear();
        self.gained = 0;
    }

    /// Takes what has come. Tells whether it is time for the next request.
    pub(super) fn hear(&mut self, now: Duration) -> bool {
        let frames = self.listening.as_mut().map(Listening::hear).unwrap_or_default();
        let mut is_free = false;
        for frame in &frames {
            match frame {
                Frame::Text(text) => {
                    self.begun = true;
                    let held = self.text.len();
                    self.text.truncate(text.pos as usize);
                    self.text.extend(&text.ids);
                    self.gained += self.text.len().saturating_sub(held);
                    if let Some((asked, _)) = self.asked.take_if(|(_, held)| self.text.len() > *held) {
                        self.verdicts.push(now.saturating_sub(asked));
                        is_free |= self.drafts();
                    }
                }
                Frame::Failed(refusal) => {
                    self.lost += 1;
                    (self.refused, self.asked) = (true, None);
                    let is_temporary = matches!(refusal.code, ErrorCode::Unavailable | ErrorCode::RateLimited);
                    if !is_temporary {
                        self.without_hint.push(refusal.code);
                    }
                    // What was decided stays, on both sides.
                    if !(is_temporary && self.begun) {
                        self.seq = None;
                        self.generation += 1;
                    }
                    if refusal.code == ErrorCode::Gone {
                        self.session = None;
                    }
                    is_free = true;
                }
                Frame::End(_) => is_free |= !self.drafts(),
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
