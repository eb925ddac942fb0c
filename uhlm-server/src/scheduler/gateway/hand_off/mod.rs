//! The hand-off: a chat service writes whole replies, and the gateway carries them to devices as a target's tokens.
//!
//! For people who have nothing else than such a service. Its text is neither drawn with the shared noise nor can a
//! draft be judged by it, which `info` says ([`Info::hands_off`](uhlm_law::advance::Info::hands_off)). Everything else
//! is that of other targets: sessions, owners, quotas, streams, repeats.
//!
//! Decides what of a generation a service can be asked for ([`HandOff::takes`]) and which reply a session asks for.
//! [`messages`] makes messages of tokens, [`reply`] tokens of a reply.

mod counts;
mod messages;
mod reply;

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use uhlm_law::advance::{Begin, ErrorBody, ErrorCode, Plan, PrefixHash, Row};
use uhlm_law::sampling::{SamplingParams, TokenId};
use uhlm_llama::{Lexicon, VocabularyFile};
use uhlm_net::TrustPolicy;
use uhlm_upstream::UpstreamError;
use uhlm_upstream::chat::{ChatAsk, ChatService, ChatSettings};

use self::counts::Counts;
use self::messages::Marks;
use self::reply::{Key, Reply, Writer};
use super::credentials::{key, trust};
use super::seen::Seen;
use super::texts::TEXTS;
use crate::error::ServerError;
use crate::hand_off::HandOffOptions;

/// The reason why there is no further token of a reply.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum HandOffError {
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error("the prompt is no conversation")]
    NoMessages,
    #[error("the reply was begun in another session, or has other words")]
    NotItsReply,
    #[error("the service has stopped the reply")]
    Withheld,
    #[error("the reply has broken off: {0}")]
    BrokenOff(UpstreamError),
    #[error("nobody asked for the reply any more")]
    Alone,
    #[error("the reply is over")]
    Over,
    #[error("the vocabulary cannot carry the service's text")]
    Text,
}

impl HandOffError {
    /// Returns what the client is told. The service's own words are not among it.
    pub(super) fn to_body(&self) -> ErrorBody {
        let unsupported = |reason: &str| ErrorBody::new(ErrorCode::Unsupported, reason);
        match self {
            Self::NoMessages => unsupported("a chat service takes messages, and this prompt is no conversation"),
            Self::NotItsReply | Self::Alone => unsupported("a reply of a chat service cannot be taken up again"),
            Self::Withheld => unsupported("the chat service has stopped the reply"),
            // Nobody can go on with it: a failure of the server would have the device wait for it, or write on alone.
            Self::BrokenOff(_) => unsupported("the chat service has broken the reply off"),
            Self::Upstream(UpstreamError::Status(400 | 413 | 422)) => {
                unsupported("the chat service does not take this request")
            }
            Self::Upstream(UpstreamError::Status(_)) | Self::Over | Self::Text => {
                ErrorBody::new(ErrorCode::Internal, "the chat service failed")
            }
            Self::Upstream(_) => ErrorBody::new(ErrorCode::Unavailable, "the chat service cannot be asked at present"),
        }
    }
}

/// The chat service, and the replies that sessions have of it.
#[derive(Debug)]
pub(crate) struct HandOff {
    service: ChatService,
    marks: Marks,
    lexicon: Arc<Lexicon>,
    /// The last reply of each session.
    replies: Mutex<HashMap<u64, Arc<Reply>>>,
    counts: Arc<Counts>,
    runtime: Handle,
}

impl HandOff {
    /// Makes the vocabulary and reaches the service. Must be called in a tokio runtime.
    pub(super) async fn start(options: &HandOffOptions) -> Result<(Self, VocabularyFile), ServerError> {
        let path = options.vocabulary.clone();
        let made = tokio::task::spawn_blocking(move || carrier(&path)).await;
        let failed = |error: tokio::task::JoinError| ServerError::Config(format!("reading the vocabulary: {error}"));
        let (lexicon, file, marks) = made.map_err(failed)??;
        let settings = ChatSettings {
            url: options.url.clone(),
            model: options.model.clone(),
            key: options.key_file.as_deref().map(key).transpose()?,
            trust: options.authority.as_deref().map_or(Ok(TrustPolicy::default()), trust)?,
        };
        let service = ChatService::start(settings).await?;
        let hand_off = Self {
            service,
            marks,
            lexicon: Arc::new(lexicon),
            replies: Mutex::default(),
            counts: Arc::default(),
            runtime: Handle::current(),
        };
        Ok((hand_off, file))
    }

    pub(super) fn lexicon(&self) -> &Arc<Lexicon> {
        &self.lexicon
    }

    pub(super) fn service(&self) -> &ChatService {
        &self.service
    }

    pub(super) fn seen(&self) -> Seen {
        self.counts.seen(self.service.url())
    }

    /// Checks that a service can be asked for a generation.
    ///
    /// # Errors
    /// The refusal: nothing that was asked for is left out in silence.
    pub(super) fn takes(begin: &Begin) -> Result<(), ErrorBody> {
        let SamplingParams { temperature, top_p, .. } = begin.sampling;
        let passed_on = SamplingParams { temperature, top_p, ..SamplingParams::default() };
        let asked = SamplingParams { penalty_last_n: passed_on.penalty_last_n, ..begin.sampling.clone() };
        if asked == passed_on {
            return Ok(());
        }
        let reason =
            "of the sampling parameters a chat service is told temperature and top_p; all others have to be off";
        Err(ErrorBody::new(ErrorCode::Unsupported, reason))
    }

    fn replies(&self) -> MutexGuard<'_, HashMap<u64, Arc<Reply>>> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives up the reply of a session that has ended.
    pub(super) fn forget(&self, session: u64) {
        self.replies().remove(&session);
    }

    /// Returns the rows of a pass: the tokens that the reply has there. `tokens` has the text and the draft after it.
    ///
    /// # Errors
    /// [`HandOffError`].
    pub(super) async fn rows(
        &self,
        session: u64,
        begin: &Begin,
        tokens: &[TokenId],
        plan: &Plan,
    ) -> Result<Vec<Row>, HandOffError> {
        let mut rows = Vec::with_capacity(plan.rows);
        if plan.rows == 0 {
            // There is nothing that the service could read ahead.
            return Ok(rows);
        }
        let start = begin.reply_start as usize;
        let (prompt, written) = (tokens.get(..start), tokens.get(start..plan.first));
        let (Some(prompt), Some(written)) = (prompt, written) else { return Err(HandOffError::NoMessages) };
        let reply = self.reply(session, begin, prompt, written.is_empty())?;
        if !reply.begins_with(written) {
            return Err(HandOffError::NotItsReply);
        }
        for place in plan.first..plan.first + plan.rows {
            let winner = reply.token(place - start).await?;
            rows.push(Row { winner, p: None });
            if tokens.get(place) != Some(&winner) {
                // What was drafted behind it hangs on another token.
                break;
            }
        }
        Ok(rows)
    }

    /// Returns the reply that a session asks for, and asks the service for it where it is a new one.
    fn reply(&self, session: u64, begin: &Begin, prompt: &[TokenId], is_new: bool) -> Result<Arc<Reply>, HandOffError> {
        let key = Key { prompt: PrefixHash::of(prompt), begin: begin.clone() };
        let mut replies = self.replies();
        // One that has broken off is asked for anew as long as the device has nothing of it.
        let is_good = |reply: &&Arc<Reply>| reply.key == key && !(is_new && reply.has_failed());
        if let Some(reply) = replies.get(&session).filter(is_good) {
            return Ok(Arc::clone(reply));
        }
        if !is_new {
            return Err(HandOffError::NotItsReply);
        }
        let vocabulary = self.lexicon.vocabulary();
        let messages = self.marks.messages(prompt, vocabulary).ok_or(HandOffError::NoMessages)?;
        let ask = ChatAsk {
            messages,
            temperature: begin.sampling.temperature,
            top_p: begin.sampling.top_p,
            // Its tokens are others than the session's, which are counted on the way: it must not be the first to cut.
            max_tokens: begin.max_tokens.saturating_mul(2),
            stop: begin.stop.clone(),
            // Services take a number that fits 32 bits.
            seed: (begin.seed >> 33) as u32,
        };
        let writer = Writer {
            service: self.service.clone(),
            ask,
            lexicon: Arc::clone(&self.lexicon),
            end: self.marks.end,
            limit: begin.max_tokens as usize,
            counts: Arc::clone(&self.counts),
        };
        let reply = Arc::new(Reply::begin(key, writer, &self.runtime));
        replies.insert(session, Arc::clone(&reply));
        Ok(reply)
    }
}

/// Makes the vocabulary that carries conversations, and checks that it changes no text.
fn carrier(path: &std::path::Path) -> Result<(Lexicon, VocabularyFile, Marks), ServerError> {
    let unusable = |reason: String| ServerError::Config(format!("the vocabulary in {}: {reason}", path.display()));
    let file = messages::vocabulary(path).map_err(|error| unusable(error.to_string()))?;
    let stored = |error: std::io::Error| unusable(format!("storing it: {error}"));
    let mut written = tempfile::NamedTempFile::with_suffix(".gguf").map_err(stored)?;
    written.write_all(file.bytes()).map_err(stored)?;
    let lexicon = Lexicon::load(written.path())?;
    let marks = Marks::of(&lexicon).ok_or_else(|| unusable("it takes no control tokens of ours".into()))?;
    for text in TEXTS {
        if reply::tokens(&lexicon, text).is_err() {
            return Err(unusable("its tokenizer changes texts, so it cannot carry those of another model".into()));
        }
    }
    Ok((lexicon, file, marks))
}
