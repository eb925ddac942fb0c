//! What generations have taken, added up, and how much of it a session may take of its verifier.
//!
//! Decides when a budget is spent. What a reply does then is decided in [`session`](crate::session).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::metrics::{OriginCounts, Statistics, seconds};

/// Counts and times of many generations. An app keeps them, as JSON or otherwise, and gives back what counts against a
/// [`Budget`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Number of generations.
    pub generations: u64,
    /// Length of their prompts in tokens.
    pub prompt_tokens: u64,
    /// Numbers of committed tokens by origin.
    pub origins: OriginCounts,
    /// Number of tokens that the draft model drafted.
    pub drafted: u64,
    /// Number of drafted tokens that a verdict decided on.
    pub judged: u64,
    /// Of those, the number of rejected ones.
    pub rejected: u64,
    /// Number of drafted tokens that the gate let pass.
    pub skipped: u64,
    /// Number of requests to the verifier.
    pub requests: u64,
    /// Size of all request bodies, in bytes.
    pub body_up: u64,
    /// Size of all response bodies, in bytes.
    pub body_down: u64,
    /// Number of forward passes of the target.
    pub target_passes: u64,
    /// Time of all generations; in JSON in seconds.
    #[serde(with = "seconds")]
    pub elapsed: Duration,
}

impl Totals {
    /// Returns the number of committed tokens.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.origins.total()
    }

    /// Returns the size of all bodies, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.body_up.saturating_add(self.body_down)
    }

    /// Returns the totals as JSON, for an app to keep.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Numbers by name can always be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads totals that [`Self::to_json`] wrote; what is not in them is 0.
    ///
    /// # Errors
    /// That of the JSON.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// Adds a generation.
    pub fn count(&mut self, statistics: &Statistics) {
        self.add(&Self { generations: 1, ..Self::default() });
        self.count_round(statistics);
    }

    /// Adds a round of a generation, which is not counted itself.
    pub(crate) fn count_round(&mut self, statistics: &Statistics) {
        self.add(&Self {
            prompt_tokens: statistics.prompt_tokens,
            origins: statistics.origins,
            drafted: statistics.drafted,
            judged: statistics.judged,
            rejected: statistics.rejected,
            skipped: statistics.skipped,
            elapsed: statistics.elapsed,
            ..Self::default()
        });
        self.spend(statistics);
    }

    /// Adds what a generation has taken of the verifier.
    pub(crate) fn spend(&mut self, statistics: &Statistics) {
        self.add(&Self {
            requests: statistics.requests,
            body_up: statistics.body_up,
            body_down: statistics.body_down,
            target_passes: statistics.target_passes,
            ..Self::default()
        });
    }

    /// Adds other totals. A sum that its type cannot hold stays at the largest number, so that what an app gives back
    /// can make no budget look unspent.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.generations, other.generations),
            (&mut self.prompt_tokens, other.prompt_tokens),
            (&mut self.drafted, other.drafted),
            (&mut self.judged, other.judged),
            (&mut self.rejected, other.rejected),
            (&mut self.skipped, other.skipped),
            (&mut self.requests, other.requests),
            (&mut self.body_up, other.body_up),
            (&mut self.body_down, other.body_down),
            (&mut self.target_passes, other.target_passes),
        ] {
            *sum = sum.saturating_add(more);
        }
        self.origins.add(&other.origins);
        self.elapsed = self.elapsed.saturating_add(other.elapsed);
    }
}

/// The most that a session may take of its verifier; `None` sets no limit.
///
/// Nothing is sent once a limit is reached; of [`Totals`] that the app gives at the session's beginning, as those of a
/// day, what is left counts. A request that is under way is heard to its end where only the number of requests is
/// reached; an answer is cut off where bytes or passes are. What a request takes beyond the limit is what it takes
/// until that is known: a frame of bytes, and passes in three cases. In the mode `remote_only` the target writes until
/// it hears that it is to stop, which is a round trip late. In the others it is allowed no more passes than are left,
/// but a verifier that has no room for all tokens of a window takes two passes for it, and a request that was given up
/// may come to the verifier after all.
///
/// Under [`OfflinePolicy::GoOn`](crate::OfflinePolicy::GoOn) the draft model then goes on alone, its tokens are marked
/// [`Unverified`](crate::Origin::Unverified), and [`Statistics::budget_spent`] says why. Under the other policies the
/// reply fails with [`GenerationError::BudgetSpent`](crate::GenerationError::BudgetSpent).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Budget {
    /// Largest number of requests, those included that open a session on the verifier.
    pub requests: Option<u64>,
    /// Largest size of all request and response bodies, in bytes.
    pub bytes: Option<u64>,
    /// Largest number of forward passes of the target.
    pub target_passes: Option<u64>,
}

impl Budget {
    /// Tells whether nothing more may be sent.
    pub(crate) fn is_spent(&self, taken: &Totals) -> bool {
        reaches(self.requests, taken.requests) || self.is_overdrawn(taken)
    }

    /// Tells whether an answer that is under way is to be cut off.
    pub(crate) fn is_overdrawn(&self, taken: &Totals) -> bool {
        reaches(self.bytes, taken.bytes()) || reaches(self.target_passes, taken.target_passes)
    }
}

fn reaches(limit: Option<u64>, taken: u64) -> bool {
    limit.is_some_and(|limit| taken >= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_add_up_and_totals_come_back_from_json() {
        let statistics = Statistics {
            requests: 3,
            body_up: 40,
            body_down: 2,
            target_passes: 5,
            drafted: 9,
            origins: OriginCounts { verified: 4, ..OriginCounts::default() },
            elapsed: Duration::from_millis(1500),
            ..Statistics::default()
        };
        let (mut one, mut both) = (Totals::default(), Totals::default());
        one.count(&statistics);
        both.count(&statistics);
        both.add(&one);
        assert_eq!((both.generations, both.requests, both.bytes(), both.tokens()), (2, 6, 84, 8));
        assert_eq!(Totals::from_json(&both.to_json()).expect("reads"), both);
        assert_eq!(Totals::from_json("{}").expect("reads"), Totals::default());
        assert!(Totals::from_json("{\"requests\": -1}").is_err());
    }

    #[test]
    fn sums_of_what_an_app_gives_stay_at_the_largest_number() {
        let most = r#"{"requests": 18446744073709551615, "body_up": 18446744073709551615, "elapsed": 1.8e19,
            "origins": {"draft": 18446744073709551615, "target": 18446744073709551615}}"#;
        let mut totals = Totals::from_json(most).expect("reads");
        let same = totals;
        totals.add(&same);
        totals.count(&Statistics { requests: 3, elapsed: Duration::from_secs(9), ..Statistics::default() });
        assert_eq!((totals.requests, totals.bytes(), totals.tokens()), (u64::MAX, u64::MAX, u64::MAX));
        assert_eq!((totals.generations, totals.elapsed), (1, Duration::MAX));
        assert!(Budget { requests: Some(u64::MAX), ..Budget::default() }.is_spent(&totals));
    }

    #[test]
    fn a_limit_is_reached_by_what_it_is_about_and_cuts_answers_off_if_they_cost_more() {
        let taken = Totals { requests: 3, body_up: 40, body_down: 2, target_passes: 5, ..Totals::default() };
        let at = |requests, bytes, target_passes| {
            let budget = Budget { requests, bytes, target_passes };
            (budget.is_spent(&taken), budget.is_overdrawn(&taken))
        };
        assert_eq!(at(None, None, None), (false, false));
        assert_eq!(at(Some(4), Some(43), Some(6)), (false, false));
        assert_eq!(at(Some(3), None, None), (true, false));
        assert_eq!(at(None, Some(42), None), (true, true));
        assert_eq!(at(None, None, Some(5)), (true, true));
        assert_eq!(at(Some(0), None, None), (true, false));
    }
}
