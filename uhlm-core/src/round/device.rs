//! What a session keeps between generations, on the thread that owns the model's context.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;

use uhlm_law::affine::Affine;
use uhlm_law::chat::{DraftModel, Message, Special};
use uhlm_law::gate::Gate;
use uhlm_law::model::Sequence;
use uhlm_law::protocol::VerifyResponse;
use uhlm_law::rng::{Rng, Stream};
use uhlm_law::sampling::{SamplingChain, SamplingError, Scratch, TokenId};
use uhlm_law::uncertainty::Uncertainty;

use super::inbox::{Inbox, Job, Opened, Tag};
use super::remote::{Probed, Remote};
use super::tokens::Tokens;
use crate::clock::Clock;
use crate::device::{Limits, ThreadShare};
use crate::error::GenerationError;
use crate::mode::Mode;
use crate::options::{DraftAhead, Prompt, SessionOptions};
use crate::seed;
use crate::state::{SessionState, locked};
use crate::verifier::{Answer, Verifier, VerifierError};

/// The device's own random choices, one stream each.
#[derive(Debug)]
pub(super) struct Dice {
    pub(super) draft: Rng,
    pub(super) acceptance: Rng,
    pub(super) residual: Rng,
}

/// The state of a session.
pub(crate) struct Device {
    pub(super) model: Arc<dyn DraftModel>,
    pub(super) sequence: Option<Box<dyn Sequence>>,
    pub(super) tokens: Tokens,
    /// What holds for the generation that runs: what the app asked for, as far as the device's state allows.
    pub(super) options: SessionOptions,
    pub(super) asked: SessionOptions,
    pub(super) chain: SamplingChain,
    pub(super) scratch: Scratch,
    pub(super) estimator: Box<dyn Uncertainty>,
    pub(super) gate: Gate,
    pub(super) dice: Dice,
    pub(super) remote: Option<Remote>,
    /// Seconds that one drafted token takes, and the mean expected rejection probability; both exponential averages.
    pub(super) draft_seconds: f64,
    pub(super) mean_beta: f64,
    /// Seconds that reading a prompt takes, by its tokens.
    pub(super) prefill_time: Affine,
    pub(super) shared: Arc<SessionState>,
    pub(super) clock: Arc<dyn Clock>,
    /// Generations that were asked for while a cancelled one had not ended yet.
    pub(super) queued: VecDeque<Job>,
    /// Whether the session was dropped.
    pub(super) closed: bool,
}

impl Device {
    pub(crate) fn new(
        model: Arc<dyn DraftModel>,
        verifier: Option<Arc<dyn Verifier>>,
        options: SessionOptions,
        inbox: Sender<Inbox>,
        shared: Arc<SessionState>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SamplingError> {
        let seed = options.seed.unwrap_or_else(seed::fresh);
        let chain = SamplingChain::new(options.sampling.clone())?;
        let remote = verifier.map(|verifier| Remote::new(verifier, inbox, seed, &options));
        Ok(Self {
            sequence: None,
            tokens: Tokens::new(),
            chain,
            scratch: Scratch::default(),
            estimator: options.estimator.build(seed),
            gate: Gate::new(&options.calibration, options.goal).with_predictor(options.predictor),
            dice: Dice {
                draft: Rng::new(seed, Stream::Draft),
                acceptance: Rng::new(seed, Stream::Acceptance),
                residual: Rng::new(seed, Stream::Residual),
            },
            remote,
            draft_seconds: 0.0,
            mean_beta: options.calibration.mean_beta(),
            prefill_time: Affine::default(),
            model,
            asked: options.clone(),
            options,
            shared,
            clock,
            queued: VecDeque::new(),
            closed: false,
        })
    }

    /// Whether the session was dropped while a generation ran, which took the message that says so.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Forgets the conversation.
    pub(crate) fn reset(&mut self) {
        // Rolling back to nothing cannot fail in a way that matters: the context is made anew if it does.
        if self.truncate(0).is_err() {
            self.sequence = None;
        }
    }

    /// Looks at what changed since the session's thread was last awake.
    pub(crate) fn attend(&mut self) {
        self.attend_network();
        if self.shared.news.withdrawn.swap(false, Ordering::AcqRel)
            && let Some(remote) = &mut self.remote
        {
            remote.give_up();
        }
        if self.limits().unload {
            self.sequence = None;
        }
    }

    /// What the device's state asks for.
    pub(super) fn limits(&self) -> Limits {
        self.asked.device.decide(&locked(&self.shared.device))
    }

    /// Takes the limits over for the generation that begins. Nothing that a window in flight rests on may change under it.
    pub(super) fn keep_to(&mut self, limits: &Limits) {
        let asked = &self.asked;
        let max_window = limits.max_window.map_or(asked.max_window, |most| asked.max_window.min(most));
        let draft_ahead = if limits.no_draft_ahead { DraftAhead::Off } else { asked.draft_ahead };
        let threads = match limits.threads {
            ThreadShare::All => asked.threads,
            share => share.of(if asked.threads == 0 { self.model.default_threads() } else { asked.threads }),
        };
        if threads != self.options.threads {
            // llama.cpp's threads are settled with the context; the cache is filled again.
            self.sequence = None;
        }
        (self.options.max_window, self.options.draft_ahead, self.options.threads) = (max_window, draft_ahead, threads);
    }

    /// On another network nothing is known of the link, and waiting for a pause to end makes no sense.
    pub(super) fn attend_network(&mut self) {
        if self.shared.news.network.swap(false, Ordering::AcqRel)
            && let Some(remote) = &mut self.remote
        {
            remote.on_network_change();
        }
    }

    /// Takes the answer to an attempt to open a session after the generation that made it.
    pub(crate) fn opened_late(&mut self, result: Result<Opened, VerifierError>) {
        let now = self.clock.now();
        let Some(remote) = &mut self.remote else { return };
        let change = match remote.opened(result) {
            Ok(answer) => {
                if answer.value.info.vocabulary != self.model.vocabulary_hash() {
                    // The next generation finds out why.
                    remote.give_up();
                }
                remote.link.on_reachable()
            }
            Err(error) => {
                let change = remote.link.on_failure(&error, now);
                remote.last_failure = Some(error);
                change
            }
        };
        if let Some(state) = change {
            self.shared.set_link(state);
        }
    }

    /// Takes a verdict that belongs to no window: the answer to a request that tries the link, or to a call that was given up.
    pub(super) fn probed(&mut self, tag: Tag, result: Result<Answer<VerifyResponse>, VerifierError>) -> Option<Probed> {
        let (now, vocabulary_size) = (self.clock.now(), self.model.vocabulary().size());
        self.remote.as_mut()?.probed(tag, result, vocabulary_size, now)
    }

    /// The same between generations.
    pub(crate) fn probed_late(&mut self, tag: Tag, result: Result<Answer<VerifyResponse>, VerifierError>) {
        if let Some(state) = self.probed(tag, result).and_then(|probed| probed.change) {
            self.shared.set_link(state);
        }
    }

    /// Puts the prompt's tokens after what is kept of the conversation; returns how many were kept. `read` is what a
    /// verifier may see of the prompt, if one is asked.
    pub(super) fn prepare(&mut self, prompt: &Prompt, read: Option<&str>) -> Result<usize, GenerationError> {
        let text = read.unwrap_or(prompt.text());
        let tokens = match prompt {
            Prompt::Raw(_) => self.model.tokenize(text, Special::ParseWithBos),
            Prompt::Chat(_) => self.chat_tokens(text, read.is_some())?,
        };
        if tokens.is_empty() {
            return Err(GenerationError::EmptyPrompt);
        }
        let common = self.tokens.ids().iter().zip(&tokens).take_while(|(a, b)| a == b).count();
        self.truncate(common)?;
        tokens[common..].iter().for_each(|&id| self.tokens.push(id));
        Ok(common)
    }

    /// The tokens of the conversation with one more message of the person. What was generated keeps its tokens, even
    /// where tokenising its text would give others, so that both models' caches stay valid.
    fn chat_tokens(&self, text: &str, shares: bool) -> Result<Vec<TokenId>, GenerationError> {
        let redaction = self.options.redaction.as_ref();
        let mut messages = locked(&self.shared.conversation).read_by_models(shares, redaction);
        messages.push(Message::user(text));
        let rendered = self.model.render(&messages, true)?;
        let held = self.model.detokenize(self.tokens.ids());
        match rendered.as_bytes().strip_prefix(&held[..]).and_then(|rest| std::str::from_utf8(rest).ok()) {
            Some(rest) if !held.is_empty() => {
                Ok([self.tokens.ids(), &self.model.tokenize(rest, Special::Parse)[..]].concat())
            }
            _ => Ok(self.model.tokenize(&rendered, Special::ParseWithBos)),
        }
    }

    /// Forgets all tokens after the first `len`, on the device at once, on the verifier with the next request.
    pub(super) fn truncate(&mut self, len: usize) -> Result<(), GenerationError> {
        self.tokens.truncate(len);
        if let Some(remote) = &mut self.remote {
            remote.held = remote.held.min(len);
        }
        match &mut self.sequence {
            Some(sequence) if sequence.len() > len => Ok(sequence.truncate(len)?),
            _ => Ok(()),
        }
    }

    /// The draft model's sequence, made when it is first needed.
    pub(super) fn sequence(&mut self) -> Result<&mut Box<dyn Sequence>, GenerationError> {
        let sequence = match self.sequence.take() {
            Some(sequence) => sequence,
            None => Arc::clone(&self.model).sequence(self.options.context, self.options.threads)?,
        };
        Ok(self.sequence.insert(sequence))
    }

    /// How many tokens the draft model has not seen yet.
    pub(super) fn unread(&self) -> usize {
        self.tokens.len() - self.sequence.as_ref().map_or(0, |sequence| sequence.len().min(self.tokens.len()))
    }

    /// Decodes what the draft model has not seen yet, so that its logits are those after the last token.
    pub(super) fn catch_up(&mut self, cancelled: &dyn Fn() -> bool) -> Result<(), GenerationError> {
        self.sequence()?;
        let (Some(sequence), ids) = (&mut self.sequence, self.tokens.ids()) else {
            return Err(GenerationError::SessionClosed);
        };
        if sequence.len() == ids.len() && sequence.logits().is_empty() {
            sequence.truncate(ids.len() - 1)?;
        }
        let start = sequence.len();
        if start < ids.len() {
            sequence.decode(&ids[start..], cancelled)?;
        }
        Ok(())
    }

    /// How many tokens a conversation may have in this mode.
    pub(super) fn capacity(&mut self, mode: Mode) -> Result<usize, GenerationError> {
        let remote = self.remote.as_ref().and_then(|remote| remote.context).filter(|_| mode != Mode::DeviceOnly);
        if mode == Mode::RemoteOnly {
            return Ok(remote.unwrap_or(usize::MAX));
        }
        let device = self.sequence()?.capacity();
        Ok(remote.map_or(device, |remote| remote.min(device)))
    }
}
