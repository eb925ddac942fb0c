//! The device's observations of a token that it drafts.

/// The observations of a drafted token `d` that draft model and shared noise allow before the target has said anything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Features {
    /// Uncertainty of the draft model about the token, in [0, 1].
    pub u: f32,
    /// Its draft probability `q(d)`, in (0, 1].
    pub q: f32,
    /// Entropy of the draft distribution as the sampling chain leaves it, in nats, at least 0.
    pub entropy: f32,
    /// Lead of its score `z / T + G` (logit, temperature, Gumbel noise) over the next one in the race of the shared
    /// noise, at least 0, infinite where the chain keeps one token alone
    /// ([`Winner::margin`](crate::sampling::Winner::margin)). How easily another token wins with the target's logits
    /// shows in this, and in nothing else that the draft model says.
    pub margin: f32,
}

impl Features {
    /// Tells whether the values lie in their ranges.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        (0.0..=1.0).contains(&self.u)
            && self.q > 0.0
            && self.q <= 1.0
            && (0.0..f32::INFINITY).contains(&self.entropy)
            && self.margin >= 0.0
    }
}
