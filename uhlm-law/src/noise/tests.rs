//! Tests of the noise. They are deterministic: a chance of a false alarm is over the choice of the constants, made
//! once.

mod golden;
mod independence;
mod keys;
mod leaders;
pub(crate) mod statistics;
mod uniformity;

use crate::noise::{Place, PositionKey, Tape, TokenKeys};
use crate::token::TokenKind;

/// Makes a vocabulary of so many normal tokens, each spelt as its number.
pub(crate) fn numbered(tokens: u32) -> TokenKeys {
    TokenKeys::new((0..tokens).map(|id| (id.to_string(), TokenKind::Normal))).expect("distinct keys")
}

/// Makes the position key of the inputs in their order.
pub(crate) fn position(seed: u64, generation: u32, offset: u64, silent: u32) -> PositionKey {
    Tape::new(seed, generation).at(Place { offset, silent })
}
