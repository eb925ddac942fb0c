//! A chat service behind HTTP, which is asked for whole replies: whoever speaks OpenAI's chat completions.
//!
//! Nothing is known there of tokens and probabilities, so its text is taken as it comes. Decides what a request says
//! and how the stream of an answer is read: events of `text/event-stream`, each with a piece of the reply. What the
//! service says beside the text (tool calls, reasoning, usage) is left out.

use std::time::Duration;

use reqwest::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use uhlm_net::{BearerToken, TrustError, TrustPolicy};

use crate::error::{InvalidAnswer, UpstreamError};
use crate::http::Http;
use crate::settings::{InvalidUrl, plain_url};

/// Longest time from a request to the first bytes of its answer, and between two pieces.
const SILENCE: Duration = Duration::from_secs(120);
/// Time for which the start waits for the service, and a reply for one that is busy or cannot be reached.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest line of an answer, in bytes: a piece of a reply is some tokens long.
const MAX_LINE: usize = 1 << 20;

/// The settings of a chat service.
#[derive(Clone, Debug)]
pub struct ChatSettings {
    /// Base of its URLs as its documentation gives it, with the version: `https://host/v1`.
    pub url: String,
    /// Name of the model that is asked for; `None` for the only one that the service has.
    pub model: Option<String>,
    /// Key that it is asked with. It goes nowhere else.
    pub key: Option<BearerToken>,
    /// Certificates that are trusted, where it is behind HTTPS.
    pub trust: TrustPolicy,
}

/// The reason why a chat service is not used.
#[derive(Debug, thiserror::Error)]
pub enum ChatStartError {
    /// The URL is none.
    #[error(transparent)]
    Url(#[from] InvalidUrl),
    /// The certificates that are trusted cannot be used.
    #[error("the certificates for the chat service cannot be used: {0}")]
    Trust(#[from] TrustError),
    /// It could not be asked for its models.
    #[error("asking {url} for its models failed: {error}")]
    Unusable {
        /// Base of its URLs.
        url: String,
        /// The failure.
        error: UpstreamError,
    },
    /// No model was named, and the service has several, or does not say.
    #[error("{url} has {count} models: name the one to ask")]
    Model {
        /// Base of its URLs.
        url: String,
        /// Number of models that it lists.
        count: usize,
    },
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatMessage {
    /// Who says it, as the service names roles: `system`, `user` or `assistant`.
    pub role: &'static str,
    /// What is said.
    pub content: String,
}

/// A reply that is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatAsk {
    /// The conversation, which ends with what is to be replied to.
    pub messages: Vec<ChatMessage>,
    /// Temperature of the draw.
    pub temperature: f32,
    /// Probability that the kept tokens reach together; 1 keeps all.
    pub top_p: f32,
    /// Largest number of the service's tokens.
    pub max_tokens: u32,
    /// Texts that end the reply.
    pub stop: Vec<String>,
    /// Seed, which a service may or may not heed.
    pub seed: u32,
}

/// A part of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatPart {
    /// The next piece of its text.
    Text(String),
    /// Its end.
    End,
    /// Its end at the largest number of tokens.
    Cut,
    /// Its end where the service would not go on.
    Withheld,
}

/// A chat service.
#[derive(Clone, Debug)]
pub struct ChatService {
    http: Http,
    url: String,
    model: String,
}

#[derive(Deserialize)]
struct Models {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

impl ChatService {
    /// Asks a service which models it has, and so whether it lets us in.
    ///
    /// # Errors
    /// [`ChatStartError`].
    pub async fn start(settings: ChatSettings) -> Result<Self, ChatStartError> {
        let url = plain_url(&settings.url)?;
        let http = Http::new(&settings.trust, settings.key.as_ref())?;
        let began = Instant::now();
        let listed = loop {
            match http.get(&format!("{url}/models")).await {
                Ok(listed) => break listed,
                // Some services list nothing; that it answers is enough where the model is named.
                Err(UpstreamError::Status(404 | 405)) if settings.model.is_some() => break Value::Null,
                Err(error) if !may_recover(&error) || began.elapsed() >= PATIENCE => {
                    return Err(ChatStartError::Unusable { url, error });
                }
                Err(_) => sleep(PAUSE).await,
            }
        };
        let models = serde_json::from_value::<Models>(listed).map(|models| models.data).unwrap_or_default();
        let model = match (settings.model, &models[..]) {
            (Some(named), _) => named,
            (None, [only]) => only.id.clone(),
            (None, models) => return Err(ChatStartError::Model { url, count: models.len() }),
        };
        Ok(Self { http, url, model })
    }

    /// Returns the name of the model that is asked.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Returns the base of the service's URLs.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Asks for a reply, for some seconds where the service is busy. Dropped, the reply is abandoned.
    ///
    /// # Errors
    /// [`UpstreamError`], where the service does not begin to answer.
    pub async fn reply(&self, ask: &ChatAsk) -> Result<ChatReply, UpstreamError> {
        let began = Instant::now();
        loop {
            match self.http.stream(&format!("{}/chat/completions", self.url), &self.body(ask), SILENCE).await {
                Ok(response) => return Ok(ChatReply { response, lines: Lines::default(), ended: None }),
                Err(error) if !may_recover(&error) || began.elapsed() >= PATIENCE => return Err(error),
                Err(UpstreamError::Busy { after }) => sleep(after.unwrap_or(PAUSE).clamp(PAUSE, PATIENCE)).await,
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    fn body(&self, ask: &ChatAsk) -> Value {
        let message = |message: &ChatMessage| json!({ "role": message.role, "content": message.content });
        let mut body = json!({
            "model": self.model,
            "messages": ask.messages.iter().map(message).collect::<Vec<_>>(),
            "temperature": ask.temperature,
            "top_p": ask.top_p,
            "max_tokens": ask.max_tokens,
            "seed": ask.seed,
            "stream": true,
        });
        if !ask.stop.is_empty() {
            body["stop"] = json!(ask.stop);
        }
        body
    }
}

/// Tells whether the same request may be answered in a while.
fn may_recover(error: &UpstreamError) -> bool {
    matches!(error, UpstreamError::Unreachable | UpstreamError::Busy { .. } | UpstreamError::Status(500..=599))
}

/// The lines of an answer, put together of its pieces.
#[derive(Debug, Default)]
struct Lines {
    held: Vec<u8>,
    /// Number of bytes at the front of `held` that are known to have no end of a line: a service that drips is not read
    /// from the beginning of the line with each byte.
    searched: usize,
}

impl Lines {
    /// Takes the next bytes.
    fn push(&mut self, bytes: &[u8]) -> Result<(), InvalidAnswer> {
        self.held.extend_from_slice(bytes);
        // What is long and has no end is no line of an event.
        if self.held.len() > MAX_LINE && !self.held[self.searched..].contains(&b'\n') {
            return Err(InvalidAnswer::Form("line"));
        }
        Ok(())
    }

    /// Returns the next whole line, without its end.
    fn next(&mut self) -> Option<Vec<u8>> {
        let end = self.held[self.searched..].iter().position(|&byte| byte == b'\n');
        let Some(end) = end.map(|end| self.searched + end) else {
            self.searched = self.held.len();
            return None;
        };
        self.searched = 0;
        let mut line: Vec<u8> = self.held.drain(..=end).collect();
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Some(line)
    }
}

/// A reply while it comes.
#[derive(Debug)]
pub struct ChatReply {
    response: Response,
    lines: Lines,
    /// How it ended; nothing of it is left then.
    ended: Option<ChatPart>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
}

/// What a line of an answer brings.
#[derive(Debug, PartialEq, Eq)]
struct Brought {
    text: Option<String>,
    end: Option<ChatPart>,
}

/// Reads a line; `None` for one that brings nothing.
fn read(line: &[u8]) -> Result<Option<Brought>, UpstreamError> {
    let Some(data) = line.strip_prefix(b"data:") else { return Ok(None) };
    let data = data.trim_ascii();
    if data == b"[DONE]" {
        return Ok(Some(Brought { text: None, end: Some(ChatPart::End) }));
    }
    let event: Event = serde_json::from_slice(data).map_err(|_| InvalidAnswer::Form("event"))?;
    if event.error.is_some() {
        // Its words may quote the prompt.
        return Err(UpstreamError::Status(500));
    }
    let Some(choice) = event.choices.into_iter().next() else { return Ok(None) };
    let end = choice.finish_reason.map(|reason| match reason.as_str() {
        "length" => ChatPart::Cut,
        "content_filter" => ChatPart::Withheld,
        _ => ChatPart::End,
    });
    let text = choice.delta.content.filter(|text| !text.is_empty());
    Ok((text.is_some() || end.is_some()).then_some(Brought { text, end }))
}

impl ChatReply {
    /// Waits for the next part; after an end, it is that end again.
    ///
    /// # Errors
    /// [`UpstreamError`], where the reply breaks off.
    pub async fn next(&mut self) -> Result<ChatPart, UpstreamError> {
        loop {
            if let Some(end) = &self.ended {
                return Ok(end.clone());
            }
            while let Some(line) = self.lines.next() {
                let Some(Brought { text, end }) = read(&line)? else { continue };
                self.ended = end;
                if let Some(text) = text {
                    return Ok(ChatPart::Text(text));
                }
                if let Some(end) = &self.ended {
                    return Ok(end.clone());
                }
            }
            let piece = timeout(SILENCE, self.response.chunk()).await.map_err(|_| UpstreamError::TimedOut)?;
            match piece.map_err(|_| UpstreamError::Unreachable)? {
                Some(piece) => self.lines.push(&piece)?,
                None => return Err(UpstreamError::Unreachable),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brought(text: &str) -> Result<Option<Brought>, UpstreamError> {
        read(text.as_bytes())
    }

    #[test]
    fn events_bring_text_and_ends() {
        let text = |text: &str| Ok(Some(Brought { text: Some(text.into()), end: None }));
        let end = |end: ChatPart| Ok(Some(Brought { text: None, end: Some(end) }));
        assert_eq!(brought(r#"data: {"choices":[{"delta":{"content":"a\n\u00e9"}}]}"#), text("a\n\u{e9}"));
        assert_eq!(brought(r#"data:{"choices":[{"delta":{"content":"b"},"finish_reason":null}]}"#), text("b"));
        assert_eq!(brought(r#"data: {"choices":[{"delta":{"role":"assistant","content":""}}]}"#), Ok(None));
        assert_eq!(brought(r#"data: {"choices":[],"usage":{"total_tokens":7}}"#), Ok(None));
        assert_eq!(brought(r#"data: {"choices":[{"delta":{},"finish_reason":"stop"}]}"#), end(ChatPart::End));
        assert_eq!(brought(r#"data: {"choices":[{"delta":{},"finish_reason":"length"}]}"#), end(ChatPart::Cut));
        let withheld = r#"data: {"choices":[{"delta":{"content":null},"finish_reason":"content_filter"}]}"#;
        assert_eq!(brought(withheld), end(ChatPart::Withheld));
        assert_eq!(brought("data: [DONE]"), end(ChatPart::End));
        for nothing in ["", ": keep-alive", "event: message", "id: 4"] {
            assert_eq!(brought(nothing), Ok(None), "{nothing}");
        }
    }

    #[test]
    fn what_is_no_event_is_a_failure_that_quotes_nothing() {
        assert_eq!(brought("data: <html>"), Err(UpstreamError::Invalid(InvalidAnswer::Form("event"))));
        let quoted = brought(r#"data: {"error":{"message":"cannot go on with secret"}}"#).expect_err("an error");
        assert_eq!(quoted, UpstreamError::Status(500));
    }

    #[test]
    fn lines_are_put_together_however_they_are_cut() {
        let whole = b"data: 1\r\n\r\ndata: \xc3\xa9\n: x\n";
        for cut in 0..whole.len() {
            let mut lines = Lines::default();
            let mut got = Vec::new();
            for piece in [&whole[..cut], &whole[cut..]] {
                lines.push(piece).expect("short");
                while let Some(line) = lines.next() {
                    got.push(line);
                }
            }
            assert_eq!(got, [&b"data: 1"[..], b"", b"data: \xc3\xa9", b": x"], "cut at {cut}");
        }
        let mut endless = Lines::default();
        assert_eq!(endless.push(&vec![b'x'; MAX_LINE + 1]), Err(InvalidAnswer::Form("line")));
    }

    #[test]
    fn what_drips_is_searched_once() {
        let mut lines = Lines::default();
        for dripped in 1..=MAX_LINE {
            lines.push(b"x").expect("not too long");
            assert_eq!((lines.next(), lines.searched), (None, dripped));
        }
        lines.push(b"\r\ny").expect("it ends");
        assert_eq!(lines.next().map(|line| line.len()), Some(MAX_LINE));
        assert_eq!((lines.next(), lines.searched), (None, 1));
        lines.push(b"\n").expect("short");
        assert_eq!(lines.next(), Some(b"y".to_vec()));
    }
}
