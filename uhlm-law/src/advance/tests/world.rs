//! A device, verifiers and a network that does what it likes, in one value: every choice that is open is an [`Action`].
//!
//! The world checks the invariants at every step, and can be broken on purpose.

mod device;
mod invariant;
mod network;

use std::collections::{BTreeMap, VecDeque};

use super::super::{Advance, Asked, Begin, Bounds, Conversation, ErrorBody, Frame, Limits, Origin, Peer};
use super::model::{Model, VOCABULARY};
use super::replica::Session;
use super::rules::{Action, Faults, Rules, Violation};
use crate::sampling::{SamplingParams, TokenId};

#[derive(Clone, Debug)]
enum Up {
    Request { stream: u64, replica: usize, session: u32, request: Advance },
    Reset { stream: u64, replica: usize, session: u32 },
}

#[derive(Clone, Debug)]
enum Down {
    Frame(Frame),
    Refused(ErrorBody),
    Broken,
}

#[derive(Clone, Debug)]
struct Listening {
    replica: usize,
    asked: Asked,
}

#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) rules: Rules,
    pub(super) faults: Faults,
    pub(super) conversation: Conversation,
    peers: Vec<Peer>,
    active: usize,
    listening: BTreeMap<u64, Listening>,
    origins: Vec<Origin>,
    pub(super) done: bool,
    replicas: Vec<BTreeMap<u32, Session>>,
    up: Vec<Up>,
    down: BTreeMap<u64, VecDeque<Down>>,
    next_stream: u64,
    /// Number of times that the device had to ask again because nothing was under way any more.
    pub(super) silences: u32,
    pub(super) generation: u32,
    /// Numbers of bytes up and down, where everything is encoded.
    pub(super) bytes: (usize, usize),
    /// Number of labels that were heard of committed tokens.
    pub(super) labels: usize,
}

fn check(holds: bool, what: &str) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

const PROMPT: [TokenId; 2] = [0, 1];
const CONTEXT: u32 = 256;

impl World {
    pub(super) fn new(rules: Rules, faults: Faults) -> Self {
        let bounds = Bounds { vocabulary_size: VOCABULARY, context: CONTEXT, max_body: rules.max_body };
        let begin = Self::begin(&rules, PROMPT.len(), 0);
        let conversation = Conversation::new(bounds, begin, &PROMPT);
        let replicas = rules.replicas;
        let mut world = Self {
            conversation,
            faults,
            peers: vec![Peer::new(); replicas],
            active: 0,
            listening: BTreeMap::new(),
            origins: Vec::new(),
            done: false,
            replicas: vec![BTreeMap::new(); replicas],
            up: Vec::new(),
            down: BTreeMap::new(),
            next_stream: 0,
            silences: 0,
            generation: 0,
            bytes: (0, 0),
            labels: 0,
            rules,
        };
        (0..replicas).for_each(|replica| world.open(replica, 0));
        // A prefill, or all of it where the target writes alone.
        world.ask();
        world
    }

    fn begin(rules: &Rules, reply_start: usize, generation: u32) -> Begin {
        Begin {
            seed: rules.model.seed + u64::from(generation),
            sampling: SamplingParams::default(),
            reply_start: reply_start as u32,
            max_tokens: rules.max_tokens,
            stop: Vec::new(),
            grammar: None,
        }
    }

    /// Returns the model under the seed of the generation.
    fn model(&self) -> Model {
        Model { seed: self.conversation.begin().seed, ..self.rules.model }
    }

    fn open(&mut self, replica: usize, session: u32) {
        let limits = Limits {
            vocabulary_size: VOCABULARY,
            context: CONTEXT,
            max_draft: self.rules.max_draft as u32,
            max_body: 1 << 20,
        };
        self.replicas[replica].insert(session, Session::new(replica, limits, self.rules.model, self.rules.mutation));
    }

    /// Returns every choice that is open.
    pub(super) fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.can_draft() {
            actions.push(Action::Draft);
        }
        actions.extend((0..self.up.len()).map(Action::Deliver));
        let busy = |replica: &usize| self.replicas[*replica].values().any(|session| !session.is_idle());
        actions.extend((0..self.rules.replicas).filter(busy).map(Action::Step));
        actions
            .extend(self.down.iter().filter(|(_, queue)| !queue.is_empty()).map(|(stream, _)| Action::Hear(*stream)));
        if actions.is_empty() && !self.done {
            actions.push(Action::Silence);
        }
        let faults = self.faults;
        let mut fault = |left: u8, fault: Vec<Action>| {
            if left > 0 && !self.done {
                actions.extend(fault);
            }
        };
        let requests = || {
            let is_request = |i: &usize| matches!(self.up[*i], Up::Request { .. });
            (0..self.up.len()).filter(is_request)
        };
        let replicas = || 0..self.rules.replicas;
        fault(faults.ghosts, requests().map(Action::Ghost).collect());
        fault(faults.hedges, requests().map(Action::Hedge).collect());
        fault(faults.drops, requests().map(Action::Drop).collect());
        fault(faults.cuts, self.listening.keys().map(|stream| Action::Cut(*stream)).collect());
        fault(faults.restarts, replicas().map(Action::Restart).collect());
        fault(faults.evictions, replicas().map(Action::Evict).collect());
        fault(faults.failures, replicas().filter(|r| self.is_passing(*r)).map(Action::Fail).collect());
        fault(faults.impatience, vec![Action::Impatience]);
        fault(faults.alone, if self.conversation.branch().is_empty() { vec![] } else { vec![Action::Alone] });
        fault(faults.switches, if self.rules.replicas > 1 { vec![Action::Switch] } else { vec![] });
        actions
    }

    fn is_passing(&self, replica: usize) -> bool {
        self.replicas[replica].values().any(Session::is_passing)
    }

    pub(super) fn apply(&mut self, action: Action) -> Result<(), Violation> {
        let before = self.conversation.clone();
        match action {
            Action::Draft => self.draft(),
            Action::Deliver(i) => self.deliver(i)?,
            Action::Step(replica) => self.step(replica)?,
            Action::Hear(stream) => self.hear(stream)?,
            Action::Silence => {
                self.silences += 1;
                self.lose_patience();
                self.listening.retain(|stream, _| *stream + 1 == self.next_stream);
            }
            Action::Ghost(i) => {
                self.faults.ghosts -= 1;
                self.repeat(i);
            }
            Action::Hedge(i) => {
                self.faults.hedges -= 1;
                let stream = self.repeat(i);
                let Up::Request { stream: first, .. } = self.up[i] else { return Ok(()) };
                if let Some(listening) = self.listening.get(&first).cloned() {
                    self.listening.insert(stream, listening);
                }
            }
            Action::Drop(i) => {
                self.faults.drops -= 1;
                self.up.remove(i);
            }
            Action::Cut(stream) => {
                self.faults.cuts -= 1;
                self.cut(stream);
            }
            Action::Restart(replica) => {
                self.faults.restarts -= 1;
                self.replicas[replica].clear();
                let broken: Vec<u64> =
                    self.listening.iter().filter(|(_, l)| l.replica == replica).map(|(stream, _)| *stream).collect();
                for stream in broken {
                    self.down.insert(stream, VecDeque::from([Down::Broken]));
                }
            }
            Action::Evict(replica) => {
                self.faults.evictions -= 1;
                self.replicas[replica].values_mut().for_each(Session::evict);
            }
            Action::Fail(replica) => {
                self.faults.failures -= 1;
                let fail = |session: &mut Session| session.fail();
                let sent: Result<Vec<_>, _> = self.replicas[replica].values_mut().map(fail).collect();
                self.carry(sent?.into_iter().flatten().collect());
            }
            Action::Impatience => {
                self.faults.impatience -= 1;
                self.lose_patience();
            }
            Action::Alone => {
                self.faults.alone -= 1;
                let own = self.conversation.go_on_alone();
                self.origins.extend(own.iter().map(|committed| committed.origin));
                self.judge_end();
            }
            Action::Switch => {
                self.faults.switches -= 1;
                self.active = (self.active + 1) % self.rules.replicas;
                self.ask();
            }
        }
        self.check(&before)
    }

    /// Returns a hash that distinguishes this state from others, for the search of all of them.
    pub(super) fn key(&self) -> u128 {
        use std::fmt::Write as _;
        let mut digest = Digest(0x6c62_272e_07bb_0142, 0x9ae1_6a3b_2f90_404f);
        let device = (&self.conversation, &self.peers, self.active, &self.listening, &self.origins, self.done);
        let network = (&self.up, &self.down, self.silences, self.faults);
        write!(digest, "{device:?}{network:?}").expect("a digest takes everything");
        for (name, session) in self.replicas.iter().flatten() {
            write!(digest, "{name}{:?}", session.key()).expect("a digest takes everything");
        }
        u128::from(digest.0) << 64 | u128::from(digest.1)
    }
}

/// Hashes what is written to it.
struct Digest(u64, u64);

impl std::fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for chunk in text.as_bytes().chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            let word = u64::from_le_bytes(word) ^ (chunk.len() as u64) << 60;
            self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
            self.1 = (self.1 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        }
        Ok(())
    }
}
