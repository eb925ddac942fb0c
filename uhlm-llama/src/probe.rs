//! The trial of a model right after it was loaded, so that a file with a fault is an error of the load and not of some
//! later sentence.

use crate::native::{Context, ContextShape, DecodeFailure, Entry, Model, Thrown};
use crate::waiting::Waiting;

/// Sizes of a context for one pass; its cache is that of the shortest context that llama.cpp makes.
const SHAPE: ContextShape = ContextShape {
    tokens: 256,
    batch: 8,
    micro_batch: 8,
    sequences: 1,
    unified: true,
    quantised_cache: false,
    batch_invariant: false,
    threads: 1,
    waiting: Waiting::Sleep,
};

/// Returns characters in which every byte occurs that UTF-8 has.
fn all_bytes() -> Vec<String> {
    let first = (0..=0x7f).map(char::from);
    // The second byte of two goes through 0x80..=0xbf, then the first one through 0xc2..=0xdf.
    let second = (0x80..=0xbf).chain((0xc3..=0xdf).map(|lead| (lead & 0x1f) << 6));
    let third = (0xe0..=0xefu32).map(|lead| if lead == 0xe0 { 0x800 } else { (lead & 0xf) << 12 });
    let fourth = (0xf0..=0xf4u32).map(|lead| if lead == 0xf0 { 0x1_0000 } else { (lead & 7) << 18 });
    let others = second.chain(third).chain(fourth).filter_map(char::from_u32);
    first.chain(others).map(String::from).collect()
}

/// Makes tokens of every byte that a text can have.
///
/// # Errors
/// A text that names the bytes for which the vocabulary has no token.
pub(crate) fn every_byte(model: &Model) -> Result<(), String> {
    let characters = all_bytes();
    // All at once is a hundred times as fast, and mostly nothing is wrong.
    if model.tokenize(characters.concat().as_bytes(), false).is_ok() {
        return Ok(());
    }
    for character in characters {
        if let Err(Thrown(reason)) = model.tokenize(character.as_bytes(), false) {
            return Err(format!("its vocabulary has no tokens for the bytes {:02x?}: {reason}", character.as_bytes()));
        }
    }
    Err("its tokenizer fails on long text".into())
}

/// Decodes one token, with a cache of 8 bits or of 16, and checks that there are logits after it.
///
/// # Errors
/// A description of the failure.
pub(crate) fn one_pass(model: &Model, quantised_cache: bool) -> Result<(), String> {
    let shape = ContextShape { quantised_cache, ..SHAPE };
    let mut context = Context::new(model, shape).map_err(|Thrown(reason)| format!("no context: {reason}"))?;
    let id = model.bos().unwrap_or(0);
    let entry = Entry { id, position: 0, sequence: 0, logits: true };
    context.decode([entry].into_iter()).map_err(|failure| match failure {
        DecodeFailure::Full => "a context has no room for one token".to_owned(),
        DecodeFailure::Failed(reason) => format!("a pass fails: {reason}"),
    })?;
    if context.logits(0).is_empty() {
        return Err("a pass gives no logits: it writes no text".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_utf_8_is_tried_and_no_other() {
        let mut seen = [false; 256];
        all_bytes().concat().bytes().for_each(|byte| seen[usize::from(byte)] = true);
        for (byte, seen) in seen.into_iter().enumerate() {
            let occurs = !matches!(byte, 0xc0 | 0xc1 | 0xf5..);
            assert_eq!(seen, occurs, "{byte:x}");
        }
    }
}
