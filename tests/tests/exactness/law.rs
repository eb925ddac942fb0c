//! The text that all the other tests compare with, that of `remote_only`, follows the target's distribution.
//!
//! Each chi-square test observes at least 10,000 tokens over the full path. Given the prefix, every token is a draw
//! from the target's distribution there; tokens are grouped by the rank of the token in that distribution, in bins of
//! the most probable token's probability. The laws within a bin differ, which only makes the statistic smaller than
//! chi-square, so a right sampler fails a test with probability at most 1e-6.

use uhlm_core::Mode;
use uhlm_law::sampling::{Distribution, SamplingParams, TokenId};
use uhlm_testing::goodness::{Fit, Goodness};

use crate::support::{Plain, options, prompts, served, session, temperatures, write};

const TOKENS: usize = 10_000;
const FALSE_ALARM: f64 = 1e-6;
const RANKS: usize = 12;

/// Returns the context of a token, its cell, and the distribution of the cells. The cells are ranks, so that positions
/// with different candidates can be compared: the cell of a token is its rank, the context the bin of the largest
/// probability.
fn by_rank(law: &Distribution, token: TokenId) -> (u64, TokenId, Distribution) {
    let mut entries: Vec<_> = law.iter().collect();
    entries.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let rank = entries.iter().position(|e| e.0 == token).unwrap_or(RANKS).min(RANKS);
    let ranked = entries.iter().enumerate().map(|(i, e)| (i.min(RANKS) as TokenId, f64::from(e.1)));
    let mut sums = [0.0; RANKS + 1];
    ranked.for_each(|(rank, p)| sums[rank as usize] += p);
    let law = Distribution::from_weights(sums.iter().enumerate().map(|(i, &p)| (i as TokenId, p))).expect("mass");
    ((f64::from(entries[0].1) * 20.0) as u64, rank as TokenId, law)
}

/// Returns how well the replies at `written` fit the law at `expected`.
fn fit(written: &SamplingParams, expected: &SamplingParams) -> Fit {
    let served = served(0);
    let session = session(served.verifier(), options(Mode::RemoteOnly, written, 3));
    let (mut plain, mut goodness, mut seen) = (Plain::new(expected), Goodness::default(), 0);
    for (i, prompt) in prompts().iter().cycle().enumerate() {
        if seen >= TOKENS {
            break;
        }
        plain.start(prompt);
        // Seeds as an app would give them, so that what is shared by neighbouring seeds would show.
        for id in write(&session, prompt, i as u64) {
            let (context, rank, law) = by_rank(&plain.law(), id);
            goodness.observe(context, rank, &law);
            plain.feed(&[id]);
            seen += 1;
        }
    }
    let fit = goodness.fit();
    println!("{fit:?}");
    fit
}

#[test]
fn at_temperature_1_the_target_s_replies_follow_its_distribution() {
    let sampling = SamplingParams::default();
    assert!(fit(&sampling, &sampling).p_value > FALSE_ALARM);
}

#[test]
fn at_temperature_07_with_top_k_and_top_p_the_target_s_replies_follow_its_distribution() {
    let [_, sampling, _] = temperatures();
    assert!(fit(&sampling, &sampling).p_value > FALSE_ALARM);
}

/// The demo target is sure of most of its tokens, so a little more warmth hardly shows: of 10,000 tokens the
/// statistic is about 188 with a standard deviation of 25 where the bound is 121, a power of 0.99. For smaller
/// differences see the synthetic models' test, which tells a temperature of 1.1 from 1.
#[test]
fn the_same_test_fails_where_the_replies_are_held_against_a_temperature_of_one_and_a_half() {
    let warmer = SamplingParams { temperature: 1.5, ..SamplingParams::default() };
    assert!(fit(&SamplingParams::default(), &warmer).p_value < FALSE_ALARM);
}
