//! Models made for tests with a vocabulary of bytes: one that writes a given text, and one whose decode step takes
//! milliseconds.

use std::io::{self, Write as _};
use std::path::Path;

use uhlm_law::rng::{Rng, Stream};

use crate::gguf::{self, Kind, RandomModel, Value};

/// What a model that calls a tool writes: some text, then a call of `get_weather` in the format of Hermes.
pub const CALL: &str =
    "I will look.\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}\n</tool_call>";

/// Chat template of the model that takes its time, so that an app can talk to it.
const TEMPLATE: &str = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}";

/// Width of an attention head, in numbers.
const HEAD: u32 = 32;

/// Returns the letters in which byte-level vocabularies write bytes: printable ones as they are, the others from U+0100
/// on.
fn letters(bytes: &[u8]) -> String {
    let printable = |byte: u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let letter = |&byte: &u8| match printable(byte) {
        true => char::from(byte),
        false => char::from_u32(256 + (0..byte).filter(|&b| !printable(b)).count() as u32).expect("below U+0200"),
    };
    bytes.iter().map(letter).collect()
}

/// Returns the texts of a vocabulary: the end token, the 256 bytes, then `pieces`.
fn tokens(pieces: &[Vec<u8>]) -> Vec<String> {
    let bytes = (0..=255u8).map(|byte| letters(&[byte]));
    let pieces = pieces.iter().map(|piece| letters(piece));
    std::iter::once("<|end|>".to_owned()).chain(bytes).chain(pieces).collect()
}

/// Returns the shape of a model with this vocabulary.
fn model(tokens: &[String], width: u32, layers: u32, feed_forward: u32, kind: Kind) -> RandomModel {
    let heads = width / HEAD;
    let vocabulary = tokens.len() as u32;
    RandomModel { layers, width, heads, kv_heads: heads, feed_forward, vocabulary, context: 2048, kind, tied: false }
}

/// Returns the metadata of a model with the tokenizer of this vocabulary.
fn metadata(name: &str, model: &RandomModel, tokens: Vec<String>) -> Vec<(&'static str, Value)> {
    const NORMAL: i32 = 1;
    const CONTROL: i32 = 3;
    let kinds = (0..tokens.len()).map(|id| if id == 0 { CONTROL } else { NORMAL }).collect();
    let tokenizer = [
        ("tokenizer.ggml.model", Value::Text("gpt2".into())),
        ("tokenizer.ggml.pre", Value::Text("gpt-2".into())),
        ("tokenizer.ggml.tokens", Value::Texts(tokens)),
        ("tokenizer.ggml.token_type", Value::I32s(kinds)),
        ("tokenizer.ggml.merges", Value::Texts(vec!["\u{120} \u{120}".into()])),
        ("tokenizer.ggml.bos_token_id", Value::U32(0)),
        ("tokenizer.ggml.eos_token_id", Value::U32(0)),
    ];
    model.architecture(name).into_iter().chain(tokenizer).collect()
}

/// Cuts a text into pieces of several bytes, no two alike, without regard to characters: mostly inside them.
fn pieces(text: &str) -> Vec<Vec<u8>> {
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    let (mut rest, mut lengths) = (text.as_bytes(), [2, 3, 2, 5].iter().cycle());
    while !rest.is_empty() {
        let mut length = (*lengths.next().expect("a cycle")).min(rest.len());
        while pieces.iter().any(|piece| piece == &rest[..length]) {
            length += 1;
        }
        if rest.len() - length == 1 {
            length += 1;
        }
        pieces.push(rest[..length].to_vec());
        rest = &rest[length..];
    }
    pieces
}

/// Writes a model that continues every prompt with `text`, nearly surely at temperature 1, and then ends its reply.
/// Each token is one dimension, attention and feed-forward layers add nothing, and the output matrix says which token
/// follows which.
///
/// # Errors
/// The errors of writing the file.
pub fn write_parrot(path: &Path, text: &str) -> io::Result<()> {
    let tokens = tokens(&pieces(text));
    let (first, size) = (257, tokens.len());
    let width = size.next_multiple_of(HEAD as usize);
    let model = model(&tokens, width as u32, 1, HEAD, Kind::F32);
    let next = |id: usize| match id {
        id if id < first => first,
        id if id + 1 < size => id + 1,
        _ => 0,
    };
    gguf::write(path, &metadata("parrot", &model, tokens), &model.tensors(), |tensor, out| {
        let mut values = vec![0f32; tensor.dimensions.iter().product::<u64>() as usize];
        match tensor.name.as_str() {
            "token_embd.weight" => (0..size).for_each(|id| values[id * width + id] = 1.0),
            "output.weight" => (0..size).for_each(|id| values[next(id) * width + id] = 4.0),
            _ => {}
        }
        values.iter().try_for_each(|value| out.write_all(&value.to_le_bytes()))
    })
}

/// Writes a model of about 57 million random weights: its text means nothing, and its compute is that of a real small
/// model.
///
/// # Errors
/// The errors of writing the file.
pub fn write_heavy(path: &Path) -> io::Result<()> {
    let tokens = tokens(&[]);
    let model = model(&tokens, 512, 16, 1536, Kind::F16);
    let mut rng = Rng::new(1, Stream::Simulation);
    let mut metadata = metadata("random weights", &model, tokens);
    metadata.push(("tokenizer.chat_template", Value::Text(TEMPLATE.into())));
    gguf::write(path, &metadata, &model.tensors(), |tensor, out| {
        (0..tensor.dimensions.iter().product::<u64>()).try_for_each(|_| {
            // 11 random bits make a 16-bit float of either sign between 2^-6 and 2^-5.
            let bits = (rng.uniform() * 2048.0) as u16;
            out.write_all(&((bits & 1024) << 5 | 0x2400 | bits & 1023).to_le_bytes())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_distinct_longer_than_a_byte_and_make_up_the_text() {
        let text = "漢字漢字 🎉🎉🎉 and so on and so on";
        let pieces = pieces(text);
        assert_eq!(pieces.concat(), text.as_bytes());
        for (i, piece) in pieces.iter().enumerate() {
            assert!(piece.len() > 1 && !pieces[..i].contains(piece), "{piece:?}");
        }
        assert!(pieces.iter().any(|piece| std::str::from_utf8(piece).is_err()));
    }
}
