//! The random numbers that device and verifier share.
//!
//! Decides how a seed, a position of a reply and a token become one number, the noise `G`, and that everybody who
//! computes it gets the same bits. It leaves to [`sampling`](crate::sampling) what is drawn with it, and to the
//! vocabulary's owner which bytes and kind a token has.
//!
//! # The tape
//! A [`Tape`] belongs to one generation of a session. At each [`Place`] of the reply it gives a [`PositionKey`]; a
//! vocabulary gives each token a [`TokenKey`]; both together give `U`, uniform on (0, 1), and `G = -ln(-ln U)`, the
//! standard Gumbel distribution. The token with the greatest `z / T + G` is a draw from `softmax(z / T)` (the
//! Gumbel-max trick), and two models that share the tape draw the same token with a probability of at least `(1 - TV) /
//! (1 + TV)`, where TV is the total variation distance of their distributions (Daliri, Musco, Suresh 2024, arXiv
//! 2408.07978).
//!
//! Neither key knows a token id: a place is counted in bytes and a token is known by its text, so the noise is shared
//! by models with different vocabularies as well.
//!
//! # The same bits everywhere
//! Keys and `U` are integer arithmetic. `G` takes two logarithms, both by [`libm`], whose `log` is plain arithmetic in
//! double precision; Rust never fuses a multiplication and an addition that are written apart. The standard library's
//! `ln` calls the platform's and must not be used here. The tests hold golden bit patterns.

mod gumbel;
mod hash;
mod keys;
mod leaders;
mod race;
mod tape;

pub(crate) use gumbel::{noise, reach};
pub use keys::{TokenKeyError, TokenKeys};
pub(crate) use race::Block;
pub use tape::{Place, PositionKey, Tape, TokenKey};

#[cfg(test)]
pub(crate) mod tests;
