//! A model file that llama.cpp reads: whatever is in it, loading ends in a model or an error, and a model that was
//! loaded reads a text. What llama.cpp would end the process for ends this one too, and so is found.
//!
//! An input is such a file, or else changes of a whole small one that keep its lengths, so that many are loaded.

use uhlm_law::chat::{ChatTemplate as _, Message};
use uhlm_law::model::{LanguageModel as _, Sequence as _, Special};
use uhlm_llama::{ContextOptions, LoadOptions, MemoryNeed, Model};

use super::written::{Writer, in_file};
use crate::Target;
use crate::choices::Choices;

pub(crate) const TARGET: Target = Target { name: "load", run, seeds, words: WORDS };

const WORDS: &[&str] = &[
    "general.architecture",
    "llama.block_count",
    "llama.attention.head_count",
    "llama.attention.head_count_kv",
    "llama.attention.sliding_window",
    "llama.rope.dimension_count",
    "llama.expert_count",
    "llama.vocab_size",
    "tokenizer.ggml.tokens",
    "tokenizer.ggml.token_type",
    "tokenizer.ggml.bos_token_id",
    "tokenizer.ggml.eos_token_id",
    "gpt2",
    "qwen2",
    "gemma2",
    "token_embd.weight",
    "output.weight",
    "blk.0.attn_q.weight",
    "blk.0.attn_q.bias",
    "rope_freqs.weight",
    "\u{4}\u{0}\u{0}\u{0}",
    "\u{5}\u{0}\u{0}\u{0}",
    "\u{8}\u{0}\u{0}\u{0}",
    "\u{9}\u{0}\u{0}\u{0}",
];

const MAGIC: &[u8] = b"GGUF";
/// Numbers at which sizes end, or are strange.
const EDGES: [u32; 12] = [0, 1, 2, 3, 5, 16, 0xff, 0x100, 0xffff, 0x7fff_ffff, 0x8000_0000, u32::MAX];
/// Context of the models, in tokens.
const CONTEXT: u32 = 64;

fn run(data: &[u8]) {
    in_file(&bytes(data), read_with);
}

/// Returns the file that an input stands for.
fn bytes(data: &[u8]) -> Vec<u8> {
    if data.starts_with(MAGIC) {
        return data.to_vec();
    }
    let (mut file, mut choices) = (model(), Choices::new(data));
    while !choices.is_over() {
        let at = usize::from(u16::from_be_bytes([choices.byte(), choices.byte()])) % file.len();
        match choices.below(4) {
            0 => file[at] ^= 1 << choices.below(8),
            1 => file[at] = choices.byte(),
            2 => put(&mut file, at, &EDGES[choices.below(EDGES.len())].to_le_bytes()),
            // A weight in half precision that is no number, or none of the finite.
            _ => put(&mut file, at, &[0x7e00_u16, 0x7c00, 0xfc00][choices.below(3)].to_le_bytes()),
        }
    }
    file
}

fn put(file: &mut [u8], at: usize, new: &[u8]) {
    file[at..].iter_mut().zip(new).for_each(|(byte, new)| *byte = *new);
}

/// Loads a file and reads a text with the model; returns how far that came.
fn read_with(path: &std::path::Path) -> Option<bool> {
    let memory = Some(MemoryNeed { context: CONTEXT, available: Some(64 << 20) });
    let model = Model::load(path, &LoadOptions { memory, ..LoadOptions::default() }).ok()?;
    let prompt = model.prompt(&[Message::user("a cab, dead")]);
    let tokens = prompt.or_else(|_| model.tokenize("abc", Special::ParseWithBos)).ok()?;
    let _ = model.detokenize(&tokens);
    let options = ContextOptions { context: CONTEXT, threads: 1, ..ContextOptions::default() };
    let mut sequence = model.new_sequence(&options).ok()?;
    for tokens in [&tokens[..], &[1]] {
        sequence.decode(tokens, &|| false).ok()?;
    }
    Some(sequence.logits().iter().all(|z| z.is_finite()))
}

/// How many numbers a vector of the model has.
const WIDTH: u64 = 8;
/// The keys of the model that have a number.
const SIZES: [(&str, u32); 9] = [
    ("llama.block_count", 1),
    ("llama.embedding_length", WIDTH as u32),
    ("llama.feed_forward_length", WIDTH as u32),
    ("llama.attention.head_count", 2),
    ("llama.attention.head_count_kv", 1),
    ("llama.context_length", 128),
    ("tokenizer.ggml.bos_token_id", 0),
    ("tokenizer.ggml.eos_token_id", 1),
    ("llama.rope.dimension_count", 4),
];

/// Writes the smallest whole model: one layer, eight numbers wide.
fn model() -> Vec<u8> {
    const TOKENS: [&str; 12] = ["<s>", "</s>", "a", "b", "c", "d", "e", "ab", "ca", "\u{120}", ",", "\u{120}d"];
    /// Two control tokens, and normal ones.
    const TYPES: [i32; 12] = [3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
    const F32: u32 = 0;
    const F16: u32 = 1;
    let half = WIDTH / 2;
    let tensors: [(&str, &[u64], u32); 11] = [
        ("token_embd.weight", &[WIDTH, TOKENS.len() as u64], F16),
        ("output_norm.weight", &[WIDTH], F32),
        ("blk.0.attn_norm.weight", &[WIDTH], F32),
        ("blk.0.ffn_norm.weight", &[WIDTH], F32),
        ("blk.0.attn_q.weight", &[WIDTH, WIDTH], F16),
        ("blk.0.attn_k.weight", &[WIDTH, half], F16),
        ("blk.0.attn_v.weight", &[WIDTH, half], F16),
        ("blk.0.attn_output.weight", &[WIDTH, WIDTH], F16),
        ("blk.0.ffn_gate.weight", &[WIDTH, WIDTH], F16),
        ("blk.0.ffn_up.weight", &[WIDTH, WIDTH], F16),
        ("blk.0.ffn_down.weight", &[WIDTH, WIDTH], F16),
    ];
    let mut file = Writer::new(tensors.len() as u64, 7 + SIZES.len() as u64);
    file.text_pair("general.architecture", "llama");
    file.text_pair("tokenizer.ggml.model", "gpt2");
    file.text_pair("tokenizer.ggml.pre", "default");
    file.texts("tokenizer.ggml.tokens", &TOKENS);
    file.numbers("tokenizer.ggml.token_type", &TYPES);
    file.texts("tokenizer.ggml.merges", &["a b", "c a", "\u{120} d"]);
    file.fraction_pair("llama.attention.layer_norm_rms_epsilon", 1e-5);
    SIZES.iter().for_each(|(key, value)| file.pair(key, *value));
    let mut data = Vec::new();
    for (name, dimensions, kind) in tensors {
        file.tensor(name, dimensions, kind, data.len() as u64);
        let count: u64 = dimensions.iter().product();
        for i in 0..count {
            match kind {
                F32 => data.extend(1f32.to_le_bytes()),
                // Small numbers of either sign: between 1/16 and 1/8 in half precision.
                _ => data.extend((0x2c00 | (i * 0x137 % 0x400) as u16 | (i as u16 % 3 % 2) << 15).to_le_bytes()),
            }
        }
        data.resize(data.len().next_multiple_of(32), 0);
    }
    file.bytes.resize(file.bytes.len().next_multiple_of(32), 0);
    file.bytes.extend(data);
    file.bytes
}

/// Makes files, and changes of one: the number of each key another one, a tensor of another shape or kind, a weight
/// that is no number.
fn seeds() -> Vec<Vec<u8>> {
    let whole = model();
    // The place behind a name, less what stands between it and a key's number: the number's kind.
    let behind =
        |name: &str| whole.windows(name.len()).position(|found| found == name.as_bytes()).map(|at| at + name.len());
    let edge = |at: usize, edge: u8| [&(at as u16).to_be_bytes()[..], &[2, edge]].concat();
    let keys = SIZES.iter().enumerate().filter_map(|(i, (key, _))| Some(edge(behind(key)? + 4, i as u8)));
    let tensors = ["token_embd.weight", "blk.0.attn_k.weight", "blk.0.ffn_norm.weight"].into_iter().filter_map(behind);
    // After its name come the number of dimensions, each of them in eight bytes, the kind, and the offset.
    let tensors = tensors.flat_map(|at| [edge(at, 3), edge(at + 4, 5), edge(at + 12, 1), edge(at + 20, 0)]);
    let weight = [&(whole.len() as u16 - 100).to_be_bytes()[..], &[3, 0]].concat();
    let mut seeds: Vec<Vec<u8>> = keys.chain(tensors).collect();
    seeds.extend([weight, whole[..whole.len() - 64].to_vec(), whole]);
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_that_the_corpus_begins_with_is_loaded_and_reads_a_text() {
        assert_eq!(in_file(&model(), read_with), Some(true));
        assert!(model().len() <= crate::mutation::MAX_BYTES);
    }

    #[test]
    fn many_changed_models_come_as_far_as_a_pass() {
        let inputs = crate::corpus::with_changed(&TARGET, 300).expect("a committed corpus");
        let passes = inputs.iter().filter(|input| in_file(&bytes(input), read_with).is_some()).count();
        assert!(passes > 60, "{passes} of {}", inputs.len());
    }
}
