//! Temperature perturbation without sampling noise: placeholder quadrature, replaced next.

use super::{THETA_MAX, Uncertainty, finite_logit};
use crate::sampling::TokenId;

/// See [`super::Estimator::TemperaturePerturbation`].
#[derive(Clone, Copy, Debug)]
pub(super) struct TemperaturePerturbation;

impl Uncertainty for TemperaturePerturbation {
    fn estimate(&mut self, logits: &[f32], drafted: TokenId) -> f32 {
        let Some(z_d) = finite_logit(logits, drafted) else { return 1.0 };
        const NODES: usize = 8;
        let mean: f32 = (0..NODES)
            .map(|k| {
                let theta = THETA_MAX * (k as f32 + 0.5) / NODES as f32;
                1.0 / logits.iter().filter(|z| !z.is_nan()).map(|z| ((z - z_d) / theta).exp()).sum::<f32>()
            })
            .sum::<f32>()
            / NODES as f32;
        (1.0 - mean).clamp(0.0, 1.0)
    }
}
