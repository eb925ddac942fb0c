//! Models made for tests with a vocabulary of bytes: one that says a given text, one whose decode step takes milliseconds.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use uhlm_core::rng::{Rng, Stream};

use crate::gguf::{self, Kind, Tensor, Value};

/// Width of an attention head.
const HEAD: usize = 32;

/// The letters in which byte-level vocabularies write bytes: printable ones as they are, the others from U+0100 on.
fn letters(bytes: &[u8]) -> String {
    let printable = |byte: u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let letter = |&byte: &u8| match printable(byte) {
        true => char::from(byte),
        false => char::from_u32(256 + (0..byte).filter(|&b| !printable(b)).count() as u32).expect("below U+0200"),
    };
    bytes.iter().map(letter).collect()
}

/// The texts of a vocabulary: the end token, the 256 bytes, then `pieces`.
fn tokens(pieces: &[Vec<u8>]) -> Vec<String> {
    let bytes = (0..=255u8).map(|byte| letters(&[byte]));
    let pieces = pieces.iter().map(|piece| letters(piece));
    std::iter::once("<|end|>".to_owned()).chain(bytes).chain(pieces).collect()
}

/// Sizes of a model.
struct Shape {
    width: usize,
    layers: usize,
    hidden: usize,
    vocabulary: usize,
    kind: Kind,
}

fn metadata(name: &str, shape: &Shape, tokens: Vec<String>) -> Vec<(&'static str, Value)> {
    const NORMAL: i32 = 1;
    const CONTROL: i32 = 3;
    let number = |n: usize| Value::U32(n as u32);
    let heads = number(shape.width / HEAD);
    let kinds = (0..tokens.len()).map(|id| if id == 0 { CONTROL } else { NORMAL }).collect();
    vec![
        ("general.architecture", Value::Text("llama".into())),
        ("general.name", Value::Text(name.into())),
        ("llama.vocab_size", number(shape.vocabulary)),
        ("llama.context_length", Value::U32(2048)),
        ("llama.embedding_length", number(shape.width)),
        ("llama.block_count", number(shape.layers)),
        ("llama.feed_forward_length", number(shape.hidden)),
        ("llama.attention.head_count", heads.clone()),
        ("llama.attention.head_count_kv", heads),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
        ("llama.rope.dimension_count", number(HEAD)),
        ("tokenizer.ggml.model", Value::Text("gpt2".into())),
        ("tokenizer.ggml.pre", Value::Text("gpt-2".into())),
        ("tokenizer.ggml.tokens", Value::Texts(tokens)),
        ("tokenizer.ggml.token_type", Value::I32s(kinds)),
        ("tokenizer.ggml.merges", Value::Texts(vec!["\u{120} \u{120}".into()])),
        ("tokenizer.ggml.bos_token_id", Value::U32(0)),
        ("tokenizer.ggml.eos_token_id", Value::U32(0)),
    ]
}

fn tensors(shape: &Shape) -> Vec<Tensor> {
    let (width, hidden, vocabulary) = (shape.width as u64, shape.hidden as u64, shape.vocabulary as u64);
    let tensor = |name: String, dimensions: &[u64], kind| Tensor { name, dimensions: dimensions.to_vec(), kind };
    let mut all: Vec<Tensor> =
        ["token_embd", "output"].map(|name| tensor(format!("{name}.weight"), &[width, vocabulary], shape.kind)).into();
    all.push(tensor("output_norm.weight".into(), &[width], Kind::F32));
    for layer in 0..shape.layers {
        let mut part = |name: &str, dimensions: &[u64], kind| {
            all.push(tensor(format!("blk.{layer}.{name}.weight"), dimensions, kind));
        };
        for name in ["attn_q", "attn_k", "attn_v", "attn_output"] {
            part(name, &[width, width], shape.kind);
        }
        part("ffn_gate", &[width, hidden], shape.kind);
        part("ffn_up", &[width, hidden], shape.kind);
        part("ffn_down", &[hidden, width], shape.kind);
        part("attn_norm", &[width], Kind::F32);
        part("ffn_norm", &[width], Kind::F32);
    }
    all
}

/// Writes a model whose matrices `fill` gives as bytes; norms are all ones.
fn write(
    path: &Path,
    metadata: &[(&str, Value)],
    tensors: &[Tensor],
    mut fill: impl FnMut(&Tensor) -> Vec<u8>,
) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(&gguf::header(metadata, tensors))?;
    for tensor in tensors {
        let mut bytes = match tensor.dimensions[..] {
            [width] => 1f32.to_le_bytes().repeat(width as usize),
            _ => fill(tensor),
        };
        bytes.resize(bytes.len().next_multiple_of(gguf::ALIGNMENT as usize), 0);
        file.write_all(&bytes)?;
    }
    file.flush()
}

/// Cuts a text into pieces of several bytes, no two alike, wherever that is: mostly inside characters.
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

/// Writes a model that continues every prompt with `text`, nearly surely at temperature 1, and then ends its reply. Each
/// token is one dimension, attention and feed-forward add nothing, and the output matrix holds who follows whom.
///
/// # Errors
/// Those of writing the file.
pub fn write_parrot(path: &Path, text: &str) -> io::Result<()> {
    let tokens = tokens(&pieces(text));
    let (first, size) = (257, tokens.len());
    let width = size.next_multiple_of(HEAD);
    let shape = Shape { width, layers: 1, hidden: HEAD, vocabulary: size, kind: Kind::F32 };
    let next = |id: usize| match id {
        id if id < first => first,
        id if id + 1 < size => id + 1,
        _ => 0,
    };
    let fill = |tensor: &Tensor| {
        let mut values = vec![0f32; tensor.dimensions.iter().product::<u64>() as usize];
        match tensor.name.as_str() {
            "token_embd.weight" => (0..size).for_each(|id| values[id * width + id] = 1.0),
            "output.weight" => (0..size).for_each(|id| values[next(id) * width + id] = 4.0),
            _ => {}
        }
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    };
    write(path, &metadata("parrot", &shape, tokens), &tensors(&shape), fill)
}

/// Writes a model of about 57 million random weights: it says nothing, at the compute of a real small model.
///
/// # Errors
/// Those of writing the file.
pub fn write_heavy(path: &Path) -> io::Result<()> {
    let tokens = tokens(&[]);
    let shape = Shape { width: 512, layers: 16, hidden: 1536, vocabulary: tokens.len(), kind: Kind::F16 };
    let mut rng = Rng::new(1, Stream::Simulation);
    // 11 random bits make a 16-bit float of either sign between 2^-6 and 2^-5.
    let mut number = || {
        let bits = (rng.uniform() * 2048.0) as u16;
        ((bits & 1024) << 5 | 0x2400 | bits & 1023).to_le_bytes()
    };
    let fill = |tensor: &Tensor| (0..tensor.dimensions.iter().product::<u64>()).flat_map(|_| number()).collect();
    write(path, &metadata("random weights", &shape, tokens), &tensors(&shape), fill)
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
