//! The device's side of a generation: what is committed, what is drafted after it, and what a verifier is asked.
//!
//! Decides what a frame commits and takes back, and what the next request holds. Leaves to its caller when to ask,
//! how far, and what for, the draft model, the clock and the connections; what a session is known to hold is a
//! [`Peer`]'s.
//!
//! What is committed only grows. The first decision that reaches the device stands, whoever made it, and where a
//! verifier holds another text, the device's is given to it.

mod hear;

use super::answer::Asked;
use super::frame::{EndReason, Labels};
use super::id_bytes;
use super::peer::Peer;
use super::request::{Advance, Begin, Grants, Labelling, MAX_DRAFT};
use super::tokens::{PrefixHash, Tokens};
use crate::sampling::TokenId;

/// The party that decided on a committed token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The device, which was sure enough not to have the token judged (opportunistic).
    Draft,
    /// Both: the device drafted the token, and it is the target's own.
    Verified,
    /// The target: the device had drafted another token there, or none.
    Target,
    /// The device, because no verifier was within reach.
    Unverified,
}

/// A token that stands from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Id of the token.
    pub id: TokenId,
    /// The party that decided on it.
    pub origin: Origin,
}

/// The step that a device should take after a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// The device asks again at once: [`Conversation::advance`] makes up for what the session lacks.
    AskAgain,
    /// The device opens a session, calls [`Peer::reopened`], and asks that one.
    Reopen,
    /// The device asks again later, not before what `Retry-After` says.
    Retry,
    /// The device does without this verifier.
    GiveUp,
}

/// The changes that a frame, a refusal or the loss of an answer brings about on the device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// Tokens that stand from now on, in order.
    pub committed: Vec<Committed>,
    /// Number of drafted tokens that were taken back. The draft model forgets them before it decodes those of
    /// `committed` that are not its own.
    pub rolled_back: usize,
    /// Whether the device should ask at once: something is missing, or its text has to be given to the session.
    pub ask: bool,
    /// Reason why this answer ended; `None` as long as it goes on.
    pub ended: Option<EndReason>,
    /// Whether the answer was to a part of what had to be given, so that the device should give the rest at once.
    pub more: bool,
    /// Whether the reply has ended for the reason in `ended`, with all of it committed.
    pub finished: bool,
    /// Labels of tokens that were given or drafted.
    pub labels: Option<Labels>,
    /// Step to take after a refusal; `None` where there was none that counts.
    pub recovery: Option<Recovery>,
}

/// The bounds of a verifier by which its answers are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Number of tokens in the vocabulary.
    pub vocabulary_size: u32,
    /// Length of the longest sequence, in tokens.
    pub context: u32,
    /// Largest size of a request's body, in bytes. What is given beyond it goes in further requests.
    pub max_body: u32,
}

/// Bytes that are left for everything in a request but given tokens and the settings of a generation: the numbers in
/// front, labels and deadline, and the longest draft.
const BESIDE_GIVEN: usize = 64 + MAX_DRAFT * 5;
/// Smallest room for given tokens in a request, in bytes, however small a body is said to be: a token fits.
const LEAST_GIVEN: usize = 5;

/// The things that a request is to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Number of tokens, committed and drafted, up to which drafts are sent; what was sent before is left out.
    pub upto: usize,
    /// Passes that the target may make without a draft.
    pub grants: Grants,
    /// Labels that are wanted.
    pub labels: Labelling,
}

/// A prompt and the reply to it, on the device.
#[derive(Clone, Debug)]
pub struct Conversation {
    bounds: Bounds,
    generation: u32,
    begin: Begin,
    /// The committed tokens, then the branch of drafted ones.
    tokens: Tokens,
    committed: usize,
    next_seq: u32,
}

impl Conversation {
    /// Begins the first generation of a session with a prompt, or with a reply to continue.
    #[must_use]
    pub fn new(bounds: Bounds, begin: Begin, prompt: &[TokenId]) -> Self {
        let tokens: Tokens = prompt.iter().copied().collect();
        Self { bounds, generation: 0, begin, committed: tokens.len(), tokens, next_seq: 0 }
    }

    /// Begins the next generation with `prompt`, which may be anything; what it has in common with the tokens so far
    /// is not sent again. `peers` are all that go on being used. Returns the number of tokens in common.
    pub fn renew<'a>(
        &mut self,
        begin: Begin,
        prompt: &[TokenId],
        peers: impl IntoIterator<Item = &'a mut Peer>,
    ) -> usize {
        let kept = self.tokens.agreement(0, prompt);
        // A verifier may hold what was committed; of the branch nothing is known.
        let known = kept.min(self.committed);
        peers.into_iter().for_each(|peer| peer.renew(known));
        self.tokens.truncate(kept);
        self.tokens.extend(&prompt[kept..]);
        self.generation += 1;
        self.begin = begin;
        self.committed = self.tokens.len();
        self.next_seq = 0;
        kept
    }

    /// Returns the number of the generation.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Returns how the generation began.
    #[must_use]
    pub fn begin(&self) -> &Begin {
        &self.begin
    }

    /// Returns all tokens: the prompt, what else is committed, then the branch.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Returns the number of committed tokens, the prompt's included.
    #[must_use]
    pub fn committed(&self) -> usize {
        self.committed
    }

    /// Returns the drafted tokens that do not stand yet.
    #[must_use]
    pub fn branch(&self) -> &[TokenId] {
        self.tokens.tail(self.committed)
    }

    /// Appends a drafted token to the branch.
    pub fn draft(&mut self, id: TokenId) {
        self.tokens.push(id);
    }

    /// Takes drafted tokens back so that `len` tokens are left; committed ones stay. Returns how many were taken back.
    pub fn take_back(&mut self, len: usize) -> usize {
        let before = self.tokens.len();
        self.tokens.truncate(len.max(self.committed));
        before - self.tokens.len()
    }

    /// Commits the first `count` drafted tokens on the device's own account: they were skipped.
    pub fn skip(&mut self, count: usize) -> Vec<Committed> {
        self.commit_own(count, Origin::Draft)
    }

    /// Commits the whole branch unverified, because no verifier is within reach. What is heard later of these
    /// positions loses.
    pub fn go_on_alone(&mut self) -> Vec<Committed> {
        self.commit_own(self.branch().len(), Origin::Unverified)
    }

    fn commit_own(&mut self, count: usize, origin: Origin) -> Vec<Committed> {
        let own: Vec<_> = self.branch().iter().take(count).map(|&id| Committed { id, origin }).collect();
        self.committed += own.len();
        own
    }

    /// Ends what is committed at `at` and commits `ids` there, on the device's own account: the reply goes on otherwise
    /// than anybody wrote it. What was committed beyond `at` must not have been told to anybody yet. `peers` are all
    /// that go on being used; the next request to each gives it the device's text.
    pub fn decree<'a>(&mut self, at: usize, ids: &[TokenId], peers: impl IntoIterator<Item = &'a mut Peer>) {
        let at = at.min(self.committed);
        self.tokens.truncate(at);
        self.tokens.extend(ids);
        self.committed = self.tokens.len();
        peers.into_iter().for_each(|peer| peer.overruled(at, self.next_seq));
    }

    /// Returns the number of tokens up to which `peer` was sent what is drafted.
    #[must_use]
    pub fn sent(&self, peer: &Peer) -> usize {
        peer.sent(&self.tokens, self.committed)
    }

    /// Makes the next request to `peer`: what it lacks of the committed tokens, and what was drafted after them.
    pub fn advance(&mut self, peer: &mut Peer, wanted: &Wanted) -> (Advance, Asked) {
        let committed = self.committed;
        let is_behind = peer.assumed < committed || !peer.begun;
        let (base, draft_start) = if is_behind {
            (peer.assumed.min(committed), committed)
        } else {
            let sent = peer.sent(&self.tokens, committed).min(wanted.upto.max(committed));
            (sent, sent)
        };
        let begin = (!peer.begun).then(|| self.begin.clone());
        let given = if is_behind { base + self.fitting(base, begin.as_ref()) } else { committed };
        // What does not fit is given by the requests after this one, which drafts wait for.
        let is_part = given < committed;
        let draft_start = if is_part { given } else { draft_start };
        let end = wanted.upto.clamp(draft_start, self.tokens.len().max(draft_start)).min(draft_start + MAX_DRAFT);
        let end = if is_part { given } else { end };
        let ids = self.tokens.ids();
        let stand = if is_behind { &ids[base..given] } else { &[] };
        let seq = self.next_seq;
        self.next_seq += 1;
        let request = Advance {
            generation: self.generation,
            seq,
            have: number(given),
            base: number(base),
            check: self.tokens.hash_of(base).unwrap_or(PrefixHash::EMPTY),
            stand: stand.to_vec(),
            draft: ids[draft_start..end].to_vec(),
            grants: if is_part { Grants::NONE } else { wanted.grants },
            labels: wanted.labels,
            begin,
            deadline_ms: None,
        };
        let limit = (self.begin.reply_start as usize).saturating_add(self.begin.max_tokens as usize);
        let asked = Asked {
            generation: self.generation,
            seq,
            session: peer.session,
            base,
            stood: is_behind.then_some(given),
            is_part,
            begins: request.begin.is_some(),
            labels: wanted.labels,
            reply_start: self.begin.reply_start as usize,
            limit: limit.min(self.bounds.context as usize),
            vocabulary_size: self.bounds.vocabulary_size,
            clean: true,
            ended: false,
        };
        if !request.stand.is_empty() {
            // The session may hold another text from here on.
            peer.since = seq;
        }
        peer.begun = true;
        peer.assumed = given;
        let sent_before = peer.sent(&self.tokens, committed);
        let sent = if is_behind { end } else { end.max(sent_before) };
        peer.sent = self.tokens.hash_of(sent).map(|hash| (sent, hash));
        peer.last_seq = Some(seq);
        (request, asked)
    }

    /// Returns how many committed tokens from index `base` on fit into one request.
    fn fitting(&self, base: usize, begin: Option<&Begin>) -> usize {
        let beside = BESIDE_GIVEN + begin.map_or(0, Begin::bytes);
        let mut room = (self.bounds.max_body as usize).saturating_sub(beside).max(LEAST_GIVEN);
        let fits = |id: &&TokenId| {
            let bytes = id_bytes(**id) as usize;
            let fits = bytes <= room;
            room = room.saturating_sub(bytes);
            fits
        };
        self.tokens.ids()[base..self.committed].iter().take_while(fits).count()
    }

    /// Sets the bounds of the verifier that is asked from now on.
    pub fn set_bounds(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }
}

/// Returns a number of tokens as it is on the wire. No sequence has 2^32 tokens.
fn number(tokens: usize) -> u32 {
    u32::try_from(tokens).unwrap_or(u32::MAX)
}
