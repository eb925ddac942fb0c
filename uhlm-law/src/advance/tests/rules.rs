//! The rules of a world, the faults that may happen in it, and the choices that are open.

use super::super::{Grants, Labelling};
use super::model::Model;

/// The rule that does not hold and should.
pub(super) type Violation = String;

/// A rule that this test's verifier or device breaks on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutation {
    /// A drafted token stands although it is not the target's.
    AcceptUnequal,
    /// After full agreement the target's token for the position after the next one is taken.
    SkipBonus,
    /// A later request is sent text from one token too early.
    StaleText,
    /// A later request is not sent what was decided.
    KeepText,
    /// The old answer is not ended when another one takes over.
    TwoStreams,
    /// The cache is lost, and the session is not told.
    HiddenEviction,
    /// The device believes text although its check fails.
    NoCheck,
    /// A pass that was begun for an earlier generation counts for the one that came meanwhile.
    OldSeed,
}

/// The settings of a world.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) model: Model,
    pub(super) opportunistic: bool,
    /// Number of drafted tokens in a window; 0 is `remote_only`.
    pub(super) window: usize,
    /// Largest number of drafted tokens that the device is ahead of what stands.
    pub(super) ahead: usize,
    pub(super) grants: Grants,
    pub(super) labels: Labelling,
    pub(super) max_tokens: u32,
    pub(super) max_draft: usize,
    /// Largest size of a request's body, in bytes.
    pub(super) max_body: u32,
    pub(super) replicas: usize,
    /// Number of generations, each with another seed.
    pub(super) generations: u32,
    /// Whether everything goes through the binary encoding.
    pub(super) encoded: bool,
    pub(super) mutation: Option<Mutation>,
}

impl Rules {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            model: Model { seed, differs: 80, ties: 0 },
            opportunistic: false,
            window: 1,
            ahead: 2,
            grants: Grants::NONE,
            labels: Labelling::NONE,
            max_tokens: 3,
            max_draft: 8,
            max_body: 1 << 20,
            replicas: 1,
            generations: 1,
            encoded: false,
            mutation: None,
        }
    }
}

/// The numbers of faults that may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Faults {
    /// The network repeats a request; nobody hears the answer to the repeat.
    pub(super) ghosts: u8,
    /// The device sends a request twice and hears both answers.
    pub(super) hedges: u8,
    /// A request is lost.
    pub(super) drops: u8,
    /// A connection breaks, with what is on it.
    pub(super) cuts: u8,
    /// A verifier forgets all sessions.
    pub(super) restarts: u8,
    /// A session's cache is given away.
    pub(super) evictions: u8,
    /// The engine fails in a pass, or a pass is given up.
    pub(super) failures: u8,
    /// The device takes a slow verifier for a dead one.
    pub(super) impatience: u8,
    /// The device goes on alone.
    pub(super) alone: u8,
    /// The device turns to another replica.
    pub(super) switches: u8,
}

impl Faults {
    /// Returns each kind with its number.
    pub(super) fn named(&self) -> [(&'static str, u8); 10] {
        [
            ("ghosts", self.ghosts),
            ("hedges", self.hedges),
            ("drops", self.drops),
            ("cuts", self.cuts),
            ("restarts", self.restarts),
            ("evictions", self.evictions),
            ("failures", self.failures),
            ("impatience", self.impatience),
            ("alone", self.alone),
            ("switches", self.switches),
        ]
    }
}

/// A choice that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Draft,
    Deliver(usize),
    Step(usize),
    Hear(u64),
    /// Nothing is under way any more: the device asks again.
    Silence,
    Ghost(usize),
    Hedge(usize),
    Drop(usize),
    Cut(u64),
    Restart(usize),
    Evict(usize),
    Fail(usize),
    Impatience,
    Alone,
    Switch,
}
