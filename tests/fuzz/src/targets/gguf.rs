//! The header of a GGUF file, as it is checked before llama.cpp sees the file: no header makes the check fail otherwise
//! than by its error, take memory by what it only claims, or sum up to a size that overflows.

use uhlm_llama::{VocabularyFile, gguf, memory, split};

use super::written::{Writer, in_file};
use crate::Target;

pub(crate) const TARGET: Target = Target { name: "gguf", run, seeds, words: WORDS };

const WORDS: &[&str] = &[
    "GGUF",
    "general.architecture",
    "general.alignment",
    "llama.block_count",
    "llama.attention.head_count_kv",
    "llama.rope.scaling.type",
    "tokenizer.ggml.tokens",
    "tokenizer.ggml.merges",
    "split.count",
    "token_embd.weight",
    "output.weight",
    "\u{8}\u{0}\u{0}\u{0}",
    "\u{9}\u{0}\u{0}\u{0}",
    "\u{a}\u{0}\u{0}\u{0}",
];

fn run(data: &[u8]) {
    in_file(data, |path| {
        if let Ok(summary) = gguf::read_part(path) {
            assert!(summary.required_bytes <= data.len() as u64, "what it must have is there");
            for context in [0, 1, 4096, u32::MAX] {
                // An estimate is a sum of what the header says, whatever that is.
                let _ = memory::of_summary(&summary, context).map(|estimate| estimate.total());
                let _ = memory::check_summary(&summary, context, 1 << 30);
            }
        }
        let _ = split::read(path);
        if let Ok(vocabulary) = VocabularyFile::of(path) {
            assert!(vocabulary.bytes().len() <= data.len() + 256, "a vocabulary is a part of its file");
        }
    });
}

/// Writes a whole small model, or one part of a split one.
fn model(part: Option<u32>) -> Vec<u8> {
    const SIZES: [(&str, u32); 6] = [
        ("llama.block_count", 2),
        ("llama.embedding_length", 32),
        ("llama.feed_forward_length", 64),
        ("llama.attention.head_count", 4),
        ("llama.attention.head_count_kv", 2),
        ("llama.context_length", 128),
    ];
    let split = part.map_or(0, |_| 2);
    let mut header = Writer::new(2, 5 + SIZES.len() as u64 + split);
    header.text_pair("general.architecture", "llama");
    header.text_pair("general.name", "small");
    header.text_pair("tokenizer.ggml.model", "gpt2");
    header.texts("tokenizer.ggml.tokens", &["a", "b", "ab", ""]);
    header.texts("tokenizer.ggml.merges", &["a b"]);
    SIZES.iter().for_each(|(key, value)| header.pair(key, *value));
    if let Some(number) = part {
        header.pair("split.no", number);
        header.pair("split.count", 2);
    }
    header.tensor("token_embd.weight", &[32, 4], 0, 0);
    header.tensor("output.weight", &[32, 8], 2, 512);
    let length = header.bytes.len().next_multiple_of(32) + 512 + 144;
    header.bytes.resize(length, 0);
    header.bytes
}

fn seeds() -> Vec<Vec<u8>> {
    let whole = model(None);
    let empty = Writer::new(0, 0).bytes;
    vec![whole[..whole.len() / 2].to_vec(), whole, model(Some(0)), model(Some(1)), empty, b"GGUF".to_vec()]
}
