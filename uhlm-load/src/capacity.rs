//! Carries measured points to other numbers of phones: how many a verifier bears, and how many verifiers they need.
//!
//! The model is that of `docs/scale.md`. A pass of the engine takes `base + token x d` seconds for `d` tokens; a phone
//! asks, waits for the pass that serves it, and lets `rest` seconds go by until it asks again (its drafting, and the
//! way there and back). Verdicts at a rate `v` bring `d = v x t x e` tokens into a pass of `t` seconds, where a verdict
//! costs the engine `e` tokens, its share of the prompts included. So a pass takes `t = base / (1 - v x token x e)`,
//! and the rate at which it takes no longer than a target is `(1 - base / target) / (token x e)`.

use serde::{Deserialize, Serialize};
use uhlm_eval::statistics::line;

use crate::record::{Arm, Record};

/// Rounds of the fixed point of [`Model::rate`]; each at least halves what is missing.
const ROUNDS: usize = 64;

/// What a verifier has shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Seconds of a pass without tokens.
    pub base: f64,
    /// Further seconds of a pass for each token that it decodes.
    pub token: f64,
    /// Tokens that the engine decodes for a verdict, its share of the prompts included.
    pub decoded: f64,
    /// Tokens that a verdict brings to the phone.
    pub brought: f64,
    /// Seconds from a verdict until the phone asks again, way there and back included.
    pub rest: f64,
    /// Bytes of a verdict that reach the server, below TLS; 0 where they were not measured.
    pub up: f64,
    /// Bytes of a verdict that leave the server.
    pub down: f64,
    /// The measured points beside what the model says of them.
    pub points: Vec<Point>,
}

/// A measured point beside what the model says of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Number of phones.
    pub phones: usize,
    /// Verdicts a second that were measured.
    pub measured: f64,
    /// Verdicts a second by the model.
    pub predicted: f64,
    /// Tokens in a pass of the engine that were measured.
    pub pass_tokens: f64,
    /// Seconds of a pass that were measured.
    pub pass_seconds: f64,
}

/// The phones that are to be served.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Demand {
    /// Number of phones.
    pub phones: f64,
    /// Share of them that have a reply written at the busiest moment.
    pub active: f64,
    /// Tokens a second that such a phone shows.
    pub pace: f64,
    /// Longest seconds of a pass.
    pub pass_target: f64,
    /// Share of a verifier's capacity that is used, so that there is something left for bursts and a failed machine.
    pub used: f64,
}

/// What a demand takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Capacity {
    /// Verdicts a second of one verifier.
    pub verdicts: f64,
    /// Phones with a reply under way that one verifier serves.
    pub active_phones: f64,
    /// All phones for which one verifier is enough.
    pub phones: f64,
    /// Sessions that share a pass.
    pub sessions_a_pass: f64,
    /// Number of verifiers.
    pub verifiers: f64,
    /// Bytes a second into all verifiers.
    pub up: f64,
    /// Bytes a second out of all verifiers.
    pub down: f64,
}

/// The reason why nothing can be told from a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CapacityError {
    /// There are too few loads whose passes are known.
    #[error("it takes two loads of different size on a server that shows its counters")]
    TooFew,
    /// Longer passes took less time, so the points were not measured on a quiet machine.
    #[error("passes with more tokens took no longer: the points do not fit together")]
    NotIncreasing,
    /// No pass is as short as the target.
    #[error("a pass takes {base_ms} ms without any token, longer than the target")]
    TargetTooShort {
        /// Milliseconds of a pass without tokens, rounded down.
        base_ms: u64,
    },
}

impl Model {
    /// Fits the model to the loads of a record that nothing hostile disturbed.
    ///
    /// # Errors
    /// [`CapacityError`], if the loads do not say enough.
    pub fn fit(record: &Record) -> Result<Self, CapacityError> {
        let arms: Vec<&Arm> = record.arms.iter().filter(|arm| arm.attack.is_none() && passes_of(arm) > 0.0).collect();
        let points: Vec<(f64, f64)> = arms.iter().map(|arm| (pass_tokens(arm), pass_seconds(arm))).collect();
        let (base, token) = line(&points).ok_or(CapacityError::TooFew)?;
        if token <= 0.0 {
            return Err(CapacityError::NotIncreasing);
        }
        let (Some(small), Some(large)) =
            (arms.iter().min_by_key(|arm| arm.phones), arms.iter().max_by_key(|arm| arm.phones))
        else {
            return Err(CapacityError::TooFew);
        };
        let verdicts = |arm: &Arm| arm.verdicts_per_second * arm.seconds;
        let each = |value: f64, arm: &Arm| value / verdicts(arm).max(1.0);
        let cycle = small.phones as f64 / small.verdicts_per_second.max(1e-9);
        let mut model = Self {
            base: base.max(0.0),
            token,
            decoded: each(large.passes.as_ref().map_or(0.0, |of| of.decoded), large),
            brought: large.tokens_per_second / large.verdicts_per_second.max(1e-9),
            rest: (cycle - pass_seconds(small)).max(0.0),
            up: each(large.bytes.wire_up, large),
            down: each(large.bytes.wire_down, large),
            points: Vec::new(),
        };
        let point = |arm: &&Arm| Point {
            phones: arm.phones,
            measured: arm.verdicts_per_second,
            predicted: model.rate(arm.phones as f64),
            pass_tokens: pass_tokens(arm),
            pass_seconds: pass_seconds(arm),
        };
        model.points = arms.iter().map(point).collect();
        Ok(model)
    }

    /// Returns the verdicts a second of so many phones, each of which asks again when it has rested.
    #[must_use]
    pub fn rate(&self, phones: f64) -> f64 {
        // The pass gets longer with the sessions that share it, and they are those that come while it lasts.
        let (mut least, mut most) = (self.base, self.base + self.token * self.decoded * phones);
        for _ in 0..ROUNDS {
            let pass = f64::midpoint(least, most);
            let sessions = phones * pass / (self.rest + pass).max(1e-12);
            let needed = self.base + self.token * self.decoded * sessions;
            if needed > pass { least = pass } else { most = pass }
        }
        phones / (self.rest + most).max(1e-12)
    }

    /// Tells what a demand takes.
    ///
    /// # Errors
    /// [`CapacityError::TargetTooShort`].
    pub fn capacity(&self, demand: &Demand) -> Result<Capacity, CapacityError> {
        if demand.pass_target <= self.base {
            return Err(CapacityError::TargetTooShort { base_ms: (1e3 * self.base) as u64 });
        }
        let roof = (1.0 - self.base / demand.pass_target) / (self.token * self.decoded);
        let verdicts = demand.used * roof;
        let pass = self.base / (1.0 - verdicts * self.token * self.decoded);
        let of_phone = demand.pace / self.brought;
        let active_phones = verdicts / of_phone;
        let all = demand.phones * demand.active * of_phone;
        Ok(Capacity {
            verdicts,
            active_phones,
            phones: active_phones / demand.active,
            sessions_a_pass: verdicts * pass,
            verifiers: (all / verdicts).ceil(),
            up: all * self.up,
            down: all * self.down,
        })
    }
}

fn passes_of(arm: &Arm) -> f64 {
    arm.passes.as_ref().map_or(0.0, |of| of.passes)
}

fn pass_tokens(arm: &Arm) -> f64 {
    arm.passes.as_ref().map_or(0.0, |of| of.decoded / of.passes)
}

fn pass_seconds(arm: &Arm) -> f64 {
    arm.passes.as_ref().map_or(0.0, |of| of.busy / of.passes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{About, Bytes, Passes};

    /// A load of a verifier whose passes take 10 ms and 2 ms a token, where a verdict costs 5 tokens and a phone rests
    /// for 30 ms.
    fn arm(phones: usize) -> Arm {
        let (mut pass, seconds) = (0.01, 100.0);
        for _ in 0..200 {
            pass = 0.01 + 0.002 * 5.0 * phones as f64 * pass / (0.03 + pass);
        }
        let rate = phones as f64 / (0.03 + pass);
        let passes = seconds / pass;
        let of = Passes { passes, decoded: rate * seconds * 5.0, busy: seconds, ..Passes::default() };
        Arm {
            phones,
            seconds,
            verdicts_per_second: rate,
            tokens_per_second: 3.0 * rate,
            bytes: Bytes { wire_up: 100.0 * rate * seconds, wire_down: 60.0 * rate * seconds, ..Bytes::default() },
            passes: Some(of),
            ..Arm::default()
        }
    }

    fn model() -> Model {
        let arms = [1, 8, 32].map(arm).to_vec();
        Model::fit(&Record { about: About::default(), arms }).expect("it fits")
    }

    #[test]
    fn the_constants_of_a_verifier_are_found_again_and_its_rates_with_them() {
        let model = model();
        for (found, wanted) in [(model.base, 0.01), (model.token, 0.002), (model.decoded, 5.0), (model.brought, 3.0)] {
            assert!((found - wanted).abs() < 1e-6, "{model:?}");
        }
        assert!((model.rest - 0.03).abs() < 1e-6 && (model.up - 100.0).abs() < 1e-6, "{model:?}");
        for point in &model.points {
            assert!((point.predicted / point.measured - 1.0).abs() < 1e-3, "{point:?}");
        }
        let measured = arm(128).verdicts_per_second;
        assert!((model.rate(128.0) / measured - 1.0).abs() < 1e-3, "a point that was not fitted");
    }

    #[test]
    fn a_demand_takes_as_many_verifiers_as_keep_their_passes_short() {
        let demand = Demand { phones: 1e6, active: 0.01, pace: 9.0, pass_target: 0.05, used: 1.0 };
        let capacity = model().capacity(&demand).expect("a capacity");
        // (1 - 0.01 / 0.05) / (0.002 x 5) = 80 verdicts a second, of which a phone takes 3.
        assert!((capacity.verdicts - 80.0).abs() < 1e-6, "{capacity:?}");
        assert!((capacity.active_phones - 80.0 / 3.0).abs() < 1e-6);
        assert_eq!(capacity.verifiers, 375.0);
        assert!((capacity.sessions_a_pass - 4.0).abs() < 1e-6 && (capacity.up - 3e6).abs() < 1.0);
        let hurried = Demand { pass_target: 0.009, ..demand };
        assert!(matches!(model().capacity(&hurried), Err(CapacityError::TargetTooShort { .. })));
    }

    #[test]
    fn points_that_say_too_little_are_refused() {
        let fit = |arms: Vec<Arm>| Model::fit(&Record { about: About::default(), arms });
        assert_eq!(fit(vec![arm(8)]), Err(CapacityError::TooFew));
        assert_eq!(fit(vec![arm(1), Arm { passes: None, ..arm(8) }]), Err(CapacityError::TooFew));
        let mut odd = arm(8);
        odd.passes = odd.passes.map(|of| Passes { busy: 1.0, ..of });
        assert_eq!(fit(vec![arm(1), odd]), Err(CapacityError::NotIncreasing));
    }
}
