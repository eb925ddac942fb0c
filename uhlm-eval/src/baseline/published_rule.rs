//! The acceptance rule of speculative sampling, as it was published: the paper's own coupling of draft and target.
//!
//! Decides whether a drafted token is accepted, given its probabilities under both models. The baselines go by it. The
//! product shares its noise instead and compares tokens ([`uhlm_law::noise`], [`uhlm_law::advance`]). What replaces a
//! rejected token is a draw from [`Distribution::residual`](uhlm_law::sampling::Distribution::residual).
//!
//! # The law
//! The draft is `d ~ q` and `U` is uniform on (0, 1]; it is accepted iff the *acceptance level* `w = U q(d)` is at
//! most `p(d)`. Given `d`, that event has probability `min(1, p(d)/q(d))`, the rule of Leviathan et al. 2023 and Chen
//! et al. 2023: accept iff `q(d) <= p(d)`, else with probability `p(d)/q(d)`. A rejected token is replaced by one
//! from `norm(max(p - q, 0))`, and the token that stands is distributed as `p`.
//!
//! # Rounding
//! `p` lives on the `f32` grid and `w` is rounded *up* to that grid, so `w <= p(d)` decides exactly as the unrounded
//! product would: the least `f32` not below `x` is at most `p` iff `x <= p` when `p` is itself an `f32`.

/// Returns the acceptance level `w = u * q(d)`, rounded up to the `f32` grid. `u` in (0, 1], `q_d` in (0, 1].
pub(super) fn acceptance_level(u: f64, q_d: f32) -> f32 {
    let exact = u * f64::from(q_d);
    let rounded = exact as f32;
    if f64::from(rounded) < exact { rounded.next_up() } else { rounded }
}

/// Tells whether a drafted token with acceptance level `w` is accepted where the target gives it probability `p_d`.
pub(super) fn accepts(w: f32, p_d: f32) -> bool {
    w <= p_d
}

#[cfg(test)]
mod tests;
