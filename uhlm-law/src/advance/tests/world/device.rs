//! The device of a world: it drafts, asks, listens, and judges when its reply has ended.

use std::collections::VecDeque;

use super::super::super::{Effects, Frame, Progress, Recovery, Wanted};
use super::super::model::END;
use super::super::rules::{Mutation, Violation};
use super::{Down, Listening, Up, World, check};

impl World {
    pub(super) fn is_sealed(&self) -> bool {
        let reply = self.conversation.tokens().len() - self.conversation.begin().reply_start as usize;
        let pending = self.conversation.branch().contains(&END);
        pending || reply >= self.rules.max_tokens as usize
    }

    pub(super) fn can_draft(&self) -> bool {
        !self.done && self.rules.window > 0 && self.conversation.branch().len() < self.rules.ahead && !self.is_sealed()
    }

    pub(super) fn draft(&mut self) {
        let prefix = self.conversation.tokens().hash();
        let is_first = self.conversation.branch().is_empty();
        self.conversation.draft(self.model().draft(prefix));
        if self.rules.opportunistic && is_first && self.rules.model.is_sure(prefix) {
            let skipped = self.conversation.skip(1);
            self.origins.extend(skipped.iter().map(|committed| committed.origin));
            self.judge_end();
            return;
        }
        let unsent = self.conversation.tokens().len() - self.conversation.sent(&self.peers[self.active]);
        if unsent >= self.rules.window || self.is_sealed() {
            self.ask();
        }
    }

    pub(super) fn ask(&mut self) {
        if self.done {
            return;
        }
        let upto = self.conversation.tokens().len();
        let wanted = Wanted { upto, grants: self.rules.grants, labels: self.rules.labels };
        let replica = self.active;
        let (request, asked) = self.conversation.advance(&mut self.peers[replica], &wanted);
        let request = if self.rules.encoded { self.encoded(&request) } else { request };
        let (stream, session) = (self.next_stream, self.peers[replica].session);
        self.next_stream += 1;
        self.listening.insert(stream, Listening { replica, asked });
        self.up.push(Up::Request { stream, replica, session, request });
    }

    pub(super) fn lose_patience(&mut self) {
        // Whether or not there was anything to hear, the device asks.
        if let Some(Listening { replica, asked }) = self.listening.values().next_back().cloned() {
            self.conversation.lost(&mut self.peers[replica], &asked);
        }
        self.ask();
    }

    pub(super) fn hear(&mut self, stream: u64) -> Result<(), Violation> {
        let message = self.down.get_mut(&stream).and_then(VecDeque::pop_front);
        let Some(mut listening) = self.listening.remove(&stream) else { return Ok(()) };
        let replica = listening.replica;
        let peer = &mut self.peers[replica];
        // A verifier may tell its progress before any frame of an answer, and no history is another one for it.
        let progress = Frame::Progress(Progress::default());
        let before = (peer.clone(), listening.asked.clone(), self.conversation.tokens().hash());
        let effects = self.conversation.hear(peer, &mut listening.asked, &progress);
        let after = (peer.clone(), listening.asked.clone(), self.conversation.tokens().hash());
        check(effects == Ok(Effects::default()) && before == after, "progress changes what the device knows")?;
        let effects = match message {
            Some(Down::Frame(mut frame)) => {
                if let (Some(Mutation::NoCheck), Frame::Text(text)) = (self.rules.mutation, &mut frame)
                    && let Some(hash) = self.conversation.tokens().hash_of(text.pos as usize)
                {
                    text.check = hash.short();
                }
                let effects = self.conversation.hear(peer, &mut listening.asked, &frame);
                let effects = effects.map_err(|invalid| format!("invalid answer: {invalid}"))?;
                if !listening.asked.is_ended() {
                    self.listening.insert(stream, listening);
                }
                effects
            }
            Some(Down::Refused(error)) => self.conversation.refused(peer, &listening.asked, &error),
            Some(Down::Broken) => self.conversation.lost(peer, &listening.asked),
            None => Effects::default(),
        };
        self.take(replica, effects)
    }

    pub(super) fn take(&mut self, replica: usize, effects: Effects) -> Result<(), Violation> {
        self.origins.extend(effects.committed.iter().map(|committed| committed.origin));
        self.judge_end();
        if effects.finished && self.is_exact() {
            check(self.done, "the reply is told to have ended, and has not")?;
        }
        self.done |= effects.finished;
        if let Some(labels) = &effects.labels {
            self.check_labels(labels)?;
        }
        match effects.recovery {
            None | Some(Recovery::AskAgain) => {}
            Some(Recovery::Reopen) => {
                self.peers[replica].reopened();
                let session = self.peers[replica].session;
                self.open(replica, session);
            }
            Some(Recovery::Retry) => {}
            Some(Recovery::GiveUp) => return Err("a request is refused for good".to_owned()),
        }
        let asks = effects.ask || effects.more || effects.recovery.is_some();
        // Where the target writes alone, what was granted may be used up.
        let is_heard = self.listening.values().any(|l| l.asked.generation == self.conversation.generation());
        let alone = self.rules.window == 0 && !is_heard && effects.ended.is_some();
        if (asks && replica == self.active) || alone {
            self.ask();
        }
        if self.done && self.generation + 1 < self.rules.generations {
            self.renew();
        }
        Ok(())
    }

    /// Judges for the device whether the reply has ended: by its end token or its length.
    pub(super) fn judge_end(&mut self) {
        let start = self.conversation.begin().reply_start as usize;
        let reply = &self.conversation.tokens().ids()[start..self.conversation.committed()];
        self.done |= reply.last() == Some(&END) || reply.len() >= self.rules.max_tokens as usize;
    }

    /// Begins the next turn: the reply, less its last token, and two more tokens.
    pub(super) fn renew(&mut self) {
        self.generation += 1;
        let ids = &self.conversation.tokens().ids()[..self.conversation.committed() - 1];
        let prompt = [ids, &[2, 1]].concat();
        let begin = Self::begin(&self.rules, prompt.len(), self.generation);
        self.conversation.renew(begin, &prompt, &mut self.peers);
        self.origins.clear();
        self.done = false;
        self.ask();
    }
}
