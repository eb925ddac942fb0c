use super::*;

/// Milliseconds by rows, on one core.
const ONE_CORE: [(usize, f64); 6] = [(1, 120.0), (2, 186.0), (3, 232.0), (4, 208.0), (5, 276.0), (9, 446.0)];

/// Makes a table that has seen each of these often.
fn table(times: &[(usize, f64)]) -> PassTimes {
    let mut table = PassTimes::new();
    for _ in 0..4 {
        times.iter().for_each(|&(rows, ms)| table.observe(rows, ms / 1e3));
    }
    table
}

/// Returns the tokens a second where `width` drafted tokens are judged in each pass.
fn speed(table: &PassTimes, acceptance: f64, width: usize) -> f64 {
    let tokens: f64 = (0..=width).map(|j| acceptance.powi(j as i32)).sum();
    tokens / table.at(width + 1).expect("measured")
}

fn is_about(seconds: Option<f64>, ms: f64) {
    assert!(seconds.is_some_and(|seconds| (seconds * 1e3 - ms).abs() < 1e-6), "{seconds:?}, expected {ms} ms");
}

#[test]
fn where_rows_are_dear_the_width_of_the_greatest_speed_pays() {
    let table = table(&ONE_CORE);
    assert_eq!(table.width_that_pays(0.8, 8), 3);
    for percent in 0..100 {
        let acceptance = f64::from(percent) / 100.0;
        let width = table.width_that_pays(acceptance, 8);
        let best = (0..=8).map(|width| speed(&table, acceptance, width)).fold(0.0, f64::max);
        assert!(speed(&table, acceptance, width) * MARGIN >= best, "{width} at {acceptance}");
    }
    assert_eq!(table.width_that_pays(0.2, 8), 0, "a draft that seldom stands is not worth a row");
    assert_eq!(table.width_that_pays(0.8, 2), 2, "no more than there are");
}

#[test]
fn the_step_over_a_hump_is_found() {
    // Two and three rows do not pay for themselves, four do.
    let table = table(&ONE_CORE);
    assert!(speed(&table, 0.5, 1) < speed(&table, 0.5, 0));
    assert_eq!(table.width_that_pays(0.5, 8), 3);
}

#[test]
fn where_rows_cost_nothing_all_that_may_stand_pays() {
    let flat: Vec<_> = (1..=MAX_MEASURED_ROWS).map(|rows| (rows, 20.0)).collect();
    let table = table(&flat);
    let wide = table.width_that_pays(0.9, 256);
    let best = 1.0 / (1.0 - 0.9) / 0.02;
    assert!(speed(&table, 0.9, wide) * MARGIN >= best && wide < 64, "{wide}");
    assert!(table.width_that_pays(1.0, 256) > 250);
    assert_eq!(table.width_that_pays(0.0, 256), 0);
}

#[test]
fn times_lie_on_lines_between_and_beyond_what_is_measured() {
    let table = table(&[(2, 100.0), (4, 140.0), (6, 130.0)]);
    is_about(table.at(2), 100.0);
    is_about(table.at(3), 120.0);
    is_about(table.at(5), 135.0);
    is_about(table.at(1), 80.0);
    is_about(table.at(40), 130.0);
    assert_eq!(PassTimes::new().at(1), None);
    let steep = self::table(&[(3, 30.0), (4, 100.0)]);
    is_about(steep.at(1), 10.0);
    is_about(steep.at(6), 240.0);
    is_about(self::table(&[(1, 50.0), (2, 40.0)]).at(9), 50.0);
}

#[test]
fn a_pass_that_was_disturbed_is_not_believed() {
    // Also where it is the first one of its width.
    for disturbed in 0..6 {
        let mut table = PassTimes::new();
        for i in 0..6 {
            table.observe(2, if i == disturbed { 3.0 } else { 0.1 });
            if i > 0 {
                is_about(table.at(2), 100.0);
            }
        }
    }
    for nonsense in [(0, 1.0), (33, 1.0), (2, 0.0), (2, -1.0), (2, f64::NAN), (2, f64::INFINITY)] {
        let mut table = table(&ONE_CORE);
        table.observe(nonsense.0, nonsense.1);
        assert_eq!(table, self::table(&ONE_CORE), "{nonsense:?}");
    }
}

#[test]
fn a_load_that_lasts_is_learned_and_old_times_are_forgotten() {
    let mut table = table(&ONE_CORE);
    (0..40).for_each(|_| table.observe(1, 0.24));
    assert!(table.at(1).is_some_and(|seconds| seconds > 0.235), "{:?}", table.at(1));
    (0..MEMORY).for_each(|_| table.observe(1, 0.24));
    assert_eq!(table.at(9), table.at(1), "only the pass of one row is known");
}

#[test]
fn a_load_that_one_width_shows_is_expected_of_the_others() {
    let dear = [(1, 40.0), (2, 80.0), (4, 150.0)];
    let mut table = table(&dear);
    (0..40).for_each(|_| table.observe(1, 0.08));
    // Four fifths of the factor 2.
    assert!(table.at(2).is_some_and(|seconds| (0.135..0.145).contains(&seconds)), "{:?}", table.at(2));
    assert_eq!(table.width_that_pays(0.7, 8), 0, "a row is as dear as it was");
    (0..40).for_each(|_| table.observe(1, 0.04));
    assert!(table.at(2).is_some_and(|seconds| (seconds - 0.08).abs() < 0.002), "{:?}", table.at(2));
    // Where both are seen, each is known, however they differ, and nothing is counted twice.
    (0..100).for_each(|_| [(1, 0.08), (2, 0.1)].iter().for_each(|&(rows, seconds)| table.observe(rows, seconds)));
    for (rows, seconds) in [(1, 0.08), (2, 0.1)] {
        let known = table.at(rows).expect("measured");
        assert!((known / seconds - 1.0).abs() < 0.05, "{rows}: {known}");
    }
}

/// Judges as the table says, with passes of `time` milliseconds by rows, and returns the widths.
fn run(passes: usize, acceptance: f64, time: impl Fn(usize) -> f64) -> Vec<usize> {
    let mut table = PassTimes::new();
    let mut widths = Vec::new();
    for _ in 0..passes {
        let width = table.width_that_pays(acceptance, 16);
        table.observe(width + 1, time(width + 1) / 1e3);
        widths.push(width);
    }
    widths
}

#[test]
fn a_table_that_knows_nothing_learns_one_row_at_a_time() {
    let widths = run(20, 0.9, |_| 20.0);
    assert_eq!(widths[..8], [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(widths[19], 16, "all that there are");
}

#[test]
fn wider_passes_are_tried_now_and_then_where_they_could_pay_and_not_elsewhere() {
    let one_core = |rows: usize| ONE_CORE.iter().find(|(known, _)| *known >= rows).map_or(446.0, |(_, ms)| *ms);
    let widths = run(400, 0.8, one_core);
    assert_eq!(widths.iter().rev().take(100).filter(|width| **width == 3).count(), 100, "{widths:?}");
    let tries = widths.iter().filter(|width| **width > 3).count();
    assert!(tries <= 2, "{tries} passes wider than the best");
    // Twice the time for each further row: nothing can pay, however often it is tried.
    let widths = run(400, 0.8, |rows| 100.0 * 2.0_f64.powi(rows as i32));
    assert!(widths.iter().filter(|width| **width > 0).count() <= 3, "{widths:?}");
}

#[test]
fn what_a_pass_costs_for_others_is_no_reason_against_a_row() {
    let line: Vec<_> = (1..=12).map(|rows| (rows, 50.0 + 50.0 * rows as f64)).collect();
    let table = table(&line);
    let alone = table.width_that_pays(0.5, 8);
    let shared = |tokens| table.width_that_pays_beside(Beside { rows: 8, tokens }, 0.5, 3);
    assert_eq!((alone, shared(0.0)), (0, 2));
    // The others wait for every row: eight of them gain a token each.
    assert_eq!(shared(8.0), 0);
    // More rows than any pass had: one at most is tried.
    assert!(table.width_that_pays_beside(Beside { rows: 20, tokens: 1.0 }, 0.9, 8) <= 1);
    // More than the table has: the slope decides.
    assert_eq!(table.width_that_pays_beside(Beside { rows: 90, tokens: 0.0 }, 0.9, 8), 8);
}

#[test]
fn acceptance_follows_the_last_sixty_four_tokens_or_so() {
    let mut acceptance = Acceptance::new();
    assert_eq!(acceptance.get(), 0.7);
    (0..64).for_each(|_| acceptance.observe(false));
    assert!((0.7 / 4.0..0.7 / 2.0).contains(&acceptance.get()), "{acceptance:?}");
    (0..1000).for_each(|i| acceptance.observe(i % 2 == 0));
    assert!((acceptance.get() - 0.5).abs() < 0.02, "{acceptance:?}");
    assert_eq!(acceptance.tokens(0), 1.0);
    let a = acceptance.get();
    assert!((acceptance.tokens(2) - (1.0 + a + a * a)).abs() < 1e-12);
}
