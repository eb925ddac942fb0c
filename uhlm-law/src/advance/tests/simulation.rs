//! Many histories, each from a seed that is printed where it fails.
//!
//! `UHLM_HISTORIES` sets their number, `UHLM_FIRST_HISTORY` the seed of the first; `UHLM_HISTORY` replays the one of a
//! seed.

use super::super::{Grant, Grants, Labelling};
use super::model::mixed;
use super::rules::{Action, Faults, Mutation, Rules, Violation};
use super::world::World;

/// Number of histories of a run, which takes a second or two.
const HISTORIES: u64 = 20_000;
/// Number of steps in which anything may happen.
const WILD_STEPS: usize = 120;
/// Number of steps within which every history ends once nothing more goes wrong.
const FAIR_STEPS: usize = 2000;

/// A source of numbers from a seed.
struct Dice(u64, u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.1 += 1;
        (mixed(self.0, self.1) % sides.max(1) as u64) as usize
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }

    fn grant(&mut self) -> Grant {
        match self.roll(4) {
            0 => Grant::Unlimited,
            passes => Grant::Passes(passes as u8 - 1),
        }
    }
}

/// Makes the rules and the faults of a history.
fn rules(seed: u64, dice: &mut Dice) -> (Rules, Faults) {
    let window = [0, 1, 1, 2, 3, 5][dice.roll(6)];
    let opportunistic = window > 0 && dice.one_in(3);
    let is_certain = !dice.one_in(8);
    let granted = Grants { after_mismatch: dice.grant(), after_agreement: dice.grant() };
    let mut rules = Rules::new(seed);
    rules.model.differs = [0, 40, 100, 220][dice.roll(4)];
    rules.model.ties = if is_certain { 0 } else { 60 };
    rules.opportunistic = opportunistic;
    rules.window = window;
    rules.ahead = window + dice.roll(6);
    // Opportunistic sessions make no passes of their own; `remote_only` makes nothing else.
    rules.grants = match (opportunistic, window) {
        (true, _) => Grants::NONE,
        (false, 0) => Grants { after_agreement: Grant::Passes(1 + dice.roll(3) as u8), ..granted },
        (false, _) => granted,
    };
    if window == 0 && dice.one_in(2) {
        rules.grants = Grants::UNLIMITED;
    }
    rules.labels = Labelling { matched: dice.one_in(2), probabilities: dice.one_in(2) };
    rules.max_tokens = 1 + dice.roll(24) as u32;
    rules.max_draft = [1, 2, 8][dice.roll(3)];
    rules.replicas = 1 + dice.roll(2);
    rules.generations = 1 + dice.roll(3) as u32;
    rules.encoded = dice.one_in(4);
    let mut some = |most: usize| if dice.one_in(2) { 0 } else { dice.roll(most + 1) as u8 };
    let faults = Faults {
        ghosts: some(3),
        hedges: some(3),
        drops: some(3),
        cuts: some(3),
        restarts: some(2),
        evictions: some(4),
        failures: some(2),
        impatience: some(3),
        alone: if opportunistic { some(1) } else { 0 },
        switches: some(3),
    };
    let alone = if dice.one_in(6) { 2 } else { faults.alone };
    (rules, Faults { alone, ..faults })
}

/// Plays one history: a while in which anything may happen, then one in which nothing more goes wrong.
fn history(seed: u64, change: impl FnOnce(&mut Rules, &mut Faults)) -> Result<World, Violation> {
    counted(seed, change).map(|(world, _)| world)
}

/// Plays one history, and returns with it the number of each fault that happened.
fn counted(seed: u64, change: impl FnOnce(&mut Rules, &mut Faults)) -> Result<(World, [u64; 10]), Violation> {
    let mut dice = Dice(seed, 0);
    let (mut rules, mut faults) = rules(seed, &mut dice);
    change(&mut rules, &mut faults);
    let mut world = World::new(rules, faults);
    let allowed = faults;
    for _ in 0..WILD_STEPS {
        let actions = world.actions();
        let Some(action) = actions.get(dice.roll(actions.len())).copied() else { break };
        world.apply(action)?;
    }
    let left = world.faults.named();
    let happened = std::array::from_fn(|i| u64::from(allowed.named()[i].1 - left[i].1));
    world.faults = Faults::default();
    let already = world.silences;
    for _ in 0..FAIR_STEPS {
        let actions = world.actions();
        let Some(action) = actions.get(dice.roll(actions.len())).copied() else { return Ok((world, happened)) };
        world.apply(action)?;
        if action == Action::Silence && world.silences > already + 4 * (world.generation + 1) {
            return Err("the device asks in vain".to_owned());
        }
    }
    Err("a history does not end".to_owned())
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_history_ends_with_the_targets_own_text_whatever_happens_on_the_way() {
    let seeds = match number("UHLM_HISTORY") {
        Some(seed) => seed..seed + 1,
        None => {
            let first = number("UHLM_FIRST_HISTORY").unwrap_or(0);
            first..first.saturating_add(number("UHLM_HISTORIES").unwrap_or(HISTORIES))
        }
    };
    let (mut labels, mut up, mut down, mut silences) = (0, 0, 0, 0);
    let mut happened = [0; 10];
    for seed in seeds.clone() {
        let (world, faults) = counted(seed, |_, _| {}).unwrap_or_else(|violation| {
            panic!("{violation}; UHLM_HISTORY={seed} replays it: {:?}", rules(seed, &mut Dice(seed, 0)))
        });
        happened.iter_mut().zip(faults).for_each(|(sum, count)| *sum += count);
        labels += world.labels;
        silences += world.silences;
        (up, down) = (up + world.bytes.0, down + world.bytes.1);
    }
    eprintln!("{seeds:?}: {labels} labels, {silences} silences, {up} bytes up, {down} down");
    let names = Faults::default().named().map(|(name, _)| name);
    eprintln!("{:?}", names.into_iter().zip(happened).collect::<Vec<_>>());
    assert!(seeds.end - seeds.start == 1 || (labels > 0 && up > 0 && down > 0), "something was never tried");
}

#[test]
fn without_faults_no_device_waits_in_vain_in_whatever_order_its_requests_arrive() {
    for seed in 0..HISTORIES / 4 {
        let world = history(seed, |_, faults| *faults = Faults::default());
        let silences = world.unwrap_or_else(|violation| panic!("{violation}; history {seed}")).silences;
        assert_eq!(silences, 0, "history {seed}: {:?}", rules(seed, &mut Dice(seed, 0)).0);
    }
}

/// Returns the seed of the first history that notices a broken rule, and what is noticed.
fn notices(mutation: Mutation, change: impl Fn(&mut Rules, &mut Faults)) -> (u64, Violation) {
    (0..400)
        .find_map(|seed| {
            let broken = history(seed, |rules, faults| {
                change(rules, faults);
                rules.mutation = Some(mutation);
            });
            broken.err().map(|violation| (seed, violation))
        })
        .unwrap_or_else(|| panic!("no history notices {mutation:?}"))
}

#[test]
fn a_rule_that_is_broken_on_purpose_is_noticed() {
    for (mutation, expected) in [
        (Mutation::AcceptUnequal, "a token is told to be the target's, and is not"),
        (Mutation::SkipBonus, "a token is told to be the target's, and is not"),
        (Mutation::StaleText, "a token is told to be the target's, and is not"),
        (Mutation::KeepText, "the reply is told to have ended, and has not"),
        (Mutation::TwoStreams, "two answers are live at once"),
        (Mutation::HiddenEviction, "the engine does not hold what the session takes it to hold"),
        (Mutation::NoCheck, "a token is told to be the target's, and is not"),
        (Mutation::OldSeed, "a token is told to be the target's, and is not"),
    ] {
        let (seed, violation) = notices(mutation, |_, _| {});
        eprintln!("{mutation:?}: history {seed}: {violation}");
        assert_eq!(violation, expected, "{mutation:?}");
    }
}
