//! The check, from the header, that llama.cpp runs a file as a model that writes text. What it would refuse or assert
//! is an error with a reason that says what the file is.
//!
//! Mirrors `llama-model.cpp` (`load_hparams`), `llama-vocab.cpp` (`load`) and `llama-arch.cpp`. What this misses, the
//! guard around llama.cpp still catches; only the reason is then llama.cpp's own.

use std::collections::HashMap;

use crate::header::Value;

/// Largest numbers of layers and of experts: llama.cpp's `LLAMA_MAX_LAYERS` and `LLAMA_MAX_EXPERTS`.
const MAX_LAYERS: u64 = 512;
const MAX_EXPERTS: u64 = 1024;
/// Largest context that a model can claim to be trained for, in tokens, beyond any model there is: larger numbers
/// overflow llama.cpp's.
const MAX_CONTEXT: u64 = 1 << 28;

/// Architectures of models that were run with this library: Llama, SmolLM2 and the bundled pair; Qwen 2 and 2.5.
const TRIED: [&str; 2] = ["llama", "qwen2"];

/// Kinds of architectures of llama.cpp that do not write text token by token, each with the names of its architectures.
const OTHER_KINDS: [(&str, &[&str]); 6] = [
    (
        "an encoder, which gives vectors and writes no text",
        &[
            "bert",
            "modern-bert",
            "nomic-bert",
            "nomic-bert-moe",
            "neo-bert",
            "jina-bert-v2",
            "jina-bert-v3",
            "eurobert",
            "t5encoder",
        ],
    ),
    ("an embedding model, which writes no text", &["gemma-embedding", "llama-embed"]),
    ("a model whose text goes through an encoder first", &["t5"]),
    ("a diffusion model, which does not write from left to right", &["dream", "llada", "llada-moe", "rnd1"]),
    ("a part of another model, which cannot run alone", &["eagle3", "dflash", "gemma4-assistant", "clip"]),
    ("a model of speech, not of text", &["wavtokenizer-dec", "qwen3tts", "pockettts"]),
];

/// Names of tokenizers that llama.cpp knows and that make tokens of any text. That of RWKV, whose state cannot be
/// rolled back anyway, never ends where a vocabulary lacks a byte.
const TOKENIZERS: [&str; 5] = ["llama", "gpt2", "gemma4", "t5", "plamo2"];
const ROPE_SCALINGS: [&str; 4] = ["none", "linear", "yarn", "longrope"];

/// Tells whether models of an architecture were run with this library.
pub(crate) fn is_tried(architecture: &str) -> bool {
    TRIED.contains(&architecture)
}

/// The facts that a header states besides sizes.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    tokenizer: Option<String>,
    /// Name of the way in which text is split, `tokenizer.ggml.pre`.
    pub(crate) pre_tokenizer: Option<String>,
    /// A text that two tokens have.
    pub(crate) repeated_token: Option<String>,
    rope_scaling: Option<(String, String)>,
    not_causal: Vec<String>,
}

impl Facts {
    /// Takes note of an entry, as far as it is of interest.
    pub(crate) fn note(&mut self, key: &str, value: &Value) {
        match value {
            Value::Text(text) if key == "tokenizer.ggml.model" => self.tokenizer = Some(text.clone()),
            Value::Text(text) if key == "tokenizer.ggml.pre" => self.pre_tokenizer = Some(text.clone()),
            Value::Text(text) if key.ends_with(".rope.scaling.type") => {
                self.rope_scaling = Some((key.to_owned(), text.clone()));
            }
            Value::Bool(false) if key.ends_with(".attention.causal") => self.not_causal.push(key.to_owned()),
            _ => {}
        }
    }

    /// Checks that nothing keeps llama.cpp from running the file as a model that writes text; the error says what does.
    pub(crate) fn check(&self, architecture: &str, sizes: &HashMap<String, Vec<u64>>) -> Result<(), String> {
        if let Some((kind, _)) = OTHER_KINDS.iter().find(|(_, names)| names.contains(&architecture)) {
            return Err(format!("it is {kind}"));
        }
        let own = |key: &str| sizes.get(&format!("{architecture}.{key}"));
        let one = |key: &str| own(key).and_then(|values| values.iter().copied().max());
        if self.not_causal.iter().any(|key| key.starts_with(&format!("{architecture}."))) {
            return Err("it is an encoder: its attention is not causal".into());
        }
        if one("pooling_type").is_some_and(|kind| kind != 0) {
            return Err("it is an embedding model, which writes no text".into());
        }
        self.check_tokenizer()?;
        self.check_rope(architecture)?;
        match one("block_count") {
            Some(layers) if !(1..=MAX_LAYERS).contains(&layers) => {
                return Err(format!("it has {layers} layers, llama.cpp runs 1 to {MAX_LAYERS}"));
            }
            Some(layers) if one("nextn_predict_layers").is_some_and(|ahead| ahead > layers) => {
                return Err(format!("more layers predict ahead than there are, which is {layers}"));
            }
            _ => {}
        }
        for key in ["context_length", "embedding_length"] {
            if own(key).is_some_and(|values| values.iter().all(|&value| value == 0)) {
                return Err(format!("its {key} is 0"));
            }
        }
        if let Some(context) = one("context_length").filter(|&context| context > MAX_CONTEXT) {
            return Err(format!("its context_length is {context}"));
        }
        check_experts(&one)
    }

    fn check_tokenizer(&self) -> Result<(), String> {
        if let Some(text) = &self.repeated_token {
            return Err(format!("two tokens have the text {text:?}, which llama.cpp cannot tell apart"));
        }
        match self.tokenizer.as_deref() {
            None => Err("it has no tokenizer".into()),
            Some("no_vocab" | "none") => Err("it has no vocabulary, only weights".into()),
            Some(name) if TOKENIZERS.contains(&name) => Ok(()),
            Some(name) => Err(format!("its tokenizer is {name:?}, which does not make tokens of any text")),
        }
    }

    fn check_rope(&self, architecture: &str) -> Result<(), String> {
        match &self.rope_scaling {
            Some((key, kind)) if key.starts_with(&format!("{architecture}.")) => {
                let known = ROPE_SCALINGS.contains(&kind.as_str());
                if known {
                    Ok(())
                } else {
                    Err(format!("its rope scaling is {kind:?}, llama.cpp knows {ROPE_SCALINGS:?}"))
                }
            }
            _ => Ok(()),
        }
    }
}

fn check_experts(one: &impl Fn(&str) -> Option<u64>) -> Result<(), String> {
    let (experts, used) = (one("expert_count").unwrap_or(0), one("expert_used_count").unwrap_or(0));
    let (groups, used_groups) = (one("expert_group_count").unwrap_or(0), one("expert_group_used_count").unwrap_or(0));
    if experts > MAX_EXPERTS {
        return Err(format!("it has {experts} experts, llama.cpp runs {MAX_EXPERTS}"));
    }
    if used > experts || (experts > 0 && used == 0) {
        return Err(format!("it uses {used} of {experts} experts"));
    }
    let parts = groups <= 1 || (groups < experts && experts % groups == 0 && (1..groups).contains(&used_groups));
    if (groups > 0 && groups >= experts) || !parts {
        return Err(format!("it uses {used_groups} of {groups} groups of its {experts} experts"));
    }
    Ok(())
}
