//! llama-server: `POST /completion` with an array of ids, one row a request.
//!
//! `n_probs` lists the most probable tokens before sampling, and the cache of a slot is reused as far as the text
//! agrees.

use serde::Deserialize;
use serde_json::{Value, json};
use uhlm_law::sampling::PartialRow;

use super::{About, Post, text};
use crate::ask::{Ask, Token, TokenSet};
use crate::error::{InvalidAnswer, UpstreamError};

pub(super) fn read_about(answers: &[Value]) -> Result<About, InvalidAnswer> {
    let [models, props] = answers else { return Err(InvalidAnswer::Form("description")) };
    let meta = models.pointer("/data/0/meta").cloned().unwrap_or_default();
    // What stays as long as the model does; names of slots and times are not among it.
    let details: Vec<String> = ["n_vocab", "n_params", "size", "n_embd"]
        .iter()
        .map(|key| meta.get(*key).unwrap_or(&Value::Null).to_string())
        .collect();
    let context = props.pointer("/default_generation_settings/n_ctx").and_then(Value::as_u64);
    Ok(About {
        model: text(models, "/data/0/id"),
        details: format!("{} {}", details.join(" "), text(props, "/model_path")),
        context: context.and_then(|context| u32::try_from(context).ok()),
    })
}

pub(super) fn rows(ask: &Ask) -> Post {
    let body = json!({
        "prompt": ask.before(ask.rows.start),
        "n_predict": 1,
        "n_probs": ask.top,
        "post_sampling_probs": false,
        "cache_prompt": true,
        "stream": false,
        "samplers": ["temperature"],
        "temperature": 1.0,
        "dynatemp_range": 0.0,
        "top_k": 0,
        "top_p": 1.0,
        "min_p": 0.0,
        "typical_p": 1.0,
        "xtc_probability": 0.0,
        "mirostat": 0,
        "repeat_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "dry_multiplier": 0.0,
        "logit_bias": [],
        "ignore_eos": false,
        "response_fields": ["completion_probabilities", "tokens_evaluated", "truncated", "model"],
    });
    Post { path: "/completion", body }
}

#[derive(Deserialize)]
struct Answer {
    completion_probabilities: Vec<Place>,
    tokens_evaluated: Option<u64>,
    truncated: Option<bool>,
    model: Option<String>,
}

#[derive(Deserialize)]
struct Place {
    top_logprobs: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    id: u32,
    /// Without a number for a probability of 0, which has no logarithm in JSON.
    logprob: Option<f64>,
}

pub(super) fn read_rows(
    ask: &Ask,
    model: &str,
    body: &[u8],
    tokens: &TokenSet,
) -> Result<Vec<PartialRow>, UpstreamError> {
    let answer: Answer = serde_json::from_slice(body).map_err(|_| InvalidAnswer::Form("probabilities"))?;
    if answer.model.is_some_and(|named| !named.is_empty() && !model.is_empty() && named != model) {
        return Err(UpstreamError::OtherModel);
    }
    let asked = ask.before(ask.rows.start).len() as u64;
    if answer.truncated == Some(true) {
        return Err(InvalidAnswer::OtherText { read: 0, asked }.into());
    }
    if let Some(read) = answer.tokens_evaluated.filter(|read| *read != asked) {
        return Err(InvalidAnswer::OtherText { read, asked }.into());
    }
    let [place] = &answer.completion_probabilities[..] else { return Err(InvalidAnswer::Form("one row").into()) };
    let listed = place.top_logprobs.iter();
    let listed: Vec<Token> =
        listed.map(|listed| (listed.id, listed.logprob.map_or(f32::NEG_INFINITY, |value| value as f32))).collect();
    Ok(vec![ask.row(listed, [], tokens)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask() -> Ask {
        Ask {
            tokens: [7, 8, 9].into(),
            rows: 3..4,
            top: 2,
            named: Vec::new(),
            session: 0,
            salt: String::new(),
            is_warm: false,
        }
    }

    fn read(body: &Value) -> Result<Vec<PartialRow>, UpstreamError> {
        read_rows(&ask(), "m.gguf", body.to_string().as_bytes(), &TokenSet::new(10, |_| true))
    }

    fn answer() -> Value {
        let listed = json!([
            { "id": 3, "token": "a", "bytes": [97], "logprob": -0.5 },
            { "id": 4, "token": "b", "bytes": [98], "logprob": -1.5 },
        ]);
        json!({
            "model": "m.gguf",
            "tokens_evaluated": 3,
            "truncated": false,
            "completion_probabilities": [{ "id": 3, "token": "a", "logprob": -0.5, "top_logprobs": listed }],
        })
    }

    #[test]
    fn a_row_is_what_is_listed_before_sampling() {
        assert_eq!(rows(&ask()).body["prompt"], json!([7, 8, 9]));
        let rows = read(&answer()).expect("a row");
        assert_eq!(rows[0].listed(), [(3, -0.5), (4, -1.5)]);
    }

    #[test]
    fn another_text_and_another_model_are_noticed() {
        let change = |key: &str, value: Value| {
            let mut answer = answer();
            answer[key] = value;
            read(&answer)
        };
        assert_eq!(change("model", json!("other.gguf")), Err(UpstreamError::OtherModel));
        let other = InvalidAnswer::OtherText { read: 4, asked: 3 };
        assert_eq!(change("tokens_evaluated", json!(4)), Err(other.into()), "a BOS slipped in");
        assert!(change("truncated", json!(true)).is_err());
        assert_eq!(change("completion_probabilities", json!([])), Err(InvalidAnswer::Form("one row").into()));
    }
}
