//! The acceptance rule of speculative sampling, split between device and verifier so that a few bytes suffice.
//!
//! Pure functions; the device, the server and every adapter call these and no others.
//!
//! # The law
//! The device drafted `d ~ q`, drew `U` uniform on (0, 1] and sends the *acceptance level* `w = U q(d)`. The verifier
//! accepts iff `w <= p(d)`. Given `d`, that event has probability `min(1, p(d)/q(d))`, the rule of Leviathan et al. 2023
//! and Chen et al. 2023, though the verifier never sees `q`. A rejected token is replaced by one from
//! `norm(max(p - q, 0))`, which the device can draw in either of two exact ways from what the verdict brings:
//! - the whole support of `p`, when the sampling chain leaves it small;
//! - independent draws `v ~ p` with `p(v)`, of which it keeps the first with probability `max(0, 1 - q(v)/p(v))`: the
//!   kept token has probability proportional to `p(v) max(0, 1 - q(v)/p(v)) = max(p(v) - q(v), 0)`.
//!
//! # Rounding
//! `p` lives on the `f32` grid and `w` is rounded *up* to that grid, so `w <= p(d)` decides exactly as the unrounded
//! product would: the least `f32` not below `x` is at most `p` iff `x <= p` when `p` is itself an `f32`.

use serde::{Deserialize, Serialize};

use crate::rng::{Rng, Stream};
use crate::sampling::{Distribution, TokenId};

/// The verdict carries the whole support of `p` after a rejection when it has at most this many tokens.
pub const FULL_SUPPORT_MAX: usize = 8;
/// Draws of `p` that come with a rejection otherwise. On average 1/TV are needed and rejections come with probability
/// TV, so most rejections sit where few are needed; the device asks for more when these run out, which takes a round trip:
/// after 4 it had to in a third of the rejections on the bundled pairs, after 8 in an eighth of them.
pub const DRAWS_PER_REJECTION: usize = 8;

/// A draw from `p` that two parties with one `key` make alike where their distributions are alike: the token with the
/// greatest `p(v) / E_v`, the `E_v` independent, exponentially distributed and made of `key` and `v` alone (the
/// exponential race, that is, the Gumbel-max trick; coupled as in Daliri et al., arXiv 2408.07978). It has the law `p`
/// exactly, whatever the other party does, and the other party's draw from `q` is the same token with a probability of
/// at least `(1 - TV(p, q)) / (1 + TV(p, q))`. Costs about 2 ns a token of the support.
#[must_use]
pub fn coupled_draw(p: &Distribution, key: u64) -> TokenId {
    let (mut greatest, mut found) = (0.0, 0);
    for (id, p) in p.iter() {
        let uniform = hashed_uniform(key, id);
        // -ln(1 - x) is at least x, so most tokens are out of the race before a logarithm is taken.
        let p = f64::from(p);
        if p > greatest * uniform {
            let score = p / -(-uniform).ln_1p();
            if score > greatest {
                (greatest, found) = (score, id);
            }
        }
    }
    found
}

/// Uniform on (0, 1), 53 bits, of a key and a token: the output function of SplitMix64 (Steele et al. 2014) on the
/// token's place in the sequence that starts at `key`.
fn hashed_uniform(key: u64, id: TokenId) -> f64 {
    let mut z = key.wrapping_add((u64::from(id) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    ((z >> 11) as f64 + 0.5) * (1.0 / 9_007_199_254_740_992.0)
}

/// The key that a verifier draws the bonus token of request `seq` with, in a session that was opened with `seed`. The
/// device, which chose the seed, knows it too: so it can guess the bonus token well while the verdict is on its way. A
/// verifier that draws otherwise only makes it guess badly.
#[must_use]
pub fn bonus_key(seed: u64, seq: u32) -> u64 {
    Rng::at(seed, Stream::Verdict, u64::from(seq)).next_u64()
}

/// The level of a context token: always accepted, its probability still reported.
pub const CONTEXT_LEVEL: f32 = 0.0;

/// The acceptance level `w = u * q(d)`, rounded up to the `f32` grid. `u` in (0, 1], `q_d` in (0, 1].
#[must_use]
pub fn acceptance_level(u: f64, q_d: f32) -> f32 {
    let exact = u * f64::from(q_d);
    let rounded = exact as f32;
    if f64::from(rounded) < exact { rounded.next_up() } else { rounded }
}

/// Whether a drafted token with acceptance level `w` is accepted where the target gives it probability `p_d`.
#[must_use]
pub fn accepts(w: f32, p_d: f32) -> bool {
    w <= p_d
}

/// The rejection probability `beta = max(0, 1 - p(d)/q(d))` of a drafted token: the label that calibration learns from.
#[must_use]
pub fn rejection_probability(q_d: f32, p_d: f32) -> f32 {
    if q_d <= 0.0 { 0.0 } else { (1.0 - p_d / q_d).clamp(0.0, 1.0) }
}

/// What the device needs to replace a rejected token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Replacement {
    /// Every token of positive target probability, ascending by id.
    Support(Vec<(TokenId, f32)>),
    /// Independent draws from `p`, in order, each with its probability.
    Draws(Vec<(TokenId, f32)>),
}

/// How the verifier judged a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// Every token was accepted; `bonus` is the next token, drawn from `p`, if the device asked for one.
    Accepted {
        /// The bonus token.
        bonus: Option<TokenId>,
    },
    /// The token after the accepted ones was rejected.
    Rejected {
        /// What replaces it.
        replacement: Replacement,
    },
    /// The window rests on an earlier one that was not accepted as the device assumed; nothing was judged.
    Void,
}

/// The judgement of one window.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// How many tokens from the front were accepted.
    pub accepted: usize,
    /// `p(d_i)` for each accepted token and for the rejected one: `accepted` or `accepted + 1` values.
    pub probs: Vec<f32>,
    /// What follows.
    pub outcome: Outcome,
}

/// Judges a window of drafted tokens with their acceptance levels.
///
/// `row(i)` is the target distribution at the position of `draft[i]`; `row(draft.len())` is the one after the window
/// and is asked for only for a bonus. Rows are asked for in order and none beyond the first rejection. `rng` gives the
/// verifier's own choices, the key of the bonus token among them ([`bonus_key`]); it must be independent of the
/// device's drafts and levels.
///
/// # Errors
/// Whatever `row` returns.
pub fn judge<E>(
    draft: &[TokenId],
    levels: &[f32],
    bonus: bool,
    mut row: impl FnMut(usize) -> Result<Distribution, E>,
    rng: &mut Rng,
) -> Result<Judgement, E> {
    let mut probs = Vec::with_capacity(draft.len());
    for (i, (&id, &w)) in draft.iter().zip(levels).enumerate() {
        let p = row(i)?;
        let p_d = p.prob(id);
        probs.push(p_d);
        if !accepts(w, p_d) {
            return Ok(Judgement {
                accepted: i,
                probs,
                outcome: Outcome::Rejected { replacement: replacement(&p, rng) },
            });
        }
    }
    let bonus = if bonus { Some(coupled_draw(&row(draft.len())?, rng.next_u64())) } else { None };
    Ok(Judgement { accepted: draft.len(), probs, outcome: Outcome::Accepted { bonus } })
}

/// What a rejection at a position with target distribution `p` brings down.
fn replacement(p: &Distribution, rng: &mut Rng) -> Replacement {
    if p.support_up_to(FULL_SUPPORT_MAX + 1) <= FULL_SUPPORT_MAX {
        Replacement::Support(p.iter().collect())
    } else {
        Replacement::Draws(draws(p, DRAWS_PER_REJECTION, rng))
    }
}

/// `count` independent draws from `p`, each with its probability.
#[must_use]
pub fn draws(p: &Distribution, count: usize, rng: &mut Rng) -> Vec<(TokenId, f32)> {
    (0..count)
        .map(|_| {
            let id = p.quantile(rng.uniform());
            (id, p.prob(id))
        })
        .collect()
}

/// What came of trying to replace a rejected token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resampled {
    /// The token, drawn from the residual distribution.
    Token(TokenId),
    /// None of the draws was kept: ask the verifier for more, never guess.
    Exhausted,
}

/// Draws the token that replaces a rejected one, from `norm(max(p - q, 0))`.
///
/// Where rounding leaves no residual mass at all (which needs `p <= q` everywhere, so a rejection of probability about
/// 1e-7), the support form falls back to `p` itself.
#[must_use]
pub fn resample(replacement: &Replacement, q: &Distribution, rng: &mut Rng) -> Resampled {
    match replacement {
        Replacement::Support(entries) => {
            let Some(p) = Distribution::from_weights(entries.iter().map(|&(id, p)| (id, f64::from(p)))) else {
                return Resampled::Exhausted;
            };
            Resampled::Token(p.residual(q).unwrap_or(p).quantile(rng.uniform()))
        }
        Replacement::Draws(draws) => resample_from_draws(draws, q, rng),
    }
}

/// Keeps the first draw `v` with probability `max(0, 1 - q(v)/p(v))`.
#[must_use]
pub fn resample_from_draws(draws: &[(TokenId, f32)], q: &Distribution, rng: &mut Rng) -> Resampled {
    for &(id, p) in draws {
        let keep = 1.0 - f64::from(q.prob(id)) / f64::from(p);
        if rng.uniform() < keep {
            return Resampled::Token(id);
        }
    }
    Resampled::Exhausted
}

#[cfg(test)]
mod tests;
