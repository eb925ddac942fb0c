//! The kinds of engines: what each can do, what it is asked, and how its answers are read.
//!
//! Every request spells out parameters that change nothing, because engines fill in those of a model's own
//! configuration. What is used of an answer is what the engine had before any sampling.

mod llama_server;
mod sglang;
mod vllm;

use std::fmt;
use std::str::FromStr;

use serde_json::Value;
use uhlm_law::sampling::{PartialRow, TokenId};

use crate::ask::{Ask, TokenSet};
use crate::error::{InvalidAnswer, UpstreamError};

/// A kind of engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EngineKind {
    /// llama.cpp's own server.
    LlamaServer,
    /// vLLM's OpenAI-compatible server.
    Vllm,
    /// SGLang's own API.
    Sglang,
}

/// A name that no kind of engine has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no kind of engine: llama-server, vllm or sglang")]
pub struct UnknownKind(String);

impl EngineKind {
    const ALL: [Self; 3] = [Self::LlamaServer, Self::Vllm, Self::Sglang];

    /// Returns the name by which it is chosen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LlamaServer => "llama-server",
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
        }
    }

    /// Tells whether one request brings several rows. Where not, rows are asked for one by one, and no more than are
    /// needed.
    #[must_use]
    pub fn takes_windows(self) -> bool {
        self != Self::LlamaServer
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for EngineKind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| UnknownKind(name.to_owned()))
    }
}

/// What an engine can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Whether one request brings several rows.
    pub takes_windows: bool,
    /// Whether these rows come of one pass over the window; where not, they are as many sequences of one batch.
    pub one_forward: bool,
    /// Whether tokens can be asked for by name beside the most probable ones.
    pub takes_names: bool,
    /// Largest number of tokens that a row lists.
    pub top: usize,
    /// Whether its rows do not depend on what shares a batch, as its operator says.
    pub batch_invariant: bool,
}

impl fmt::Display for Abilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let window = match (self.takes_windows, self.one_forward) {
            (_, true) => "a window in one pass",
            (true, false) => "a window in one batch",
            (false, false) => "one row a request",
        };
        let top = if self.top >= usize::MAX / 2 { "any number of".to_owned() } else { format!("up to {}", self.top) };
        let batches = if self.batch_invariant { "batch-invariant" } else { "not batch-invariant" };
        write!(f, "{window}, {top} tokens a row, {batches}")
    }
}

/// What an engine says of the model that it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct About {
    /// Name of the model, by which requests name it where they have to.
    pub(crate) model: String,
    /// Everything else that must stay as it is.
    pub(crate) details: String,
    /// Length of the longest sequence, in tokens, where the engine says so.
    pub(crate) context: Option<u32>,
}

/// A request of HTTP.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Post {
    pub(crate) path: &'static str,
    pub(crate) body: Value,
}

impl EngineKind {
    /// Returns the paths that tell of the model, each read as JSON.
    pub(crate) fn about_paths(self) -> &'static [&'static str] {
        match self {
            Self::LlamaServer => &["/v1/models", "/props"],
            Self::Vllm => &["/v1/models"],
            Self::Sglang => &["/get_model_info"],
        }
    }

    /// Reads the answers of [`Self::about_paths`].
    pub(crate) fn read_about(self, answers: &[Value]) -> Result<About, InvalidAnswer> {
        match self {
            Self::LlamaServer => llama_server::read_about(answers),
            Self::Vllm => vllm::read_about(answers),
            Self::Sglang => sglang::read_about(answers),
        }
    }

    /// Makes the request for rows.
    pub(crate) fn rows(self, ask: &Ask, model: &str) -> Post {
        match self {
            Self::LlamaServer => llama_server::rows(ask),
            Self::Vllm => vllm::rows(ask, model),
            Self::Sglang => sglang::rows(ask),
        }
    }

    /// Reads the answer to a request for rows.
    pub(crate) fn read_rows(
        self,
        ask: &Ask,
        model: &str,
        body: &[u8],
        tokens: &TokenSet,
    ) -> Result<Vec<PartialRow>, UpstreamError> {
        match self {
            Self::LlamaServer => llama_server::read_rows(ask, model, body, tokens),
            Self::Vllm => vllm::read_rows(ask, model, body, tokens),
            Self::Sglang => Ok(sglang::read_rows(ask, body, tokens)?),
        }
    }

    /// Reads from a refusal how many tokens a row may list at most.
    pub(crate) fn read_top_limit(self, body: &[u8]) -> Option<usize> {
        if self == Self::Vllm { vllm::read_top_limit(body) } else { None }
    }

    /// Makes the request for the ids of a text.
    pub(crate) fn tokenize(self, text: &str, model: &str) -> Post {
        let body = match self {
            Self::LlamaServer => {
                serde_json::json!({ "content": text, "add_special": false, "parse_special": false })
            }
            Self::Vllm => serde_json::json!({ "model": model, "prompt": text, "add_special_tokens": false }),
            Self::Sglang => serde_json::json!({ "prompt": text, "add_special_tokens": false }),
        };
        Post { path: "/tokenize", body }
    }

    /// Reads the ids of a text.
    pub(crate) fn read_ids(body: &[u8]) -> Result<Vec<TokenId>, InvalidAnswer> {
        #[derive(serde::Deserialize)]
        struct Answer {
            tokens: Vec<TokenId>,
        }
        let answer: Answer = serde_json::from_slice(body).map_err(|_| InvalidAnswer::Form("list of ids"))?;
        Ok(answer.tokens)
    }
}

/// Returns the text of a field, empty where there is none.
fn text(value: &Value, path: &str) -> String {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_names_and_abilities_are_told_in_words() {
        for kind in EngineKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert_eq!("ollama".parse::<EngineKind>(), Err(UnknownKind("ollama".into())));
        let abilities =
            Abilities { takes_windows: true, one_forward: false, takes_names: false, top: 20, batch_invariant: false };
        assert_eq!(abilities.to_string(), "a window in one batch, up to 20 tokens a row, not batch-invariant");
    }
}
