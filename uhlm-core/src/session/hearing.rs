//! The effects of an answer: commits, rollbacks, and what the gate and the link learn from it.

use std::time::{Duration, Instant};

use uhlm_law::advance::{EndReason, Frame};
use uhlm_law::calibration::Label;
use uhlm_law::gate::RoundBytes;

use super::end::End;
use super::inbox::Tag;
use super::run::Run;
use super::token::Decided;
use super::unread::Heard;
use super::verdict::{Outcome, Told, Verdict};
use crate::event::FinishReason;
use crate::link::Exchange;
use crate::verifier::{Answer, BodyBytes, VerifierError};

impl Run<'_> {
    /// Handles all messages that have come, in order.
    pub(super) fn settle(&mut self) -> Result<(), End> {
        if let Some(result) = self.mail.opened.take() {
            self.opened(result)?;
        }
        while let Some((tag, part)) = self.mail.frames.pop_front() {
            self.hear(tag, part.read())?;
        }
        self.end_grace()
    }

    /// Handles one part of the answer to a request, or the failure of it.
    fn hear(&mut self, tag: Tag, heard: Heard) -> Result<(), End> {
        let now = self.now();
        let Some(remote) = &mut self.remote else { return Ok(()) };
        let Some(stream) = remote.streams.iter_mut().find(|stream| stream.tag == tag) else { return Ok(()) };
        let answer = match heard {
            Ok(answer) => answer,
            Err(error) => return self.failed(tag, error),
        };
        let counted = std::mem::take(&mut stream.counted);
        self.reply.statistics.count_up(answer.bytes.up, counted);
        if !self.pipeline.asked_for_this(&stream.asked) {
            return self.heard_late(tag, answer);
        }
        if matches!(answer.value, Frame::Progress(_)) && !stream.asked.is_ended() {
            return if self.is_fruitless() { self.failed(tag, fruitless()) } else { self.at_it(answer.bytes) };
        }
        self.heard_request = Some(stream.number);
        // The answer may have come while the device was at a step.
        let came = (stream.sent + answer.elapsed).min(now);
        match self.pipeline.hear(&mut remote.peer, &mut stream.asked, &answer.value, now) {
            Ok(outcome) => self.apply(tag, &answer, outcome, came),
            Err(invalid) => self.failed(tag, VerifierError::InvalidAnswer { reason: invalid.to_string() }),
        }
    }

    /// Takes note that the verifier is there, and at work on what it was asked. It is not waited for in vain, even
    /// where it lost its session before and reads everything once more.
    fn at_it(&mut self, bytes: BodyBytes) -> Result<(), End> {
        self.account(bytes);
        self.reached(None, Duration::ZERO, 1);
        self.outage.at_work();
        Ok(())
    }

    /// Takes note of an answer that brings no token; tells whether the verifier has said enough of the kind.
    fn is_fruitless(&mut self) -> bool {
        let now = self.now();
        self.outage.fruitless(now) > self.options.link.max_fruitless
    }

    /// Takes a frame of an answer for which an earlier reply asked, to try the link. It tells nothing for this reply
    /// but that the verifier answers.
    fn heard_late(&mut self, tag: Tag, answer: Answer<Frame>) -> Result<(), End> {
        self.account(answer.bytes);
        let now = self.now();
        if let Some(remote) = &mut self.remote {
            remote.heard_late(tag, Ok(answer), now);
        }
        self.reached(None, Duration::ZERO, 1);
        Ok(())
    }

    /// Applies the outcome of a frame that came at the time `came`.
    fn apply<T>(&mut self, tag: Tag, answer: &Answer<T>, outcome: Outcome, came: Instant) -> Result<(), End> {
        self.account(answer.bytes);
        if outcome.standing.is_empty() && self.is_fruitless() {
            return self.failed(tag, fruitless());
        }
        if outcome.ended == Some(EndReason::Superseded) {
            return self.superseded(tag);
        }
        if outcome.finished && !self.believes(outcome.ended)? {
            let reason = "an end that the text does not have".into();
            return self.failed(tag, VerifierError::InvalidAnswer { reason });
        }
        if let Some(told) = &outcome.told {
            self.target.last_heard = Some((came, self.rhythm(told.pass.as_secs_f64(), came)));
        }
        let known = self.reply.statistics.target_passes;
        if let Some(passes) = outcome.passes {
            let passes = known.max(self.target.passes_before + u64::from(passes));
            self.reply.statistics.target_passes = passes;
            self.remote.iter_mut().for_each(|remote| remote.passes_heard(tag, passes - known));
        }
        if let Some(remote) = &mut self.remote {
            remote.has_read();
            if outcome.ended.is_some() {
                remote.finish(tag);
            }
        }
        self.reached(outcome.told, answer.elapsed, answer.attempts);
        self.learn(&outcome);
        if let Some(verdict) = &outcome.verdict {
            self.count(verdict);
        }
        if !outcome.standing.is_empty() {
            self.outage.decided();
        }
        let closings = self.closing.count;
        self.commit_all(outcome.standing)?;
        if self.closing.count > closings {
            // The rest of this answer is about a text that goes on otherwise.
            return Ok(());
        }
        if let Some(reason) = outcome.ended.filter(|_| outcome.finished) {
            return Err(self.reason(reason).into());
        }
        self.commit_skipped_behind()?;
        if outcome.more {
            return self.ask();
        }
        if outcome.ask {
            if let Some(remote) = &mut self.remote {
                let reason = "its text does not follow what it was told".into();
                remote.last_failure = Some(VerifierError::InvalidAnswer { reason });
            }
            return self.ask_again();
        }
        // The tokens that were to be sent may have been decided by now.
        self.due = (self.due && self.needs_verdict()) || self.closes()?;
        Ok(())
    }

    /// Takes note that another request took the place of this answer: a later one of this device, whose answer brings
    /// the rest, or this one again, repeated on the way, whose answer nobody hears. Then what is not decided is asked
    /// for once more.
    fn superseded(&mut self, tag: Tag) -> Result<(), End> {
        let Some(remote) = &mut self.remote else { return Ok(()) };
        let Some(place) = remote.streams.iter().position(|stream| stream.tag == tag) else { return Ok(()) };
        let asked = remote.streams[place].asked.clone();
        let is_last = place + 1 == remote.streams.len();
        remote.superseded(tag);
        // An answer that only says that a later one took its place tells nothing about the link.
        if !is_last {
            return Ok(());
        }
        if let Some(conversation) = self.pipeline.conversation() {
            conversation.lost(&mut remote.peer, &asked);
        }
        self.reached(None, Duration::ZERO, 1);
        self.ask_again()
    }

    /// Tells whether the reply can have ended for the reason `ended`. Every end but that of the target's context is in
    /// the text, and the device that commits its last token ends there by itself.
    fn believes(&mut self, ended: Option<EndReason>) -> Result<bool, End> {
        Ok(match ended {
            Some(EndReason::Eog | EndReason::Stop) => false,
            Some(EndReason::Max) => self.reply.is_at_limit() || self.is_full()?,
            _ => true,
        })
    }

    /// Commits skipped tokens that waited for a verdict before them.
    fn commit_skipped_behind(&mut self) -> Result<(), End> {
        if self.mode.judges() { self.commit_skipped() } else { Ok(()) }
    }

    /// Says again what the device has, because something is missing on either side. A verifier to which that is said
    /// again and again without a token that comes of it is given up, and with it the session.
    pub(super) fn ask_again(&mut self) -> Result<(), End> {
        self.reply.statistics.resent += u64::from(self.pipeline.call_back());
        self.outage.desynced();
        if self.outage.needs_another_session() {
            return self.start_over();
        }
        if self.mode == crate::mode::Mode::RemoteOnly {
            // The next turn asks for the rest.
            return Ok(());
        }
        self.due = self.needs_verdict();
        if self.due || !self.remote.as_ref().is_some_and(|remote| remote.is_ready()) {
            return Ok(());
        }
        self.ask()
    }

    /// Adds the size of an answer's body to the statistics; that of its request counts since it was sent.
    pub(super) fn account(&mut self, bytes: BodyBytes) {
        self.reply.statistics.body_down += bytes.down;
        self.bytes.up += bytes.up;
        self.bytes.down += bytes.down;
    }

    /// Takes note that the verifier answered, `elapsed` after it was asked the last of `attempts` times, and of what it
    /// told about its pass.
    pub(super) fn reached(&mut self, told: Option<Told>, elapsed: Duration, attempts: u32) {
        self.outage.answered();
        let Some(remote) = &mut self.remote else { return };
        match told {
            Some(Told { rows, pass, queue: Some(queue) }) => {
                remote.link.on_answer(&Exchange { elapsed, queue, pass, rows, attempts });
            }
            Some(Told { rows, pass, queue: None }) => {
                remote.link.on_pass(rows, pass);
                remote.link.on_reachable();
            }
            None => {
                remote.link.on_reachable();
            }
        }
        self.tell_state();
    }

    /// Learns from what the target said about drafted tokens.
    fn learn(&mut self, outcome: &Outcome) {
        let statistics = &mut self.reply.statistics;
        let is_drawn = |decided: &&Decided| !decided.drafted.forced;
        for decided in outcome.judged.iter().filter(is_drawn) {
            statistics.judged += 1;
            statistics.rejected += u64::from(!decided.matched);
        }
        for decided in outcome.skipped.iter().filter(is_drawn) {
            statistics.skipped_labelled += 1;
            statistics.skipped_matched += u64::from(decided.matched);
        }
        for &Decided { drafted, matched, p } in outcome.judged.iter().chain(&outcome.skipped).filter(is_drawn) {
            self.pacer.observe(drafted.beta, matched);
            let features = drafted.features();
            self.drafter.gate.observe_verdict(&features, matched, p);
            if let (Some(labels), Some(p)) = (&mut statistics.labels, p) {
                labels.push(Label { features, p, matched });
            }
        }
    }

    /// Counts a verdict.
    fn count(&mut self, verdict: &Verdict) {
        let bytes = std::mem::take(&mut self.bytes);
        self.drafter.gate.observe_bytes(&RoundBytes {
            all: bytes.up + bytes.down,
            context: verdict.given_bytes,
            skipped: verdict.given,
            judged: verdict.window,
        });
        let small = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let statistics = &mut self.reply.statistics;
        statistics.verdicts += 1;
        statistics.round_bytes.push((small(bytes.up), small(bytes.down)));
        statistics.round_tokens.push(small(verdict.window as u64));
        statistics.verdict_times.push(verdict.timing);
    }

    /// Returns the reason that the app hears. The verifier was told of no more tokens than the device's context has
    /// room for.
    fn reason(&self, reason: EndReason) -> FinishReason {
        match reason {
            EndReason::Eog => FinishReason::EndOfReply,
            EndReason::Stop => FinishReason::StopSequence,
            EndReason::Max if self.reply.is_at_limit() => FinishReason::MaxTokens,
            EndReason::Max | EndReason::Context | EndReason::Granted | EndReason::Superseded => {
                FinishReason::ContextFull
            }
        }
    }
}

/// Makes the failure of a verifier that goes on answering and brings nothing.
fn fruitless() -> VerifierError {
    VerifierError::InvalidAnswer { reason: "it goes on answering, and brings no token".into() }
}
