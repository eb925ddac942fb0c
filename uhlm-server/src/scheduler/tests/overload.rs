//! More phones than the engine has places for, and more than it can serve: what it does then is what it can do.

use std::time::Duration;

use super::engine::Room;
use super::world::World;
use crate::limits::Limits;

/// Time for which each world is watched.
const WATCHED: Duration = Duration::from_secs(60);

fn limits() -> Limits {
    Limits::default()
}

/// Returns the tokens that all phones of a world get in a second.
fn goodput(world: &mut World) -> f64 {
    world.run(WATCHED);
    world.gained() as f64 / WATCHED.as_secs_f64()
}

#[test]
fn with_four_times_as_many_sessions_as_places_the_engine_does_four_fifths_of_its_best() {
    const ROOM: Room = Room { slots: 64, capacity: 64 * 512 };
    const LONGEST: usize = 400;
    let phones = |count: usize| World::of_phones(ROOM, limits(), count, LONGEST, None);
    let peak = goodput(&mut phones(ROOM.slots));
    let mut crowd = phones(4 * ROOM.slots);
    let crowded = goodput(&mut crowd);
    let mut evicting = phones(4 * ROOM.slots);
    evicting.turn_always();
    let evicted = goodput(&mut evicting);
    let ((refused, without_hint), served) = (crowd.refusals(), crowd.served());
    println!(
        "64 places: {peak:.0} tokens/s with 64 phones; with 256, {crowded:.0} ({served} served, {refused} refusals, {} \
         unloaded), and {evicted:.0} if whoever asks gets the place of another ({} unloaded)",
        crowd.unloaded(),
        evicting.unloaded()
    );
    assert!(crowded >= 0.8 * peak, "{crowded:.0} of {peak:.0} tokens/s");
    assert!(without_hint.is_empty(), "{without_hint:?}");
    assert!(served > 2 * ROOM.slots, "places go round: {served} phones were served");
    assert!(evicted < 0.8 * peak, "the measure tells the two apart: {evicted:.0} of {peak:.0} tokens/s");
}

#[test]
fn with_three_times_the_load_that_it_can_serve_the_engine_does_its_best_and_says_when_to_come_back() {
    const ROOM: Room = Room { slots: 512, capacity: 512 * 512 };
    const LONGEST: usize = 400;
    // Phones that would rather go on alone than wait for longer than three passes.
    let phones = |count: usize| goodput_and_refusals(World::of_phones(ROOM, limits(), count, LONGEST, Some(300)));
    let by_load: Vec<(usize, f64, usize)> = [16, 32, 64, 96, 128].iter().map(|&count| phones(count)).collect();
    let (enough, peak, _) = by_load.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1)).expect("some");
    // The least load at which it does nearly its best.
    let full = by_load.iter().find(|(_, goodput, _)| *goodput >= 0.97 * peak).map_or(enough, |(count, ..)| *count);
    let (_, overloaded, refused) = phones(3 * full);
    println!("{by_load:?}; with {} phones {overloaded:.0} tokens/s, {refused} refusals", 3 * full);
    assert!(overloaded >= 0.9 * peak, "{overloaded:.0} of {peak:.0} tokens/s");
    assert!(refused > 0, "three times the load is more than can be served");
}

/// Returns the number of phones, the tokens that they get in a second, and how many requests were refused, each of them
/// with a time to come back.
fn goodput_and_refusals(mut world: World) -> (usize, f64, usize) {
    let goodput = goodput(&mut world);
    let (refused, without_hint) = world.refusals();
    assert!(without_hint.is_empty(), "{without_hint:?}");
    (world.phones(), goodput, refused)
}
