//! The bed: `uhlm_core`'s own session in virtual time, over a modelled link, on any pair of models.
//!
//! Decides how the session, its clock and its verifier are put together and what of a reply is counted. What is
//! compared on it is decided by [`crate::product`] (the models themselves) and [`crate::cells`] (recordings).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use uhlm_core::error::GenerationError;
use uhlm_core::event::Event;
use uhlm_core::metrics::Statistics;
use uhlm_core::options::{GenerationOptions, Prompt, SessionOptions};
use uhlm_core::session::Session;
use uhlm_law::chat::DraftModel;
use uhlm_law::sampling::TokenId;

use crate::billing::Billing;
use crate::channel::Channel;
use crate::costs::PassCosts;
use crate::error::EvalError;
use crate::models::TargetModel;
use crate::paced::PacedDraft;
use crate::reply::{Decisions, Reply};
use crate::verifier::SimulatedVerifier;
use uhlm_core::clock::VirtualClock;

/// What a session runs on.
#[derive(Clone)]
pub(crate) struct Bed<'a> {
    pub(crate) draft: Arc<dyn DraftModel>,
    pub(crate) target: Arc<dyn TargetModel>,
    pub(crate) costs: &'a PassCosts,
    pub(crate) channel: &'a Channel,
    pub(crate) billing: Billing,
    /// Seed of what the channel does.
    pub(crate) channel_seed: u64,
}

/// What was written for a prompt.
pub(crate) struct Written {
    pub(crate) tokens: Vec<TokenId>,
    pub(crate) text: String,
    pub(crate) statistics: Statistics,
}

/// A session with its clock and its verifier.
pub(crate) struct Running {
    clock: Arc<VirtualClock>,
    verifier: Arc<SimulatedVerifier>,
    session: Session,
    /// Whether the next pass of the draft model is the first of its reply, which reads the prompt.
    reads_prompt: Arc<AtomicBool>,
}

impl Running {
    pub(crate) fn start(bed: &Bed<'_>, options: SessionOptions) -> Result<Self, EvalError> {
        let clock = Arc::new(VirtualClock::default());
        let verifier = SimulatedVerifier::new(
            Arc::clone(&bed.target),
            Arc::clone(&clock),
            bed.channel,
            bed.costs.clone(),
            bed.billing,
            bed.channel_seed,
        );
        let verifier = Arc::new(verifier);
        let reads_prompt = Arc::new(AtomicBool::new(true));
        let (charged, costs, first) = (Arc::clone(&clock), bed.costs.clone(), Arc::clone(&reads_prompt));
        let draft = PacedDraft::new(Arc::clone(&bed.draft), move |tokens, pass| {
            charged.advance(costs.draft(if first.swap(false, Ordering::Relaxed) { 1 } else { tokens }));
            pass()
        });
        let asked = Arc::clone(&verifier) as _;
        let session = Session::with_clock(Arc::new(draft), Some(asked), options, Arc::clone(&clock) as _)?;
        Ok(Self { clock, verifier, session, reads_prompt })
    }

    /// Writes a reply and counts what it costs, as that of prompt `index`.
    pub(crate) fn answer(
        &self,
        index: u64,
        prompt: Prompt,
        options: GenerationOptions,
    ) -> Result<(Reply, Statistics), EvalError> {
        // What was under way for the last reply belongs to it.
        let _before = self.verifier.begin(index);
        let charged = self.clock.charged();
        let Written { tokens, text, statistics } = self.generate(prompt, options)?;
        let ledger = self.verifier.begin(index);
        let reply = Reply {
            text,
            tokens,
            elapsed: statistics.elapsed,
            first_token: statistics.first_token,
            device: self.clock.charged().saturating_sub(charged),
            ledger,
            decisions: Decisions {
                drafted: statistics.drafted,
                judged: statistics.judged,
                rejected: statistics.rejected,
                skipped: statistics.skipped,
                skipped_labelled: statistics.skipped_labelled,
                skipped_acceptable: statistics.skipped_matched as f64,
                rollbacks: statistics.rollbacks,
            },
        };
        Ok((reply, statistics))
    }

    /// Writes a reply as a conversation of its own.
    pub(crate) fn generate(&self, prompt: Prompt, options: GenerationOptions) -> Result<Written, EvalError> {
        self.session.reset()?;
        self.reads_prompt.store(true, Ordering::Relaxed);
        let mut generation = self.session.generate(prompt, options)?;
        let mut tokens = Vec::new();
        while let Some(event) = generation.blocking_next() {
            match event? {
                Event::Committed { token, .. } => tokens.push(token.id),
                Event::Finished { text, statistics, .. } => {
                    // Text that was held back to the end comes with its token named a second time.
                    tokens.truncate(statistics.tokens() as usize);
                    return Ok(Written { tokens, text, statistics: *statistics });
                }
                _ => {}
            }
        }
        Err(GenerationError::SessionClosed.into())
    }
}
