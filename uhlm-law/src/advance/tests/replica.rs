//! A verifier's session with an engine that does what it is told, and checks that it is told nothing impossible.

use std::collections::BTreeSet;

use super::super::{
    Advance, ErrorBody, ErrorCode, Frame, Limits, Next, PassKind, PassTiming, Plan, PrefixHash, Refusal, Row, Sent,
    StreamId, TargetSession,
};
use super::model::Model;
use super::rules::{Mutation, Violation};
use crate::sampling::TokenId;

#[derive(Clone, Debug)]
pub(super) struct Session {
    replica: usize,
    max_draft: usize,
    model: Model,
    mutation: Option<Mutation>,
    pub(super) target: TargetSession,
    /// Tokens that the engine holds.
    cache: Vec<TokenId>,
    running: Option<(Plan, u64)>,
    /// Answers that were begun and not ended.
    live: BTreeSet<StreamId>,
    /// Whether there is nothing to do until something comes.
    idle: bool,
}

type Frames = Vec<(StreamId, Frame)>;

impl Session {
    pub(super) fn new(replica: usize, limits: Limits, model: Model, mutation: Option<Mutation>) -> Self {
        Self {
            replica,
            max_draft: limits.max_draft as usize,
            model,
            mutation,
            target: TargetSession::new(limits),
            cache: Vec::new(),
            running: None,
            live: BTreeSet::new(),
            idle: true,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.idle
    }

    pub(super) fn is_passing(&self) -> bool {
        self.running.is_some()
    }

    pub(super) fn accept(&mut self, stream: StreamId, request: &Advance) -> Result<Result<Frames, Refusal>, Violation> {
        self.idle = false;
        let before = self.target.clone();
        let mut twice = before.clone();
        match self.target.accept(stream, request, &self.model) {
            Ok(sent) => {
                self.live.insert(stream);
                // Any request repeated changes nothing but who hears the answer.
                let copy = StreamId(u64::MAX);
                let repeated = [copy, stream].iter().all(|stream| twice.accept(*stream, request, &self.model).is_ok());
                if !repeated || twice != self.target {
                    return Err("a repeated request changed something".to_owned());
                }
                self.send(sent, true).map(Ok)
            }
            Err(refusal) => {
                if before == self.target {
                    Ok(Err(refusal))
                } else {
                    Err("a refused request changed something".to_owned())
                }
            }
        }
    }

    pub(super) fn reset(&mut self, stream: StreamId) {
        self.idle = false;
        self.live.remove(&stream);
        self.target.reset(stream);
    }

    pub(super) fn evict(&mut self) {
        let kept = self.cache.len() / 3;
        self.cache.truncate(kept);
        self.running = None;
        self.idle = false;
        if self.mutation == Some(Mutation::HiddenEviction) {
            self.target.pass_abandoned(usize::MAX);
        } else {
            self.target.cache_lost(kept);
        }
    }

    /// Lets the engine fail, or give the pass up half-way.
    pub(super) fn fail(&mut self) -> Result<Frames, Violation> {
        let Some((plan, seed)) = self.running.take() else { return Ok(Vec::new()) };
        if seed % 2 == 0 && plan.tokens.len() > 1 {
            self.decode(&plan, plan.tokens.len() / 2)?;
            self.target.pass_abandoned(self.cache.len());
            return Ok(Vec::new());
        }
        self.cache.clear();
        let error = ErrorBody { code: ErrorCode::Internal, reason: String::new(), held: None };
        let sent = self.target.pass_failed(error);
        self.send(sent, false)
    }

    /// Begins the next pass, or ends the one under way.
    pub(super) fn step(&mut self) -> Result<Frames, Violation> {
        if let Some((plan, seed)) = self.running.take() {
            return self.end_pass(&plan, seed);
        }
        match self.target.next(self.max_draft) {
            Next::Pass(plan) => {
                let seed = self.target.begin().map_or(0, |begin| begin.seed);
                self.running = Some((plan, seed));
                Ok(Vec::new())
            }
            Next::End(sent) => self.send(vec![sent], false),
            Next::Idle => {
                self.idle = true;
                Ok(Vec::new())
            }
            Next::Busy => Err("a pass is under way, and the engine knows of none".to_owned()),
        }
    }

    fn decode(&mut self, plan: &Plan, count: usize) -> Result<(), Violation> {
        if self.cache.len() < plan.keep {
            return Err("the engine is to keep what it does not hold".to_owned());
        }
        self.cache.truncate(plan.keep);
        self.cache.extend(&plan.tokens[..count]);
        Ok(())
    }

    fn end_pass(&mut self, plan: &Plan, seed: u64) -> Result<Frames, Violation> {
        self.decode(plan, plan.tokens.len())?;
        let model = Model { seed, ..self.model };
        if plan.rows > plan.tokens.len() {
            return Err("a row is wanted that is not computed".to_owned());
        }
        let mut rows = Vec::new();
        for i in 0..plan.rows {
            // The row's own prefix is what the engine has decoded up to it: a plan that is wrong makes a text that is
            // wrong.
            let prefix = &self.cache[..plan.keep + plan.tokens.len() - plan.rows + i + 1];
            if prefix.len() != plan.first + i {
                return Err("a row decides another position than it is said to".to_owned());
            }
            let mut winner = model.winner(PrefixHash::of(prefix), self.replica);
            let drafted = plan.scored.get(i).copied();
            if self.mutation == Some(Mutation::AcceptUnequal) && i >= plan.contexts {
                winner = drafted.unwrap_or(winner);
            }
            if self.mutation == Some(Mutation::SkipBonus) && drafted.is_none() {
                winner = model.winner(PrefixHash::of(prefix).push(winner), self.replica);
            }
            rows.push(Row { winner, p: plan.probabilities.then_some(0.5) });
            if plan.settles(i, winner) {
                break;
            }
        }
        let timing = PassTiming { pass_us: 300, queue_us: Some(20) };
        if self.mutation == Some(Mutation::OldSeed) && !self.target.pass_is_wanted() && self.target.stream().is_some() {
            return self.misreport(&rows);
        }
        let sent = self.target.pass_ended(&rows, (plan.kind == PassKind::Judged).then_some(timing), &self.model);
        self.send(sent, false)
    }

    /// Reports a discarded pass as if it had been made for the text as it is.
    fn misreport(&mut self, rows: &[Row]) -> Result<Frames, Violation> {
        self.target.pass_abandoned(self.cache.len());
        if let (Next::Pass(real), Some(row)) = (self.target.next(0), rows.last()) {
            self.cache.truncate(real.keep);
            self.cache.extend(&real.tokens);
            let rows = vec![*row; real.rows];
            let sent = self.target.pass_ended(&rows, None, &self.model);
            return self.send(sent, false);
        }
        Ok(Vec::new())
    }

    /// Sends frames, of which those of a request's arrival can be broken on purpose.
    fn send(&mut self, sent: Vec<Sent>, arrival: bool) -> Result<Frames, Violation> {
        let mut frames = Vec::new();
        for Sent { stream, mut frame } in sent {
            if !self.live.contains(&stream) {
                return Err("a frame for an answer that has ended".to_owned());
            }
            match (&mut frame, self.mutation) {
                (Frame::End(_) | Frame::Failed(_), Some(Mutation::TwoStreams)) if arrival => continue,
                (Frame::Text(_), Some(Mutation::KeepText)) if arrival => continue,
                (Frame::Text(text), Some(Mutation::StaleText)) if arrival => {
                    text.ids.insert(0, self.target.text().ids()[text.pos as usize - 1]);
                }
                _ => {}
            }
            if frame.is_last() {
                self.live.remove(&stream);
            }
            frames.push((stream, frame));
        }
        Ok(frames)
    }

    /// Returns all that distinguishes this state from others of the session.
    pub(super) fn key(&self) -> impl std::fmt::Debug {
        (&self.target, &self.cache, &self.running, &self.live, self.idle)
    }

    pub(super) fn check(&self) -> Result<(), Violation> {
        if self.live.len() > 1 {
            return Err("two answers are live at once".to_owned());
        }
        if self.live.iter().next().copied() != self.target.stream() {
            return Err("the session has another answer in mind than the one that is live".to_owned());
        }
        let decoded = self.target.decoded();
        if self.cache.get(..decoded) != self.target.text().ids().get(..decoded) {
            return Err("the engine does not hold what the session takes it to hold".to_owned());
        }
        Ok(())
    }
}
