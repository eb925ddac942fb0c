//! SGLang: `POST /generate` with ids; one pass brings a whole window.
//!
//! The rows of a window are the logprobs of the prompt from `logprob_start_len` on, whose first place has none, and
//! that of the one token that is generated. Tokens can be asked for by name, the same ones at every place.

use serde::Deserialize;
use serde_json::{Value, json};
use uhlm_law::sampling::{PartialRow, TokenId};

use super::{About, Post, text};
use crate::ask::{Ask, Token, TokenSet};
use crate::error::InvalidAnswer;

pub(super) fn read_about(answers: &[Value]) -> Result<About, InvalidAnswer> {
    let info = answers.first().ok_or(InvalidAnswer::Form("description"))?;
    let model = text(info, "/model_path");
    if model.is_empty() {
        return Err(InvalidAnswer::Form("name of the model"));
    }
    Ok(About { model, details: text(info, "/weight_version"), context: None })
}

pub(super) fn rows(ask: &Ask) -> Post {
    let sent = ask.before(ask.rows.end - 1);
    let start = if ask.rows.len() > 1 { json!(ask.rows.start - 1) } else { json!(-1) };
    let mut body = json!({
        "input_ids": sent,
        "sampling_params": {
            "max_new_tokens": 1,
            "temperature": 1.0,
            "top_p": 1.0,
            "top_k": -1,
            "min_p": 0.0,
            "frequency_penalty": 0.0,
            "presence_penalty": 0.0,
            "repetition_penalty": 1.0,
            "ignore_eos": true,
            "skip_special_tokens": false,
        },
        "return_logprob": true,
        "logprob_start_len": start,
        "top_logprobs_num": ask.top,
        "return_text_in_logprobs": false,
        "stream": false,
    });
    if !ask.named.is_empty() {
        body["token_ids_logprob"] = json!(ask.named);
    }
    Post { path: "/generate", body }
}

/// A token with its logprob and, where it was asked for, its text. The first place of a prompt has no logprob.
type Entry = (Option<f64>, TokenId, Option<String>);
/// The tokens of a place; the first place of a prompt has none.
type Place = Option<Vec<Entry>>;

#[derive(Deserialize)]
struct Answer {
    meta_info: Meta,
}

#[derive(Deserialize)]
struct Meta {
    prompt_tokens: u64,
    completion_tokens: Option<u64>,
    #[serde(default)]
    input_token_logprobs: Option<Vec<Entry>>,
    #[serde(default)]
    input_top_logprobs: Option<Vec<Place>>,
    #[serde(default)]
    input_token_ids_logprobs: Option<Vec<Place>>,
    output_top_logprobs: Vec<Place>,
    #[serde(default)]
    output_token_ids_logprobs: Option<Vec<Place>>,
}

fn tokens_of(place: Option<&Place>) -> Vec<Token> {
    let entries = place.and_then(Option::as_ref).map(Vec::as_slice).unwrap_or_default();
    entries.iter().map(|(value, id, _)| (*id, value.map_or(f32::NEG_INFINITY, |value| value as f32))).collect()
}

pub(super) fn read_rows(ask: &Ask, body: &[u8], tokens: &TokenSet) -> Result<Vec<PartialRow>, InvalidAnswer> {
    let Answer { meta_info: meta } = serde_json::from_slice(body).map_err(|_| InvalidAnswer::Form("meta_info"))?;
    let sent = ask.before(ask.rows.end - 1);
    let asked = sent.len() as u64;
    if meta.prompt_tokens != asked {
        return Err(InvalidAnswer::OtherText { read: meta.prompt_tokens, asked });
    }
    if meta.completion_tokens.is_some_and(|count| count != 1) || meta.output_top_logprobs.len() != 1 {
        return Err(InvalidAnswer::Form("generated token"));
    }
    let mut rows = Vec::with_capacity(ask.rows.len());
    if ask.rows.len() > 1 {
        let start = ask.rows.start - 1;
        let known = meta.input_token_logprobs.unwrap_or_default();
        let tops = meta.input_top_logprobs.unwrap_or_default();
        let named = meta.input_token_ids_logprobs.unwrap_or_default();
        if known.len() != sent.len() - start || tops.len() != known.len() {
            return Err(InvalidAnswer::Form("place for each token"));
        }
        for ((_, id, _), &asked) in known.iter().zip(&sent[start..]) {
            if *id != asked {
                return Err(InvalidAnswer::OtherToken { id: *id, asked });
            }
        }
        for place in 1..known.len() {
            rows.push(ask.row(tokens_of(tops.get(place)), tokens_of(named.get(place)), tokens)?);
        }
    }
    let named = meta.output_token_ids_logprobs.unwrap_or_default();
    rows.push(ask.row(tokens_of(meta.output_top_logprobs.first()), tokens_of(named.first()), tokens)?);
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(from: usize) -> Ask {
        Ask {
            tokens: [7, 8, 9].into(),
            rows: from..4,
            top: 1,
            named: vec![5],
            session: 0,
            salt: String::new(),
            is_warm: false,
        }
    }

    fn read(ask: &Ask, body: &Value) -> Result<Vec<PartialRow>, InvalidAnswer> {
        read_rows(ask, body.to_string().as_bytes(), &TokenSet::new(10, |_| true))
    }

    fn answer() -> Value {
        json!({ "text": "", "meta_info": {
            "prompt_tokens": 3,
            "completion_tokens": 1,
            "input_token_logprobs": [[null, 8, null], [-0.5, 9, null]],
            "input_top_logprobs": [null, [[-0.5, 9, null]]],
            "input_token_ids_logprobs": [null, [[-3.0, 5, null]]],
            "output_token_logprobs": [[-1.0, 2, null]],
            "output_top_logprobs": [[[-0.25, 3, null]]],
            "output_token_ids_logprobs": [[[-4.0, 5, null]]],
        }})
    }

    #[test]
    fn a_window_is_the_end_of_the_prompt_and_the_token_after_it() {
        let post = rows(&ask(2));
        assert_eq!(post.body["input_ids"], json!([7, 8, 9]));
        assert_eq!(post.body["logprob_start_len"], json!(1));
        let rows = read(&ask(2), &answer()).expect("rows");
        assert_eq!(rows[0].listed(), [(5, -3.0), (9, -0.5)]);
        assert_eq!(rows[1].listed(), [(3, -0.25), (5, -4.0)]);
        assert_eq!(read(&ask(3), &answer()).expect("a row").len(), 1);
        assert_eq!(super::rows(&ask(3)).body["logprob_start_len"], json!(-1));
    }

    #[test]
    fn another_text_and_places_that_are_missing_are_noticed() {
        let change = |path: &str, value: Value| {
            let mut answer = answer();
            *answer.pointer_mut(&format!("/meta_info/{path}")).expect("a field") = value;
            read(&ask(2), &answer)
        };
        assert_eq!(change("prompt_tokens", json!(4)), Err(InvalidAnswer::OtherText { read: 4, asked: 3 }));
        assert_eq!(change("input_token_logprobs/1/1", json!(6)), Err(InvalidAnswer::OtherToken { id: 6, asked: 9 }));
        assert_eq!(change("input_top_logprobs", json!([null])), Err(InvalidAnswer::Form("place for each token")));
        assert_eq!(change("output_top_logprobs", json!([])), Err(InvalidAnswer::Form("generated token")));
    }
}
