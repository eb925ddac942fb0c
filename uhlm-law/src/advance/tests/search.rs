//! All interleavings at small depth: every order of drafting, sending, arriving, passes and answers, and every place
//! of a fault.
//!
//! `UHLM_INTERLEAVINGS=deep` tries longer replies and larger windows as well, which takes ten minutes.

use std::collections::HashSet;

use super::super::{Grant, Grants, Labelling};
use super::rules::{Action, Faults, Mutation, Rules, Violation};
use super::world::World;

/// The counts of what a search has seen.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    states: usize,
    /// Number of choices that were tried.
    steps: usize,
    ends: usize,
    most_silences: u32,
}

/// Visits every state that can be reached, once; checks the invariants in each, and that every history can end.
fn search(world: World) -> Result<Seen, (Violation, Vec<Action>)> {
    let mut known = HashSet::from([world.key()]);
    let mut seen = Seen::default();
    let mut open = vec![(world, Vec::new())];
    while let Some((world, path)) = open.pop() {
        seen.states += 1;
        seen.most_silences = seen.most_silences.max(world.silences);
        if world.done {
            seen.ends += 1;
            continue;
        }
        for action in world.actions() {
            let mut next = world.clone();
            let path = [path.as_slice(), &[action]].concat();
            seen.steps += 1;
            if let Err(violation) = next.apply(action) {
                return Err((violation, path));
            }
            // A state without an action that is no fault is silent, so where silences are bounded every history ends.
            if next.silences > 4 {
                return Err(("the device asks in vain".to_owned(), path));
            }
            if known.insert(next.key()) {
                open.push((next, path));
            }
        }
    }
    Ok(seen)
}

/// Searches, and fails with the path to the broken rule.
fn all(total: &mut Seen, rules: &Rules, faults: Faults) -> Seen {
    let seen = search(World::new(rules.clone(), faults))
        .unwrap_or_else(|(violation, path)| panic!("{violation}\n{rules:?}\n{faults:?}\n{path:?}"));
    if is_deep() {
        eprintln!("{seen:?} window {} of {}, {faults:?}", rules.window, rules.max_tokens);
    }
    total.states += seen.states;
    total.steps += seen.steps;
    total.ends += seen.ends;
    total.most_silences = total.most_silences.max(seen.most_silences);
    seen
}

fn is_deep() -> bool {
    std::env::var("UHLM_INTERLEAVINGS").is_ok_and(|depth| depth == "deep")
}

fn granted(k_r: u8, k_a: u8) -> Grants {
    Grants { after_mismatch: Grant::Passes(k_r), after_agreement: Grant::Passes(k_a) }
}

/// Makes the rules of a target that writes alone.
fn alone(seed: u64) -> Rules {
    Rules { window: 0, grants: Grants::UNLIMITED, ..Rules::new(seed) }
}

/// Makes the rules of two tokens, drafted one at a time and sent at once.
fn drafted(seed: u64) -> Rules {
    Rules { max_tokens: 2, ..Rules::new(seed) }
}

fn opportunistic(seed: u64) -> Rules {
    let labels = Labelling { matched: true, probabilities: true };
    Rules { opportunistic: true, labels, max_tokens: 3, ..Rules::new(seed) }
}

/// Returns each kind of fault, once.
fn kinds() -> [Faults; 8] {
    let none = Faults::default();
    [
        Faults { ghosts: 1, ..none },
        Faults { hedges: 1, ..none },
        Faults { drops: 1, ..none },
        Faults { cuts: 1, ..none },
        Faults { restarts: 1, ..none },
        Faults { evictions: 1, ..none },
        Faults { failures: 1, ..none },
        Faults { impatience: 1, ..none },
    ]
}

fn both(a: Faults, b: Faults) -> Faults {
    Faults {
        ghosts: a.ghosts + b.ghosts,
        hedges: a.hedges + b.hedges,
        drops: a.drops + b.drops,
        cuts: a.cuts + b.cuts,
        restarts: a.restarts + b.restarts,
        evictions: a.evictions + b.evictions,
        failures: a.failures + b.failures,
        impatience: a.impatience + b.impatience,
        alone: a.alone + b.alone,
        switches: a.switches + b.switches,
    }
}

/// Returns seeds whose replies and drafts differ: some agree and some do not, some end early.
fn seeds() -> std::ops::Range<u64> {
    0..if is_deep() { 6 } else { 2 }
}

/// Limits rules to a depth that a pass of all tests has the time for: one request of drafted tokens under way at a
/// time.
fn shallow(rules: Rules) -> Rules {
    Rules { max_tokens: 2, ahead: 1, ..rules }
}

#[test]
fn in_whatever_order_requests_and_answers_come_the_text_is_the_targets_and_nobody_waits_in_vain() {
    let mut total = Seen::default();
    for seed in seeds() {
        let mut rules = vec![alone(seed), Rules { grants: granted(0, 1), ..alone(seed) }, drafted(seed)];
        rules.push(Rules { grants: granted(1, 0), ..drafted(seed) });
        rules.push(Rules { window: 2, ahead: 3, ..Rules::new(seed) });
        rules.push(Rules { max_tokens: 2, ..opportunistic(seed) });
        if is_deep() {
            rules.push(Rules { grants: granted(0, 1), ..drafted(seed) });
            rules.push(opportunistic(seed));
            rules.push(Rules::new(seed));
            rules.push(Rules { grants: Grants::UNLIMITED, ..drafted(seed) });
            rules.push(Rules { window: 2, ahead: 4, max_tokens: 5, max_draft: 1, ..Rules::new(seed) });
        }
        for rules in rules {
            all(&mut total, &rules, Faults::default());
        }
    }
    eprintln!("without faults: {total:?}");
    assert_eq!(total.most_silences, 0);
}

#[test]
fn any_fault_at_any_place_changes_nothing_but_the_time() {
    let mut total = Seen::default();
    for fault in kinds() {
        for seed in seeds() {
            all(&mut total, &alone(seed), fault);
            all(&mut total, &shallow(drafted(seed)), fault);
            all(&mut total, &shallow(opportunistic(seed)), fault);
            if is_deep() && seed < 2 {
                all(&mut total, &drafted(seed), fault);
                all(&mut total, &Rules { grants: Grants::UNLIMITED, ..shallow(drafted(seed)) }, fault);
            }
        }
    }
    eprintln!("one fault: {total:?}");
}

#[test]
fn any_two_faults_change_nothing_but_the_time() {
    let mut total = Seen::default();
    for seed in seeds() {
        for (i, a) in kinds().into_iter().enumerate() {
            for b in kinds().into_iter().skip(i) {
                all(&mut total, &Rules { max_tokens: if is_deep() { 2 } else { 1 }, ..alone(seed) }, both(a, b));
                if is_deep() {
                    all(&mut total, &shallow(drafted(seed)), both(a, b));
                }
            }
        }
    }
    eprintln!("two faults: {total:?}");
}

#[test]
fn another_replica_goes_on_where_the_first_was() {
    let mut total = Seen::default();
    for seed in seeds() {
        let alone = Rules { max_tokens: 2, ..alone(seed) };
        for rules in [alone, shallow(drafted(seed)), shallow(opportunistic(seed))] {
            if rules.opportunistic && seed > 0 && !is_deep() {
                continue;
            }
            // Where the two replicas' arithmetic differs, the first decision that reaches the device stands.
            for ties in [0, 120] {
                let mut rules = Rules { replicas: 2, ..rules.clone() };
                rules.model.ties = ties;
                all(&mut total, &rules, Faults { switches: 1, ..Faults::default() });
                if is_deep() && rules.window == 0 {
                    all(&mut total, &rules, Faults { switches: 2, ..Faults::default() });
                }
            }
        }
    }
    eprintln!("two replicas: {total:?}");
}

#[test]
fn what_was_written_alone_stands_and_the_verifier_goes_on_from_it() {
    let mut total = Seen::default();
    for seed in seeds() {
        let alone = Faults { alone: 1, ..Faults::default() };
        for rules in [shallow(drafted(seed)), shallow(opportunistic(seed))] {
            all(&mut total, &rules, alone);
            if is_deep() {
                all(&mut total, &rules, Faults { drops: 1, restarts: 1, ..alone });
                all(&mut total, &rules, Faults { alone: 2, ..alone });
            }
        }
    }
    eprintln!("alone: {total:?}");
}

#[test]
fn a_rule_that_is_broken_is_noticed_at_small_depth() {
    for mutation in [Mutation::AcceptUnequal, Mutation::SkipBonus, Mutation::StaleText, Mutation::TwoStreams] {
        let noticed = (0..6).find_map(|seed| {
            let faults = Faults { impatience: 1, ..Faults::default() };
            search(World::new(Rules { mutation: Some(mutation), ..drafted(seed) }, faults)).err()
        });
        assert!(noticed.is_some(), "no interleaving notices {mutation:?}");
    }
}
