//! Passes of a session: which one is next, and what its rows change.

use super::super::ending::Ending;
use super::super::failure::ErrorBody;
use super::super::frame::{EndReason, Frame, Labels, MAX_LABELS};
use super::super::outlet::Sent;
use super::super::plan::{Next, PassKind, PassTiming, Plan, Row};
use super::super::request::Grant;
use super::{Pass, Stream, TargetSession};
use crate::sampling::TokenId;

impl TargetSession {
    /// Returns the session's next step. `max_draft` is the largest number of drafted tokens that the caller has room
    /// for in a pass; the session's own limit holds as well. It is best called when the requests that have arrived are
    /// taken.
    pub fn next(&mut self, max_draft: usize) -> Next {
        if self.pass.is_some() {
            return Next::Busy;
        }
        if let Some(reason) = self.end {
            return self.close(reason);
        }
        let Some(begin) = self.begin() else { return Next::Idle };
        let fits = (begin.reply_start as usize).saturating_add(begin.max_tokens as usize);
        let room = fits.min(self.limits.context as usize).saturating_sub(self.text.len());
        if self.lacks_prompt() {
            // What is there is read; drafts and grants are for the reply.
            if self.stream().is_some() && self.decoded + 1 < self.text.len() {
                return self.begin_pass(PassKind::Fill, &[], None);
            }
            return self.close(EndReason::Granted);
        }
        let path = self.parked.path(&self.text);
        if !path.is_empty() {
            // The row after the last drafted token decides one more.
            let width = path.len().min(max_draft).min(self.limits.max_draft as usize).min(room.saturating_sub(1));
            return self.begin_pass(PassKind::Judged, &path[..width], path.get(width).copied());
        }
        if self.stream().is_none() {
            return Next::Idle;
        }
        if !self.left.is_spent() {
            return self.begin_pass(PassKind::SelfMade, &[], None);
        }
        if self.decoded + 1 < self.text.len() {
            return self.begin_pass(PassKind::Fill, &[], None);
        }
        self.close(EndReason::Granted)
    }

    /// Tells whether the pass under way still serves; one that does not can be given up with [`Self::pass_abandoned`].
    #[must_use]
    pub fn pass_is_wanted(&self) -> bool {
        self.pass.as_ref().is_some_and(|pass| {
            let listened_to = pass.plan.kind == PassKind::Judged || self.stream().is_some();
            !pass.discarded && listened_to
        })
    }

    fn close(&mut self, reason: EndReason) -> Next {
        let Some(stream) = self.stream() else { return Next::Idle };
        self.stream = Stream::Ended;
        Next::End(Sent { stream, frame: Frame::End(reason) })
    }

    fn begin_pass(&mut self, kind: PassKind, draft: &[TokenId], next_drafted: Option<TokenId>) -> Next {
        let decided = self.text.len();
        // A pass that only fills leaves the last token to the pass that needs the row after it.
        let end = if kind == PassKind::Fill { decided - 1 } else { decided + draft.len() };
        // Given tokens that wait for their labels, as far as they are of the reply and a frame holds them.
        let reply_start = self.begin().map_or(1, |begin| begin.reply_start as usize);
        let oldest = decided.saturating_sub(MAX_LABELS / 2).max(reply_start);
        let unlabelled = self.unlabelled.filter(|_| self.labels.matched);
        let first = unlabelled.map_or(decided, |unlabelled| unlabelled.max(oldest).min(decided));
        let keep = self.decoded.min(first - 1).min(end);
        let tokens = self.text.tail(keep).iter().chain(draft).take(end - keep).copied().collect();
        let scored: Vec<TokenId> = self.text.tail(first).iter().chain(draft).copied().collect();
        let plan = Plan {
            kind,
            keep,
            tokens,
            rows: if kind == PassKind::Fill { decided - first } else { scored.len() + 1 },
            first,
            contexts: decided - first,
            scored,
            next_drafted,
            probabilities: self.labels.probabilities,
        };
        self.decoded = keep;
        let granted_by = (kind == PassKind::SelfMade).then_some(self.seq);
        self.pass = Some(Pass { plan: plan.clone(), granted_by, discarded: false });
        Next::Pass(plan)
    }

    /// Takes the rows of the pass under way, in order. Rows after the one that settles it ([`Plan::settles`]) can be
    /// left out.
    pub fn pass_ended(&mut self, rows: &[Row], timing: Option<PassTiming>, ending: &dyn Ending) -> Vec<Sent> {
        let Some(pass) = self.pass.take() else { return Vec::new() };
        let Pass { plan, granted_by, discarded } = pass;
        if plan.kind != PassKind::Fill {
            self.passes = self.passes.saturating_add(1);
        }
        if discarded {
            self.take_decoded(&plan, plan.tokens.len());
            return Vec::new();
        }
        let before = self.text.len();
        let mut agreed = true;
        if plan.kind != PassKind::Fill {
            for (i, row) in rows.iter().enumerate().take(plan.rows).skip(plan.contexts) {
                self.text.push(row.winner);
                self.end = self.find_end(ending);
                let drafted = plan.scored.get(i).copied().or(plan.next_drafted);
                agreed = drafted.is_none_or(|drafted| drafted == row.winner);
                if self.end.is_some() || plan.settles(i, row.winner) {
                    break;
                }
            }
        }
        let decided = self.text.len() - before;
        if decided > 0 {
            self.force(ending);
        }
        self.take_decoded(&plan, plan.tokens.len());
        self.parked.prune(&self.text);
        if plan.kind == PassKind::Judged && self.stream().is_some() {
            self.left = if agreed { self.grants.after_agreement } else { self.grants.after_mismatch };
        } else if granted_by == Some(self.seq) {
            self.left = self.left.minus_one();
        }
        let labels = self.label(&plan, rows, decided);
        let rows = u32::try_from(plan.tokens.len()).unwrap_or(u32::MAX);
        self.say(before, timing.map(|timing| (timing, rows)), labels)
    }

    /// Ends the pass under way without rows. The engine holds the first `len` tokens of what it was to hold.
    pub fn pass_abandoned(&mut self, len: usize) {
        let Some(Pass { plan, .. }) = self.pass.take() else { return };
        self.decoded = self.decoded.min(len);
        self.take_decoded(&plan, len.saturating_sub(plan.keep).min(plan.tokens.len()));
    }

    /// Ends the pass under way because the engine failed. It holds nothing of the session then; what was decided stays.
    pub fn pass_failed(&mut self, error: ErrorBody) -> Vec<Sent> {
        self.pass = None;
        self.decoded = 0;
        let sent = self.stream().map(|stream| Sent { stream, frame: Frame::Failed(error) });
        self.silence();
        sent.into_iter().collect()
    }

    /// Notes that the engine has decoded `count` of the plan's tokens, as far as they are those of the text.
    fn take_decoded(&mut self, plan: &Plan, count: usize) {
        if self.decoded == plan.keep {
            self.decoded += self.text.agreement(plan.keep, &plan.tokens[..count]);
        }
    }

    /// Makes the labels of a pass that decided `decided` tokens.
    fn label(&mut self, plan: &Plan, rows: &[Row], decided: usize) -> Option<Labels> {
        if self.labels.is_none() {
            return None;
        }
        if plan.contexts > 0 {
            self.unlabelled = None;
        }
        let judged = decided.min(plan.scored.len() - plan.contexts);
        let count = rows.len().min(plan.contexts + judged).min(MAX_LABELS);
        let scored = plan.scored.iter().zip(rows).take(count);
        let p: Option<Vec<f32>> = scored.clone().map(|(_, row)| row.p).collect();
        let labels = Labels {
            pos: u32::try_from(plan.first).ok()?,
            matched: scored.map(|(id, row)| *id == row.winner).collect(),
            p: p.filter(|_| self.labels.probabilities).unwrap_or_default(),
        };
        (count > 0).then_some(labels)
    }

    /// Returns what is left of the grants.
    #[must_use]
    pub fn left(&self) -> Grant {
        self.left
    }
}
