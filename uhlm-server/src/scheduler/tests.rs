//! Two owners on one scheduler in virtual time: what one of them does to the other's verdicts; and more phones than the
//! engine can serve ([`overload`]).
//!
//! The worker is the real one, stepped on this thread; the engine is a double whose passes move the clock
//! ([`engine`]), and the phones and their network are played ([`world`]). In both arms the two owners have phones that
//! draft and let the target run ahead; in the second arm, one of them attacks as well.

#![allow(clippy::print_stdout, reason = "the figures of these tests are worth reading")]

mod engine;
mod overload;
mod phone;
mod world;

use std::time::Duration;

use self::world::{Attack, World};

/// Time for which each arm is watched.
const WATCHED: Duration = Duration::from_secs(20);

/// Returns the 99th percentile of the times of the peaceful owner's verdicts, in milliseconds.
fn p99(attack: Option<Attack>) -> f64 {
    let mut world = World::new(attack);
    world.run(WATCHED);
    let mut verdicts = world.verdicts();
    assert!(verdicts.len() > 400, "{} verdicts", verdicts.len());
    assert_eq!(world.lost(), 0, "a phone of the peaceful owner was refused or lost its session");
    verdicts.sort_unstable();
    verdicts[verdicts.len() * 99 / 100].as_secs_f64() * 1e3
}

fn hardly_moves_verdicts(attack: Attack) {
    let (calm, attacked) = (p99(None), p99(Some(attack)));
    println!("{attack:?}: p99 of the other owner's verdicts {calm:.1} ms, under attack {attacked:.1} ms");
    assert!(attacked <= 1.2 * calm, "{attack:?}: {calm:.1} ms without, {attacked:.1} ms with");
}

#[test]
fn an_open_flood_hardly_moves_the_verdicts_of_another_owner() {
    hardly_moves_verdicts(Attack::OpenFlood);
}

#[test]
fn a_hoard_of_streams_hardly_moves_the_verdicts_of_another_owner() {
    hardly_moves_verdicts(Attack::Hoard);
}

#[test]
fn giant_prompts_hardly_move_the_verdicts_of_another_owner() {
    hardly_moves_verdicts(Attack::GiantPrompts);
}

#[test]
fn costly_chains_with_windows_of_256_hardly_move_the_verdicts_of_another_owner() {
    hardly_moves_verdicts(Attack::CostlyChains);
}

#[test]
fn requests_that_are_opened_and_reset_hardly_move_the_verdicts_of_another_owner() {
    hardly_moves_verdicts(Attack::OpenAndReset);
}
