//! The documented shapes of three engines: what they read of a request, and how their answers look.

use serde_json::{Value, json};
use uhlm_law::model::{LanguageModel as _, Special};
use uhlm_law::sampling::TokenId;
use uhlm_llama::Model;
use uhlm_server::upstream::EngineKind;

use super::runner::{Runner, top};

pub(super) fn rows_path(kind: EngineKind) -> &'static str {
    match kind {
        EngineKind::LlamaServer => "/completion",
        EngineKind::Vllm => "/v1/completions",
        EngineKind::Sglang => "/generate",
    }
}

/// Returns what an engine says of its model at a path; `None` for other paths.
pub(super) fn about(kind: EngineKind, path: &str, name: &str, model: &Model) -> Option<Value> {
    let context = model.trained_context();
    match (kind, path) {
        (EngineKind::LlamaServer, "/v1/models") => {
            let meta = json!({ "n_vocab": model.vocabulary_rows(), "n_params": model.parameters(), "n_embd": 64 });
            Some(json!({ "object": "list", "data": [{ "id": name, "object": "model", "meta": meta }] }))
        }
        (EngineKind::LlamaServer, "/props") => {
            Some(json!({ "default_generation_settings": { "n_ctx": context }, "total_slots": 1, "model_path": name }))
        }
        (EngineKind::Vllm, "/v1/models") => {
            let data = json!([{ "id": name, "object": "model", "root": name, "max_model_len": context }]);
            Some(json!({ "object": "list", "data": data }))
        }
        (EngineKind::Sglang, "/get_model_info") => Some(json!({ "model_path": name, "is_generation": true })),
        _ => None,
    }
}

pub(super) fn tokenize(kind: EngineKind, body: &Value, model: &Model) -> Option<Value> {
    let field = if kind == EngineKind::LlamaServer { "content" } else { "prompt" };
    let ids = model.tokenize(body.get(field)?.as_str()?, Special::Plain).ok()?;
    Some(json!({ "count": ids.len(), "tokens": ids }))
}

fn ids(value: Option<&Value>) -> Result<Vec<TokenId>, String> {
    let ids = value.cloned().and_then(|value| serde_json::from_value(value).ok());
    ids.ok_or_else(|| "the prompt is no list of ids".into())
}

fn number(body: &Value, path: &str) -> Option<usize> {
    body.pointer(path).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok())
}

/// Checks that nothing changes the distribution.
fn check_neutral(params: &Value) -> Result<(), String> {
    let is = |key: &str, value: f64| params.get(key).and_then(Value::as_f64) == Some(value);
    let neutral = is("temperature", 1.0) && is("top_p", 1.0) && is("min_p", 0.0) && is("presence_penalty", 0.0);
    if neutral { Ok(()) } else { Err("the sampling parameters are those of the model's own configuration".into()) }
}

/// Computes rows and answers as an engine does. Lists are cut to one `few`-th, and ids are raised by `shift`.
pub(super) fn rows(
    kind: EngineKind,
    body: &Value,
    name: &str,
    limit: usize,
    few: usize,
    shift: TokenId,
    runner: &mut Runner,
) -> Result<Value, String> {
    let list = |row: &[f32], count: usize| -> Vec<(TokenId, f32)> {
        top(row, count / few).into_iter().map(|(id, value)| (id + shift, value)).collect()
    };
    match kind {
        EngineKind::LlamaServer => {
            check_neutral(body)?;
            let prompt = ids(body.get("prompt"))?;
            let row = runner.rows(&prompt, prompt.len()..prompt.len() + 1)?.remove(0);
            let count = number(body, "/n_probs").unwrap_or(0).min(limit);
            let listed: Vec<Value> = list(&row, count)
                .into_iter()
                .map(|(id, value)| json!({ "id": id, "token": "", "bytes": [], "logprob": value }))
                .collect();
            let place = json!({ "id": 0, "token": "", "bytes": [], "logprob": -1.0, "top_logprobs": listed });
            Ok(json!({
                "model": name,
                "tokens_evaluated": prompt.len(),
                "truncated": false,
                "completion_probabilities": [place],
            }))
        }
        EngineKind::Vllm => {
            check_neutral(body)?;
            if body.get("model").and_then(Value::as_str) != Some(name) {
                return Err("the model does not exist".into());
            }
            let count = number(body, "/logprobs").unwrap_or(0);
            if count > limit {
                let reason = "which is greater than max allowed";
                return Err(format!("Requested sample logprobs of {count}, {reason}: {limit}"));
            }
            let prompts = body.get("prompt").and_then(Value::as_array).ok_or("no prompts")?;
            let (mut choices, mut read) = (Vec::new(), 0);
            for (index, prompt) in prompts.iter().enumerate() {
                let prompt = ids(Some(prompt))?;
                read += prompt.len();
                let row = runner.rows(&prompt, prompt.len()..prompt.len() + 1)?.remove(0);
                let mut listed = list(&row, count);
                // The token that is drawn is listed as well.
                let drawn = (prompt.len() * 7919 % row.len()) as TokenId;
                if !listed.iter().any(|(id, _)| *id == drawn + shift) {
                    listed.push((drawn + shift, row[drawn as usize]));
                }
                let listed: serde_json::Map<String, Value> =
                    listed.into_iter().map(|(id, value)| (format!("token_id:{id}"), json!(value))).collect();
                let logprobs = json!({ "tokens": [format!("token_id:{drawn}")], "top_logprobs": [listed] });
                choices.push(json!({ "index": index, "text": "", "logprobs": logprobs, "finish_reason": "length" }));
            }
            choices.reverse();
            Ok(json!({ "model": name, "choices": choices, "usage": { "prompt_tokens": read } }))
        }
        EngineKind::Sglang => {
            check_neutral(body.get("sampling_params").unwrap_or(&Value::Null))?;
            let prompt = ids(body.get("input_ids"))?;
            let start = body.get("logprob_start_len").and_then(Value::as_i64).unwrap_or(-1);
            let start = usize::try_from(start).unwrap_or(prompt.len() - 1);
            let count = number(body, "/top_logprobs_num").unwrap_or(0).min(limit);
            let named = ids(body.get("token_ids_logprob")).unwrap_or_default();
            let rows = runner.rows(&prompt, start + 1..prompt.len() + 1)?;
            let places = |tokens: Vec<(TokenId, f32)>| -> Value {
                tokens.into_iter().map(|(id, value)| json!([value, id, null])).collect()
            };
            let tops = rows.iter().map(|row| places(list(row, count)));
            let of_names =
                |row: &Vec<f32>| places(named.iter().filter_map(|id| Some((*id, *row.get(*id as usize)?))).collect());
            let mut tops: Vec<Value> = std::iter::once(Value::Null).chain(tops).collect();
            let mut names: Vec<Value> = std::iter::once(Value::Null).chain(rows.iter().map(of_names)).collect();
            // The row after the prompt is that of the token that is generated.
            let (last, last_names) = (tops.pop(), names.pop());
            let known: Vec<Value> = (start..prompt.len())
                .map(|at| {
                    let value =
                        if at == start { Value::Null } else { json!(rows[at - start - 1][prompt[at] as usize]) };
                    json!([value, prompt[at] + shift, null])
                })
                .collect();
            Ok(json!({ "text": "", "meta_info": {
                "prompt_tokens": prompt.len(),
                "completion_tokens": 1,
                "input_token_logprobs": known,
                "input_top_logprobs": tops,
                "input_token_ids_logprobs": names,
                "output_token_logprobs": [[-1.0, 0, null]],
                "output_top_logprobs": [last],
                "output_token_ids_logprobs": [last_names],
            }}))
        }
    }
}
