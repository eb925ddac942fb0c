//! The device's reactions to what it hears: frames, refusals, and silence.

use super::super::answer::{Asked, InvalidAnswer};
use super::super::failure::{ErrorBody, ErrorCode};
use super::super::frame::{EndReason, Frame, Text};
use super::super::peer::Peer;
use super::{Committed, Conversation, Effects, Origin, Recovery};
use crate::sampling::TokenId;

impl Conversation {
    /// Takes a frame of the answer to what was `asked` of `peer`. Answers may come in any order, more than once, from
    /// any session that was asked, and long after others; a frame of an earlier generation changes nothing.
    ///
    /// # Errors
    /// [`InvalidAnswer`] for a frame that is no answer to what was asked; nothing has changed, and the verifier is not
    /// to be trusted any further.
    pub fn hear(&mut self, peer: &mut Peer, asked: &mut Asked, frame: &Frame) -> Result<Effects, InvalidAnswer> {
        asked.admit(frame)?;
        if asked.generation != self.generation {
            return Ok(Effects::default());
        }
        match frame {
            Frame::Text(text) => self.hear_text(peer, asked, text),
            Frame::End(reason) => Ok(self.hear_end(peer, asked, *reason)),
            Frame::Failed(error) => Ok(self.refused(peer, asked, error)),
            // It may be said before the session has seen the request, so nothing follows for what the session holds.
            Frame::Progress(_) => Ok(Effects::default()),
        }
    }

    fn hear_text(&mut self, peer: &mut Peer, asked: &mut Asked, text: &Text) -> Result<Effects, InvalidAnswer> {
        let pos = text.pos as usize;
        let is_same = self.tokens.hash_of(pos).is_some_and(|hash| hash.short() == text.check);
        let of_this_session = asked.session == peer.session;
        if pos > self.committed && !is_same {
            // Something before it was not heard. Where there is a later request, that has said what the device has.
            let was_clean = std::mem::replace(&mut asked.clean, false);
            return Ok(Effects { ask: was_clean && self.is_last(peer, asked), ..Effects::default() });
        }
        let overlap = self.committed.saturating_sub(pos).min(text.ids.len());
        let agreed = if is_same { self.tokens.agreement(pos, &text.ids[..overlap]) } else { 0 };
        if !is_same || agreed < overlap {
            if self.counts(peer, asked) && peer.agreed > pos + agreed {
                return Err(InvalidAnswer::TakenBack { pos: text.pos });
            }
            if of_this_session && is_same {
                peer.agree(pos + agreed);
            }
            asked.clean = false;
            return Ok(Effects { ask: self.contradict(peer, asked), ..Effects::default() });
        }
        let mut effects = Effects { labels: text.labels.clone(), ..Effects::default() };
        // What was drafted up to the frame's place is the target's own.
        let verified: Vec<TokenId> = self.tokens.ids()[self.committed.min(pos)..pos].to_vec();
        verified.iter().chain(&text.ids[overlap..]).for_each(|&id| self.commit(id, &mut effects));
        self.note_taken(peer, asked);
        if of_this_session {
            peer.agree(pos + text.ids.len());
        }
        Ok(effects)
    }

    /// Commits the target's token for the next position.
    fn commit(&mut self, id: TokenId, effects: &mut Effects) {
        let origin = if self.branch().first() == Some(&id) {
            Origin::Verified
        } else {
            effects.rolled_back += self.branch().len();
            self.tokens.truncate(self.committed);
            self.tokens.push(id);
            Origin::Target
        };
        self.committed += 1;
        effects.committed.push(Committed { id, origin });
    }

    fn hear_end(&mut self, peer: &mut Peer, asked: &Asked, reason: EndReason) -> Effects {
        let mut effects = Effects { ended: Some(reason), ..Effects::default() };
        if reason != EndReason::Superseded {
            self.note_taken(peer, asked);
        }
        let of_this_session = asked.session == peer.session;
        if reason.ends_reply() && asked.clean && of_this_session && peer.agreed >= self.committed {
            // The session's text begins with all that is committed, and what it had beyond was told.
            effects.finished = true;
        } else if self.is_last(peer, asked) && asked.is_part && reason == EndReason::Granted && asked.clean {
            effects.more = true;
        } else if self.is_last(peer, asked) {
            let unjudged = reason == EndReason::Granted && self.sent(peer) > self.committed;
            if reason.ends_reply() || unjudged || (reason == EndReason::Granted && !asked.clean) {
                effects.ask = true;
                peer.forget(self.next_seq);
            }
        }
        effects
    }

    /// Takes a refusal of what was `asked`, in place of an answer or at its end.
    pub fn refused(&mut self, peer: &mut Peer, asked: &Asked, error: &ErrorBody) -> Effects {
        if !self.counts(peer, asked) {
            return Effects::default();
        }
        let recovery = match error.code {
            // The request built on no tokens and left nothing out, so asking again would not help.
            ErrorCode::Desync if asked.base == 0 && asked.begins => Recovery::GiveUp,
            ErrorCode::Desync => {
                if asked.base <= peer.agreed {
                    peer.agreed = 0;
                }
                peer.known_begun = false;
                peer.forget(self.next_seq);
                let held = error.held.map_or(0, |held| held as usize);
                if held < asked.base {
                    peer.assumed = peer.assumed.max(held.min(self.committed));
                }
                Recovery::AskAgain
            }
            ErrorCode::Gone => Recovery::Reopen,
            ErrorCode::RateLimited | ErrorCode::Internal | ErrorCode::Unavailable => {
                peer.forget(self.next_seq);
                Recovery::Retry
            }
            ErrorCode::Malformed | ErrorCode::Unauthorized | ErrorCode::TooLarge | ErrorCode::Unsupported => {
                Recovery::GiveUp
            }
        };
        Effects { recovery: Some(recovery), ask: recovery == Recovery::AskAgain, ..Effects::default() }
    }

    /// Takes note that the answer to what was `asked` broke off, or that it has been silent for too long. The next
    /// request holds everything that may not have arrived. The loss of an answer that a later one replaces changes
    /// nothing.
    pub fn lost(&mut self, peer: &mut Peer, asked: &Asked) -> Effects {
        if !self.is_last(peer, asked) || !self.counts(peer, asked) {
            return Effects::default();
        }
        peer.forget(self.next_seq);
        Effects { ask: true, ..Effects::default() }
    }

    /// Takes note that the session has taken the request, and so holds what was given with it.
    fn note_taken(&self, peer: &mut Peer, asked: &Asked) {
        if asked.session == peer.session {
            peer.known_begun = true;
            peer.begun = true;
            peer.agree(asked.stood.unwrap_or(0));
        }
    }

    /// Takes note that the session holds another text than the device has committed; returns whether to ask at once.
    fn contradict(&self, peer: &mut Peer, asked: &Asked) -> bool {
        let counts = self.counts(peer, asked);
        if counts {
            peer.forget(self.next_seq);
        }
        counts
    }

    /// Tells whether the answer says anything about what the session holds now.
    fn counts(&self, peer: &Peer, asked: &Asked) -> bool {
        asked.generation == self.generation && asked.session == peer.session && asked.seq >= peer.since
    }

    fn is_last(&self, peer: &Peer, asked: &Asked) -> bool {
        asked.generation == self.generation && asked.session == peer.session && peer.last_seq == Some(asked.seq)
    }
}
