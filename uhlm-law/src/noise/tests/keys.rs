//! Tests of the tokens that share a key, within a vocabulary and across two.

use crate::noise::{TokenKeyError, TokenKeys};
use crate::token::TokenKind::{self, Byte, Control, End, EndOfTurn, Normal, Unknown, Unused, UserDefined};

fn keys(tokens: &[(&str, TokenKind)]) -> TokenKeys {
    TokenKeys::new(tokens.iter().copied()).expect("distinct keys")
}

#[test]
fn tokens_of_equal_text_are_counted_by_class_and_then_by_id() {
    let mixed = keys(&[
        ("a", Control),
        ("a", Byte),
        ("a", Unused),
        ("a", Normal),
        ("a", UserDefined),
        ("a", Byte),
        ("a", Unknown),
        ("a", Normal),
    ]);
    let counted = keys(&[("a", Normal); 8]);
    let order = [5, 3, 6, 0, 1, 4, 7, 2].map(|index| counted.get(index));
    assert_eq!((0..8).map(|id| mixed.get(id)).collect::<Vec<_>>(), order);
}

#[test]
fn a_single_byte_has_one_key_in_both_families_of_vocabularies() {
    // With byte fallback, the byte tokens come first by id and the normal ones later; a byte-level one has no others.
    let fallback = keys(&[("a", Byte), ("b", Byte), ("\n", Byte), ("a", Normal), ("b", Normal)]);
    let byte_level = keys(&[("a", Normal), ("b", Normal), ("\n", Normal)]);
    assert_eq!(fallback.get(3), byte_level.get(0));
    assert_eq!(fallback.get(4), byte_level.get(1));
    // What only a byte token spells is its partner's partner as well.
    assert_eq!(fallback.get(2), byte_level.get(2));
    assert_ne!(fallback.get(0), byte_level.get(0));
}

#[test]
fn the_end_of_turn_has_one_key_in_all_vocabularies_and_other_ends_follow_by_id() {
    let one = keys(&[("<|endoftext|>", End), ("a", Normal), ("<|im_end|>", EndOfTurn)]);
    let other = keys(&[("<end_of_turn>", EndOfTurn), ("a", Normal), ("<eos>", End), ("<eom>", End)]);
    assert_eq!(one.get(2), other.get(0));
    assert_eq!(one.get(0), other.get(2));
    assert_eq!(one.get(1), other.get(1));
    // An end's text does not count, and no end has the key of a text.
    assert_eq!(keys(&[("", End)]).get(0), other.get(0));
    assert_ne!(keys(&[("", Normal)]).get(0), other.get(0));
}

#[test]
fn a_table_with_the_ends_of_the_target_is_the_target_s() {
    let tokens = ["<|im_end|>", "a", "<|endoftext|>", "<|eom|>"];
    let table =
        |kinds: [crate::token::TokenKind; 4]| TokenKeys::new(tokens.iter().copied().zip(kinds)).expect("distinct keys");
    let text = |id: u32| tokens[id as usize].as_bytes().to_vec();
    let device = table([Control, Normal, EndOfTurn, End]);
    let target = table([EndOfTurn, Normal, End, Control]);
    assert_eq!(device.with_ends(&[2, 3], &[0, 2], text), Ok(target.clone()));
    assert_eq!(target.with_ends(&[0, 2], &[2, 3], text), Ok(device.clone()));
    // An id that the device does not have is nothing to it.
    assert_eq!(device.with_ends(&[2, 3], &[2, 3, 900], text), Ok(device));
}

#[test]
fn a_table_has_one_key_an_id_and_none_beyond() {
    let keys = super::numbered(300);
    assert_eq!((keys.len(), keys.is_empty(), keys.get(300)), (300, false, None));
    assert_eq!(keys.as_slice()[299], keys.get(299).expect("a key"));
    assert!(TokenKeys::new(std::iter::empty::<(&str, TokenKind)>()).expect("no collision").is_empty());
    let error = TokenKeyError::Collision { first: 1, second: 2 };
    assert_eq!(error.to_string(), "tokens 1 and 2 have the same key");
}
