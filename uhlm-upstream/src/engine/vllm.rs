//! vLLM: `POST /v1/completions` with an array of ids for each row, all in one batch.
//!
//! Rows are those before sampling (`--logprobs-mode raw_logprobs`, the default). The prefix cache, which is on by
//! default, makes one pass of a window's arrays but for their last tokens, and `cache_salt` keeps owners apart in it.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};
use uhlm_law::sampling::PartialRow;

use super::{About, Post, text};
use crate::ask::{Ask, Token, TokenSet};
use crate::error::{InvalidAnswer, UpstreamError};

/// What comes before an id where ids are listed instead of texts.
const ID: &str = "token_id:";

pub(super) fn read_about(answers: &[Value]) -> Result<About, InvalidAnswer> {
    let models = answers.first().ok_or(InvalidAnswer::Form("list of models"))?;
    let model = text(models, "/data/0/id");
    if model.is_empty() {
        return Err(InvalidAnswer::Form("name of the model"));
    }
    let context = models.pointer("/data/0/max_model_len").and_then(Value::as_u64);
    Ok(About {
        model,
        details: text(models, "/data/0/root"),
        context: context.and_then(|context| u32::try_from(context).ok()),
    })
}

pub(super) fn rows(ask: &Ask, model: &str) -> Post {
    let prompts: Vec<&[u32]> = ask.rows.clone().map(|at| ask.before(at)).collect();
    let mut body = json!({
        "model": model,
        "prompt": prompts,
        "max_tokens": 1,
        "logprobs": ask.top,
        "return_tokens_as_token_ids": true,
        "add_special_tokens": false,
        "skip_special_tokens": false,
        "ignore_eos": true,
        "echo": false,
        "stream": false,
        "n": 1,
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": -1,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
    });
    if !ask.salt.is_empty() {
        body["cache_salt"] = ask.salt.clone().into();
    }
    Post { path: "/v1/completions", body }
}

#[derive(Deserialize)]
struct Answer {
    model: Option<String>,
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    index: usize,
    logprobs: Option<Logprobs>,
}

#[derive(Deserialize)]
struct Logprobs {
    top_logprobs: Vec<Option<HashMap<String, f64>>>,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: u64,
}

pub(super) fn read_rows(
    ask: &Ask,
    model: &str,
    body: &[u8],
    tokens: &TokenSet,
) -> Result<Vec<PartialRow>, UpstreamError> {
    let answer: Answer = serde_json::from_slice(body).map_err(|_| InvalidAnswer::Form("choices"))?;
    if answer.model.is_some_and(|named| named != model) {
        return Err(UpstreamError::OtherModel);
    }
    let asked: u64 = ask.rows.clone().map(|at| ask.before(at).len() as u64).sum();
    if let Some(read) = answer.usage.map(|usage| usage.prompt_tokens).filter(|read| *read != asked) {
        return Err(InvalidAnswer::OtherText { read, asked }.into());
    }
    let mut choices = answer.choices;
    choices.sort_by_key(|choice| choice.index);
    if choices.len() != ask.rows.len() || choices.iter().enumerate().any(|(i, choice)| choice.index != i) {
        return Err(InvalidAnswer::Form("choice for each row").into());
    }
    let row = |choice: Choice| -> Result<PartialRow, InvalidAnswer> {
        let places = choice.logprobs.map(|logprobs| logprobs.top_logprobs).unwrap_or_default();
        let place = places.into_iter().next().flatten().ok_or(InvalidAnswer::Form("logprobs"))?;
        let listed = place.into_iter().map(|(name, value)| Some((name.strip_prefix(ID)?.parse().ok()?, value as f32)));
        let listed: Option<Vec<Token>> = listed.collect();
        ask.row(listed.ok_or(InvalidAnswer::Form("ids"))?, [], tokens)
    };
    Ok(choices.into_iter().map(row).collect::<Result<_, _>>()?)
}

/// Reads "... of 1000, which is greater than max allowed: 20".
pub(super) fn read_top_limit(body: &[u8]) -> Option<usize> {
    let text = str::from_utf8(body).ok()?;
    if !text.contains("logprobs") {
        return None;
    }
    let (_, limit) = text.split_once("max allowed: ")?;
    let digits: String = limit.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask() -> Ask {
        Ask {
            tokens: [7, 8, 9].into(),
            rows: 2..4,
            top: 1,
            named: Vec::new(),
            session: 0,
            salt: "s".into(),
            is_warm: false,
        }
    }

    fn read(body: &Value) -> Result<Vec<PartialRow>, UpstreamError> {
        read_rows(&ask(), "m", body.to_string().as_bytes(), &TokenSet::new(10, |_| true))
    }

    fn answer() -> Value {
        let choice = |index: usize, listed: Value| {
            let logprobs = json!({ "top_logprobs": [listed] });
            json!({ "index": index, "text": "", "logprobs": logprobs, "finish_reason": "length" })
        };
        // The second choice has drawn another token than the most probable one.
        let choices =
            [choice(1, json!({ "token_id:4": -0.5, "token_id:9": -6.0 })), choice(0, json!({ "token_id:3": -0.25 }))];
        json!({ "model": "m", "choices": choices, "usage": { "prompt_tokens": 5 } })
    }

    #[test]
    fn a_window_is_one_array_a_row_and_answers_are_told_apart_by_their_index() {
        assert_eq!(rows(&ask(), "m").body["prompt"], json!([[7, 8], [7, 8, 9]]));
        let rows = read(&answer()).expect("rows");
        assert_eq!(rows[0].listed(), [(3, -0.25)]);
        assert_eq!(rows[1].listed(), [(4, -0.5), (9, -6.0)]);
    }

    #[test]
    fn texts_instead_of_ids_another_text_and_another_model_are_noticed() {
        let mut texts = answer();
        texts["choices"][1]["logprobs"]["top_logprobs"][0] = json!({ " the": -0.25 });
        assert_eq!(read(&texts), Err(InvalidAnswer::Form("ids").into()));
        let mut other = answer();
        other["usage"]["prompt_tokens"] = json!(7);
        assert_eq!(read(&other), Err(InvalidAnswer::OtherText { read: 7, asked: 5 }.into()));
        let mut other = answer();
        other["model"] = json!("n");
        assert_eq!(read(&other), Err(UpstreamError::OtherModel));
        let mut one = answer();
        one["choices"] = json!([one["choices"][0]]);
        assert_eq!(read(&one), Err(InvalidAnswer::Form("choice for each row").into()));
    }

    #[test]
    fn the_limit_of_a_row_is_read_from_the_refusal() {
        let refusal =
            br#"{"error":{"message":"Requested sample logprobs of 1000, which is greater than max allowed: 20"}}"#;
        assert_eq!(read_top_limit(refusal), Some(20));
        assert_eq!(read_top_limit(b"the prompt is too long, max allowed: 4096"), None);
    }
}
