use super::*;
use crate::pass_times::MAX_MEASURED_ROWS;
use crate::rng::{Rng, Stream};
use crate::window::Costs;

/// Makes drafts of which `accepted` stand, foreseen more or less: the betas of those that do not are greater on
/// average.
fn tried(accepted: f64, tokens: usize, seed: u64) -> Vec<Tried> {
    let mut rng = Rng::new(seed, Stream::Simulation);
    (0..tokens)
        .map(|_| {
            let matched = rng.uniform() < accepted;
            let (own, other) = (rng.uniform(), rng.uniform());
            let beta = if matched { own * other * (1.0 - accepted) * 2.0 } else { own.max(other) };
            Tried { beta: beta.min(1.0), matched }
        })
        .collect()
}

fn costs(draft_ms: f64, target_ms: f64, round_trip_ms: f64) -> Costs {
    Costs {
        draft: draft_ms / 1e3,
        catch_up: 0.15 * draft_ms / 1e3,
        target_base: target_ms / 1e3,
        target_per_token: 0.0,
        by_rows: [0.0; MAX_MEASURED_ROWS],
        round_trip: round_trip_ms / 1e3,
        width: usize::MAX,
    }
}

#[test]
fn streaming_takes_a_pass_a_token_and_half_a_round_trip_at_each_end() {
    let tried = tried(0.8, 128, 1);
    let forecast = forecast(&Policy::STREAM, &costs(25.0, 20.0, 50.0), &tried, 128).expect("a play that ends");
    assert!((forecast.seconds * 128.0 - (0.05 + 128.0 * 0.02)).abs() < 1e-9, "{forecast:?}");
    assert_eq!((forecast.passes, forecast.drafted), (1.0, 0.0));
    assert_eq!(forecast.requests * 128.0, 1.0);
}

#[test]
fn running_ahead_is_never_slower_than_streaming() {
    for seed in 0..4 {
        for accepted in [0.3, 0.6, 0.8, 0.95] {
            let tried = tried(accepted, 128, seed);
            for draft in [15.0, 25.0, 50.0, 100.0] {
                for target in [10.0, 20.0, 40.0, 105.0] {
                    for round_trip in [20.0, 50.0, 150.0] {
                        let costs = costs(draft, target, round_trip);
                        if 2.0 * costs.catch_up > costs.target_base {
                            // A device that cannot even read what the target writes falls behind more and more.
                            continue;
                        }
                        let seconds =
                            |policy| forecast(&policy, &costs, &tried, 128).expect("a play that ends").seconds;
                        let (ahead, stream) = (seconds(Policy::RUN_AHEAD), seconds(Policy::STREAM));
                        // The device's last step, which may read all tokens before, can end after the last frame.
                        let step = 2.0 * costs.draft + 16.0 * costs.catch_up;
                        assert!(
                            ahead * 128.0 < stream * 128.0 + step,
                            "{draft}/{target}/{round_trip}: {ahead} {stream}"
                        );
                    }
                }
            }
        }
    }
}

/// Makes a pacer that has seen these drafts and chosen.
fn pacer(pace: Pace, budget: Option<f64>, costs: &Costs, tried: &[Tried]) -> Pacer {
    let mut pacer = Pacer::new(pace, budget, 0.2);
    pacer.begin(pace);
    for tried in tried {
        pacer.observe(tried.beta, tried.matched);
    }
    assert!(pacer.is_due(true));
    pacer.choose(costs, true);
    pacer
}

#[test]
fn fastest_streams_where_the_target_is_faster_than_the_device() {
    let tried = tried(0.8, 64, 3);
    for (draft, target) in [(25.0, 20.0), (50.0, 40.0), (100.0, 10.0), (100.0, 105.0)] {
        let pacer = pacer(Pace::Fastest, None, &costs(draft, target, 50.0), &tried);
        assert_eq!(*pacer.policy(), Policy::STREAM, "{draft}/{target}");
    }
}

#[test]
fn thrifty_takes_the_fewest_passes_and_fastest_the_least_time() {
    for accepted in [0.5, 0.8, 0.95] {
        let tried = tried(accepted, 128, 5);
        for (draft, target, round_trip) in [(24.6, 104.6, 50.0), (25.0, 40.0, 50.0), (15.0, 20.0, 150.0)] {
            let costs = costs(draft, target, round_trip);
            let taken = Pace::ALL.map(|pace| {
                forecast(pacer(pace, None, &costs, &tried).policy(), &costs, &tried, 128).expect("a play that ends")
            });
            let [fastest, balanced, thrifty] = taken;
            // Half of what they are compared on is drawn anew.
            assert!(thrifty.passes <= 1.1 * balanced.passes.min(fastest.passes), "{taken:?}");
            assert!(fastest.seconds <= 1.05 * balanced.seconds.min(thrifty.seconds), "{taken:?}");
            let windows = forecast(&Policy::WINDOWS, &costs, &tried, 128).expect("a play that ends");
            assert!(balanced.seconds <= 1.05 * windows.seconds, "{taken:?} {windows:?}");
        }
    }
}

#[test]
fn a_budget_keeps_policies_out_that_need_more_and_holds_windows_once_it_is_spent() {
    let tried = tried(0.9, 64, 7);
    let costs = costs(25.0, 40.0, 50.0);
    let mut pacer = pacer(Pace::Fastest, Some(0.3), &costs, &tried);
    let taken = forecast(pacer.policy(), &costs, &tried, 128).expect("a play that ends");
    assert!(taken.passes <= 0.3, "{taken:?}");
    assert!(pacer.may_spend());
    (1..=10).for_each(|passes| pacer.observe_token(passes));
    assert!(!pacer.may_spend(), "10 passes for 10 tokens");
    (0..30).for_each(|_| pacer.observe_token(10));
    assert!(pacer.may_spend(), "10 passes for 40 tokens");
}

#[test]
fn a_verifier_that_does_not_run_ahead_is_granted_nothing() {
    let tried = tried(0.8, 64, 3);
    let mut pacer = pacer(Pace::Fastest, None, &costs(100.0, 10.0, 50.0), &tried);
    assert!(!pacer.policy().grants.is_none());
    assert!(pacer.is_due(false));
    pacer.choose(&costs(100.0, 10.0, 50.0), false);
    assert!(pacer.policy().grants.is_none() && pacer.policy().drafts);
}

#[test]
fn drafts_are_tried_again_only_where_good_ones_would_pay() {
    let poor = tried(0.1, 64, 3);
    // Good drafts would pay: the device is faster than the target.
    let mut pacer = pacer(Pace::Fastest, None, &costs(25.0, 40.0, 50.0), &poor);
    if pacer.drafts() {
        return assert!(pacer.policy().drafts);
    }
    (0..200).for_each(|_| pacer.observe_token(0));
    assert!(pacer.drafts(), "a probe");
    (0..10).for_each(|_| pacer.observe_draft());
    assert!(!pacer.drafts(), "which ends");
    // None would.
    let mut pacer = self::pacer(Pace::Fastest, None, &costs(100.0, 10.0, 50.0), &poor);
    (0..200).for_each(|_| pacer.observe_token(0));
    assert!(!pacer.drafts());
}

#[test]
fn drafts_are_held_for_the_pass_that_they_would_all_make() {
    let costs = costs(25.0, 100.0, 50.0);
    let window: crate::window::Window = [0.1].into_iter().collect();
    let at = |wait| Moment { window: &window, next_beta: 0.1, wait, windows: 2 };
    assert!(!Policy::RUN_AHEAD.sends(&costs, &at(0.04)));
    assert!(Policy::RUN_AHEAD.sends(&costs, &at(0.02)));
    assert!(Policy::RUN_AHEAD.sends(&costs, &at(0.0)));
    assert!(!Policy::WINDOWS.sends(&costs, &at(0.0)), "a safe token waits for the next");
}

#[test]
fn the_wait_for_a_pass_follows_the_frames() {
    // A frame came just now: the pass after it ends 0.1 - 0.05 s after what is sent now arrives.
    let even = Rhythm { last: 0.1, under_way: 0.1 };
    assert!((even.until_pass(0.0, 0.05) - 0.05).abs() < 1e-9);
    assert!((even.until_pass(0.04, 0.05) - 0.01).abs() < 1e-9);
    assert!((even.until_pass(0.06, 0.05) - 0.09).abs() < 1e-9, "it makes the pass after that");
    assert_eq!(Rhythm { last: 0.0, under_way: 0.0 }.until_pass(0.0, 0.05), 0.0);
}

#[test]
fn a_pass_without_drafts_is_not_waited_for_as_long_as_one_that_judged_some() {
    let short = Rhythm { last: 0.2, under_way: 0.12 };
    assert!((short.until_pass(0.09, 0.0) - 0.03).abs() < 1e-9);
    assert!((short.until_pass(0.13, 0.0) - 0.19).abs() < 1e-9, "nothing is known of the pass after that");
}

#[test]
fn every_pace_is_read_by_its_name() {
    for pace in Pace::ALL {
        assert_eq!(pace.to_string().parse(), Ok(pace));
    }
    assert_eq!("fast".parse::<Pace>(), Err(InvalidPace));
}
