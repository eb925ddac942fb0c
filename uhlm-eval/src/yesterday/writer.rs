//! Runs the rule on recorded replies, event by event.
//!
//! Decides when each step happens and what it costs; the steps are the session's: take what has come, send what is due,
//! draft or wait. The writer is pure: all randomness is in the [`Facts`].

use std::collections::VecDeque;

use super::facts::{Draft, Facts};
use super::link::{Link, Written};
use super::predictor::Predictor;
use super::rule::{Rule, Situation};
use super::window::Window;
use crate::costs::PassCosts;

/// Weights of the newest value in the averages that the rule uses.
const NEWEST_TIME: f64 = 0.1;
const NEWEST_BETA: f64 = 1.0 / 32.0;

/// A device with its predictor and averages, which it keeps from reply to reply.
#[derive(Clone, Debug)]
pub struct Writer<'a> {
    rule: Rule,
    costs: &'a PassCosts,
    link: Link,
    predictor: Predictor,
    mean_beta: f64,
    draft_seconds: f64,
}

/// A drafted token that is not decided yet.
#[derive(Clone, Copy, Debug)]
struct Pending {
    draft: Draft,
    beta: f64,
    stands: bool,
}

/// A window whose verdict is awaited.
#[derive(Clone, Copy, Debug)]
struct Flight {
    /// Position of its first token, and below the position after its last.
    start: usize,
    end: usize,
    sent: f64,
    /// Time when its verdict arrives; infinite for a window that rests on a token which is not accepted.
    due: f64,
    /// Whether the verdict brings a further token.
    has_further: bool,
}

impl<'a> Writer<'a> {
    /// Makes a device whose predictor was fitted to these replies, as a calibration run on them would have.
    #[must_use]
    pub fn new(rule: Rule, costs: &'a PassCosts, link: Link, replies: &[Facts]) -> Self {
        let labels: Vec<_> = replies.iter().flat_map(Facts::labels).collect();
        let mean_beta = labels.iter().map(|label| label.beta).sum::<f64>() / labels.len().max(1) as f64;
        Self { rule, costs, link, predictor: Predictor::fit(&labels), mean_beta, draft_seconds: 0.0 }
    }

    /// Writes a reply.
    pub fn write(&mut self, facts: &Facts) -> Written {
        let mut reply = Reply {
            // The prompt is read in one pass, after which the first token's logits are known.
            now: self.costs.draft(1).as_secs_f64(),
            writer: self,
            facts,
            committed: 0,
            read: 0,
            branch: VecDeque::new(),
            flights: VecDeque::new(),
            is_due: false,
            target_free: 0.0,
            unsent: facts.prompt,
            written: Written::default(),
        };
        while reply.committed < facts.positions.len() {
            reply.turn();
        }
        Written { tokens: reply.committed, seconds: reply.now, ..reply.written }
    }
}

/// A reply that is being written. Positions count from its first token.
struct Reply<'w, 'a> {
    writer: &'w mut Writer<'a>,
    facts: &'w Facts,
    now: f64,
    committed: usize,
    /// Number of tokens of the reply that the draft model has read.
    read: usize,
    branch: VecDeque<Pending>,
    flights: VecDeque<Flight>,
    is_due: bool,
    /// Time when the target is free again.
    target_free: f64,
    /// Number of committed tokens, or those of the prompt, that the verifier has not been told.
    unsent: usize,
    written: Written,
}

impl Reply<'_, '_> {
    fn turn(&mut self) {
        while let Some(flight) = self.flights.front().copied().filter(|flight| flight.due <= self.now) {
            self.flights.pop_front();
            self.hear(flight);
            if self.committed >= self.facts.positions.len() {
                return;
            }
        }
        if self.is_due && self.flights.len() < self.writer.rule.in_flight && self.open().len > 0 {
            self.send();
        }
        let situation = self.situation();
        if self.writer.rule.can_draft(&situation) {
            self.draft();
        } else if self.writer.rule.closes_idle(&situation) {
            self.is_due = true;
        } else {
            // Some window is in flight whenever nothing can be drafted or sent.
            let due = self.flights.front().map_or(f64::INFINITY, |flight| flight.due);
            self.now = self.now.max(due);
        }
    }

    /// Returns the position after the last drafted token.
    fn end(&self) -> usize {
        self.committed + self.branch.len()
    }

    /// Returns the position of the first token of the open window.
    fn open_start(&self) -> usize {
        let behind = |flight: &Flight| flight.end + usize::from(self.writer.rule.guesses_apart && flight.has_further);
        self.flights.back().map_or(self.committed, behind).max(self.committed)
    }

    fn open(&self) -> Window {
        let sent = self.open_start() - self.committed;
        self.branch.iter().skip(sent).map(|pending| pending.beta).collect()
    }

    fn is_sealed(&self) -> bool {
        let is_last = self.branch.back().is_some_and(|last| last.stands) && self.end() == self.facts.positions.len();
        self.end() >= self.facts.limit || (is_last && self.facts.ends)
    }

    fn situation(&self) -> Situation {
        let (window, last) = (self.open(), self.flights.back());
        let pass = |tokens: usize| self.writer.costs.target(tokens, tokens + 1).as_secs_f64();
        Situation {
            window,
            pending: self.branch.len(),
            survival: self.branch.iter().map(|pending| 1.0 - pending.beta.clamp(0.0, 1.0)).product(),
            is_sealed: self.is_sealed(),
            windows: self.flights.len(),
            is_due: self.is_due,
            is_at_work: last.is_some_and(|last| self.now - last.sent < pass(last.end - last.start)),
            next_beta: self.writer.mean_beta,
            pass: pass(window.len),
            draft: self.writer.draft_seconds,
        }
    }

    fn draft(&mut self) {
        let (position, batch) = (self.end(), self.end() - self.read);
        let spent = if batch == 0 { 0.0 } else { self.writer.costs.draft(batch).as_secs_f64() };
        self.now += spent;
        self.read = position;
        let is_guess = self.writer.rule.guesses_apart
            && self.flights.back().is_some_and(|flight| flight.has_further && flight.end == position);
        let positions = &self.facts.positions;
        let follows = self.branch.iter().all(|pending| pending.stands);
        let Some(fact) = positions.get(position).or(positions.last()) else { return };
        let (draft, stands) = match position < positions.len() && follows {
            true if is_guess => (fact.guess, fact.guessed),
            true => (fact.draft, fact.accepted),
            false => (fact.astray, false),
        };
        let beta = self.writer.predictor.beta(draft.u, draft.q);
        average(&mut self.writer.mean_beta, beta, NEWEST_BETA);
        average(&mut self.writer.draft_seconds, spent, NEWEST_TIME);
        self.written.drafted += 1;
        self.branch.push_back(Pending { draft, beta, stands });
        if !is_guess {
            self.close();
        }
    }

    /// Marks the open window as due if the rule says so.
    fn close(&mut self) {
        self.is_due = self.is_due || self.writer.rule.closes(&self.situation());
    }

    fn send(&mut self) {
        self.is_due = false;
        let (start, end, has_further) = (self.open_start(), self.end(), !self.is_sealed());
        let is_void = self.branch.iter().take(start - self.committed).any(|pending| !pending.stands);
        // A window behind a guess names the guess as a token that the verifier holds.
        let given = self.unsent + start.saturating_sub(self.flights.back().map_or(start, |flight| flight.end));
        self.unsent = 0;
        let (drafted, stands) = (end - start, self.branch.iter().skip(start - self.committed).take_while(|p| p.stands));
        let accepted = stands.count();
        let arrived = self.now + self.request(12 + 3 * given + 7 * drafted);
        let mut due = f64::INFINITY;
        if !is_void {
            let pass = self.writer.costs.target(given + drafted, drafted + usize::from(has_further)).as_secs_f64();
            self.target_free = arrived.max(self.target_free) + pass;
            self.written.passes += 1;
            let body = if accepted == drafted { 16 + 4 * drafted } else { 66 + 4 * (accepted + 1) };
            due = self.target_free + self.answer(body);
        }
        self.flights.push_back(Flight { start, end, sent: self.now, due, has_further });
    }

    /// Counts a request whose body has `body` bytes; returns the seconds that it is under way.
    fn request(&mut self, body: usize) -> f64 {
        self.writer.link.request(body, &mut self.written)
    }

    /// Counts an answer whose body has `body` bytes; returns the seconds that it is under way.
    fn answer(&mut self, body: usize) -> f64 {
        self.writer.link.answer(body, &mut self.written)
    }

    /// Takes a verdict: commits the accepted tokens, and the target's token behind them.
    fn hear(&mut self, flight: Flight) {
        // An accepted token may have been committed with the verdict before, as the token that it brought.
        while self.committed < flight.end {
            let Some(pending) = self.branch.pop_front() else { return };
            self.writer.predictor.observe(&pending.draft.label());
            if !pending.stands {
                self.replace();
                self.close();
                return;
            }
            self.committed += 1;
        }
        if flight.has_further && self.committed < self.facts.positions.len() {
            match self.branch.pop_front() {
                Some(guess) if guess.stands => {
                    if !self.writer.rule.guesses_apart {
                        self.writer.predictor.observe(&guess.draft.label());
                    }
                    self.committed += 1;
                }
                guess => {
                    if let Some(guess) = guess.filter(|_| !self.writer.rule.guesses_apart) {
                        self.writer.predictor.observe(&guess.draft.label());
                    }
                    self.go_back();
                }
            }
            // The verifier wrote the further token itself.
            self.unsent = 0;
        }
        self.close();
    }

    /// Puts the target's token in the place of a rejected one, once enough draws have come to find it.
    fn replace(&mut self) {
        if self.writer.rule.guesses_apart {
            let fact = self.facts.positions.get(self.committed).copied().unwrap_or_default();
            for asked in 0..fact.refills {
                self.now += self.request(6) + self.answer(2 + 7 * (16 << asked));
            }
            self.unsent = 1;
        }
        self.go_back();
    }

    /// Takes all drafted tokens back, and commits the target's token.
    fn go_back(&mut self) {
        self.branch.clear();
        self.flights.clear();
        self.is_due = false;
        self.read = self.read.min(self.committed);
        self.committed += 1;
    }
}

fn average(mean: &mut f64, value: f64, newest: f64) {
    *mean = if *mean == 0.0 { value } else { *mean + newest * (value - *mean) };
}

#[cfg(test)]
mod tests;
