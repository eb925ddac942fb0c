use super::*;
use crate::pass_times::MAX_MEASURED_ROWS;
use crate::rng::{Rng, Stream};
use crate::window::Costs;

/// Drafts of which `accepted` stand, foreseen more or less: the betas of those that do not are greater on average.
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
    let tried = tried(0.8, 64, 1);
    let forecast = forecast(&Policy::STREAM, &costs(25.0, 20.0, 50.0), &tried).expect("a play that ends");
    assert!((forecast.seconds * 128.0 - (0.05 + 128.0 * 0.02)).abs() < 1e-9, "{forecast:?}");
    assert_eq!((forecast.passes, forecast.drafted), (1.0, 0.0));
    assert_eq!(forecast.requests * 128.0, 1.0);
}

#[test]
fn running_ahead_is_never_slower_than_streaming() {
    for seed in 0..4 {
        for accepted in [0.3, 0.6, 0.8, 0.95] {
            let tried = tried(accepted, 64, seed);
            for draft in [15.0, 25.0, 50.0, 100.0] {
                for target in [10.0, 20.0, 40.0, 105.0] {
                    for round_trip in [20.0, 50.0, 150.0] {
                        let costs = costs(draft, target, round_trip);
                        if 2.0 * costs.catch_up > costs.target_base {
                            // A device that cannot even read what the target writes falls behind more and more.
                            continue;
                        }
                        let seconds = |policy| forecast(&policy, &costs, &tried).expect("a play that ends").seconds;
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

#[test]
#[ignore = "prints a table"]
fn table() {
    let tried = tried(0.78, 2000, 9);
    for draft in [15.0, 25.0, 50.0, 100.0] {
        for target in [10.0, 20.0, 40.0, 105.0] {
            for round_trip in [20.0, 50.0, 150.0] {
                let costs = costs(draft, target, round_trip);
                let mut all: Vec<_> =
                    Policy::all(true).into_iter().map(|p| (p, forecast(&p, &costs, &tried).expect("x"))).collect();
                let mut line = format!("{draft:>4} {target:>4} {round_trip:>4}");
                let base = all.iter().find(|(p, _)| *p == Policy::WINDOWS).expect("x").1;
                for lambda in [0.0, 0.25, 1.0] {
                    let cost = |f: &Forecast| f.seconds * f.passes.powf(lambda);
                    all.sort_by(|a, b| cost(&a.1).total_cmp(&cost(&b.1)));
                    let (p, f) = all[0];
                    line += &format!(
                        " | {:>5} {:>9?} {:?} {:.1} {:.3}t {:.3}p",
                        p.drafts,
                        p.grants.after_mismatch,
                        p.grants.after_agreement,
                        p.weight,
                        base.seconds / f.seconds,
                        f.passes / base.passes
                    );
                }
                println!("{line}");
            }
        }
    }
}
