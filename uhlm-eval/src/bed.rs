//! Runs `uhlm_core`'s own session in virtual time, over a modelled link, on any pair of models.
//!
//! Decides how the session, its clock and its verifier are put together and what of a reply is counted. What is
//! compared on it is decided by [`crate::product`] (the models themselves) and [`crate::cells`] (recordings).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use uhlm_core::clock::VirtualClock;
use uhlm_core::{Event, GenerationError, GenerationOptions, Prompt, Session, SessionOptions, Statistics};
use uhlm_law::chat::{DraftModel, Message};
use uhlm_law::model::Special;
use uhlm_law::sampling::TokenId;

use crate::billing::Billing;
use crate::channel::Channel;
use crate::costs::PassCosts;
use crate::error::EvalError;
use crate::models::TargetModel;
use crate::paced::paced;
use crate::reply::{Decisions, Reply};
use crate::verifier::SimulatedVerifier;

/// The models, costs and link that a session in virtual time runs on.
#[derive(Clone)]
pub(crate) struct Bed<'a> {
    pub(crate) draft: DraftModel,
    pub(crate) target: Arc<dyn TargetModel>,
    pub(crate) costs: &'a PassCosts,
    pub(crate) channel: &'a Channel,
    pub(crate) billing: Billing,
    /// Seed of the channel's random choices.
    pub(crate) channel_seed: u64,
}

/// The part of a prompt that the draft model has not read. All of it together costs one pass, however it is read.
#[derive(Debug, Default)]
struct Unread {
    tokens: usize,
    begun: bool,
}

impl Unread {
    /// Returns the virtual time of a pass over `tokens` tokens, and counts those of the prompt as read.
    fn charge(&mut self, costs: &PassCosts, tokens: usize) -> Duration {
        let of_prompt = tokens.min(self.tokens);
        self.tokens -= of_prompt;
        let of_reply = tokens - of_prompt;
        match (of_prompt > 0, std::mem::replace(&mut self.begun, true)) {
            (false, _) => costs.draft(tokens),
            (true, false) => costs.draft(1 + of_reply),
            (true, true) => costs.draft(1 + of_reply) - costs.draft(1),
        }
    }
}

/// The reply to a prompt, with the session's statistics.
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
    draft: DraftModel,
    /// Number of prompt tokens that the draft model has not read yet.
    prompt: Arc<Mutex<Unread>>,
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
        let prompt = Arc::new(Mutex::new(Unread::default()));
        let (charged, costs, unread) = (Arc::clone(&clock), bed.costs.clone(), Arc::clone(&prompt));
        let draft = paced(bed.draft.clone(), move |tokens, pass| {
            let charge = unread.lock().unwrap_or_else(PoisonError::into_inner).charge(&costs, tokens);
            charged.advance(charge);
            pass()
        });
        let asked = Arc::clone(&verifier) as _;
        let session = Session::with_clock(draft, Some(asked), options, Arc::clone(&clock) as _)?;
        Ok(Self { clock, verifier, session, draft: bed.draft.clone(), prompt })
    }

    /// Writes the reply to prompt `index` and counts what it costs.
    pub(crate) fn answer(
        &self,
        index: u64,
        prompt: Prompt,
        options: GenerationOptions,
    ) -> Result<(Reply, Statistics), EvalError> {
        // Costs that are still open from the last reply belong to that reply.
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

    /// Writes a reply in a conversation of its own.
    pub(crate) fn generate(&self, prompt: Prompt, options: GenerationOptions) -> Result<Written, EvalError> {
        self.session.reset()?;
        let tokens = match &prompt {
            Prompt::Raw(text) => {
                self.draft.language.tokenize(text, Special::ParseWithBos).map_err(GenerationError::from)?
            }
            Prompt::Chat(text) => self.draft.prompt(&[Message::user(text.clone())]).map_err(GenerationError::from)?,
            Prompt::Apart(messages) => self.draft.prompt(messages).map_err(GenerationError::from)?,
            Prompt::ToolResults(_) => {
                let reason = "a conversation that begins has no calls".into();
                return Err(GenerationError::InvalidTools { reason }.into());
            }
        };
        let unread = Unread { tokens: tokens.len(), begun: false };
        *self.prompt.lock().unwrap_or_else(PoisonError::into_inner) = unread;
        let mut generation = self.session.generate(prompt, options)?;
        let mut tokens = Vec::new();
        while let Some(event) = generation.blocking_next() {
            match event? {
                Event::Committed { token, .. } | Event::Reasoning { token, .. } => tokens.push(token.id),
                Event::Finished { text, statistics, .. } => {
                    // If text was held back to the end, the last event names its token a second time.
                    tokens.truncate(statistics.tokens() as usize);
                    return Ok(Written { tokens, text, statistics: *statistics });
                }
                _ => {}
            }
        }
        Err(GenerationError::SessionClosed.into())
    }
}
