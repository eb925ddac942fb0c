//! Runs yesterday's `exact` on recorded logits: the rule that this SDK had before device and verifier shared their
//! noise (`e7adb24`), kept as a baseline.
//!
//! A drafted token was accepted with probability `min(1, p/q)`, where `p` is the target's probability of the token and
//! `q` the draft model's. A rejected token was replaced by a draw from the residual `max(p - q, 0)`, and an accepted
//! window brought one more token. Windows went out by the cost model, two in flight at most, and the device drafted on,
//! beginning with a guess of that further token.
//!
//! [`facts`] decides the fate of each drafted token of a recorded reply, [`rule`] when windows go out, [`writer`] what
//! all of it costs; `predictor` expects rejections as that version did.

pub mod facts;
mod link;
mod predictor;
pub mod rule;
mod window;
pub mod writer;

pub use facts::{Coupling, Fact, Facts};
pub use link::{Link, Written};
pub use rule::Rule;
pub use writer::Writer;
