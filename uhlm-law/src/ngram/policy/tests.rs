use super::*;

const LONG: Match = Match { length: 16, next: 0 };
const SHORT: Match = Match { length: 2, next: 0 };

/// Makes a policy that knows the time of a token.
fn measured() -> Policy {
    let mut policy = Policy::default();
    policy.took(1, 1.0);
    policy
}

/// Makes a policy that has seen how often the token after such matches came.
fn taught(found: Match, rate: f64) -> Policy {
    let mut policy = measured();
    teach(&mut policy, found, rate);
    policy
}

fn teach(policy: &mut Policy, found: Match, rate: f64) {
    let mut right = 0.0;
    for i in 1..=300 {
        let comes = right < rate * f64::from(i);
        policy.observe(found, comes);
        right += f64::from(u8::from(comes));
    }
}

/// Measures every width on a line; `of_row` is the time that each further row adds.
fn line(policy: &mut Policy, of_row: f64) {
    for _ in 0..40 {
        for rows in [1].into_iter().chain(WIDTHS) {
            policy.took(rows, 1.0 + of_row * (rows - 1) as f64);
        }
    }
}

#[test]
fn nothing_is_read_ahead_before_a_token_was_timed() {
    let mut policy = Policy::default();
    assert_eq!(policy.tokens(LONG, 15), 0);
    policy.took(1, 0.02);
    assert!(policy.tokens(LONG, 15) > 0);
}

#[test]
fn what_always_comes_is_read_far_ahead_and_what_never_comes_is_not() {
    assert_eq!(taught(LONG, 1.0).tokens(LONG, 15), 7);
    assert_eq!(taught(LONG, 0.0).tokens(LONG, 15), 0);
}

#[test]
fn the_lower_the_chance_the_fewer_tokens_are_read_ahead() {
    let depths: Vec<usize> = [0.99, 0.8, 0.6, 0.1].map(|rate| taught(LONG, rate).tokens(LONG, 15)).to_vec();
    assert!(depths.is_sorted_by(|a, b| a >= b) && depths[0] > depths[2] && depths[3] == 0, "{depths:?}");
}

#[test]
fn no_more_is_read_ahead_than_there_is() {
    let mut policy = taught(LONG, 1.0);
    for most in 0..20 {
        assert!(policy.tokens(LONG, most) <= most.min(MAX_ROWS - 1), "{most}");
    }
    assert_eq!([0, 1, 2, 3, 4].map(|most| policy.tokens(LONG, most)), [0, 1, 2, 3, 3]);
}

#[test]
fn matches_of_each_length_are_learnt_by_themselves() {
    let mut policy = taught(SHORT, 0.0);
    assert_eq!(policy.tokens(SHORT, 15), 0);
    assert!(policy.tokens(LONG, 15) > 0);
    teach(&mut policy, LONG, 0.0);
    teach(&mut policy, SHORT, 1.0);
    // A token after the match of two is worth it; what follows it is not.
    assert_eq!((policy.tokens(SHORT, 1), policy.tokens(LONG, 15)), (1, 0));
}

#[test]
fn rows_that_cost_as_much_as_passes_are_not_read_ahead() {
    let mut policy = taught(LONG, 0.95);
    line(&mut policy, 1.0);
    assert_eq!(policy.tokens(LONG, 15), 0);
    let mut policy = taught(LONG, 0.95);
    line(&mut policy, 0.05);
    assert!(policy.tokens(LONG, 15) >= 7);
}

#[test]
fn the_width_that_is_cheapest_by_the_token_is_taken() {
    let mut policy = taught(LONG, 1.0);
    // Kernels that work on four rows at once: three cost as much as four, five as much as eight.
    for _ in 0..40 {
        for (rows, seconds) in [(1, 1.0), (2, 2.0), (3, 3.0), (4, 1.7), (6, 3.9), (8, 3.1)] {
            policy.took(rows, seconds);
        }
    }
    assert_eq!(policy.tokens(LONG, 15), 7);
    assert_eq!(policy.tokens(LONG, 6), 3);
    assert_eq!(policy.tokens(LONG, 2), 0);
}

#[test]
fn drawing_what_waits_counts() {
    let mut policy = taught(LONG, 1.0);
    line(&mut policy, 0.1);
    assert_eq!(policy.tokens(LONG, 15), 7);
    (0..50).for_each(|_| policy.took_served(1.0));
    assert_eq!(policy.tokens(LONG, 15), 0, "a draw that takes as long as a step leaves nothing to gain");
}

#[test]
fn a_width_that_was_dear_is_tried_again_ever_more_rarely() {
    let mut policy = taught(LONG, 0.9);
    let mut tried = Vec::new();
    for step in 0..20_000 {
        match policy.tokens(LONG, 15) {
            0 => policy.took(1, 1.0),
            ahead => {
                tried.push(step);
                policy.took(1 + ahead, 1.0 + ahead as f64);
            }
        }
    }
    assert!(tried.len() > 2 && tried.len() < 100, "{tried:?}");
    let late = tried.iter().filter(|&&step| step > 10_000).count();
    assert!(late <= tried.len() / 3, "{tried:?}");
}

#[test]
fn a_batch_that_has_become_cheap_is_found_out() {
    let mut policy = taught(LONG, 0.95);
    line(&mut policy, 1.0);
    let mut ahead = 0;
    for _ in 0..4 * RETRY {
        ahead = policy.tokens(LONG, 15);
        if ahead == 0 { policy.took(1, 1.0) } else { policy.took(1 + ahead, 1.2) }
    }
    assert!(ahead > 0);
}

#[test]
fn a_processor_that_changes_its_pace_makes_batches_look_dear_for_a_few_tokens_only() {
    let mut policy = taught(LONG, 0.9);
    line(&mut policy, 0.1);
    for pace in [1.0, 2.0, 0.7, 3.0, 1.0] {
        let mut alone = 0;
        for _ in 0..300 {
            match policy.tokens(LONG, 15) {
                0 => {
                    alone += 1;
                    policy.took(1, pace);
                }
                ahead => policy.took(1 + ahead, (1.0 + 0.1 * ahead as f64) * pace),
            }
        }
        assert!(alone <= 30, "{alone} of 300 at {pace}");
        assert!(policy.tokens(LONG, 15) > 0, "at {pace}");
    }
}

#[test]
fn one_batch_that_another_program_held_up_changes_little() {
    let mut policy = taught(LONG, 0.95);
    line(&mut policy, 0.05);
    let before = policy.tokens(LONG, 15);
    policy.took(1 + before, 1000.0);
    policy.took(1, 1000.0);
    assert!(policy.tokens(LONG, 15) > 0);
}
