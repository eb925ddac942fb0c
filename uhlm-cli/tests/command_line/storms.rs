//! `uhlm chaos` and `uhlm soak`, small: what they promise at any length holds for a short one.

use crate::support::uhlm;

#[test]
fn every_generation_of_a_storm_ends_as_it_may_and_nothing_is_left_over() {
    let run = uhlm(&["chaos", "--generations", "20", "--seed", "3"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.out.contains("20 generations in"), "{}", run.out);
    assert!(run.out.contains("left on the server: 0 sessions, 0 sequences"), "{}", run.out);
    // Which weather comes is a matter of time; clocks change by how often they are read, disks by how often is written.
    for (kind, least) in [("jump", 1), ("standstill", 1), ("full disk", 3)] {
        assert!(counted(&run.out, kind) >= least, "{kind}: {}", run.out);
    }
    for file in ["session", "calibration", "model"] {
        let row = run.out.lines().find(|line| line.starts_with(file)).expect("a row of the table of writes");
        let counts: Vec<u64> = row.split_whitespace().skip(1).map(|count| count.parse().expect("a count")).collect();
        assert!(counts.len() == 2 && counts.iter().all(|count| *count > 0), "whole, and on a full disk: {row}");
    }
}

/// Returns the number before the name of a kind of weather; 0 where it is not told.
fn counted(out: &str, kind: &str) -> u64 {
    let parts = out.split([':', ',', ';']).filter_map(|part| part.trim().split_once(' '));
    parts.filter(|(_, name)| *name == kind).find_map(|(count, _)| count.parse().ok()).unwrap_or(0)
}

#[test]
fn a_soak_is_written_down_as_a_table_and_as_a_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let [csv, html] = ["soak.csv", "soak.html"].map(|name| folder.path().join(name));
    let path = |path: &std::path::Path| path.to_str().expect("a path").to_owned();
    let files = ["--csv", &path(&csv), "--html", &path(&html)];
    let run = uhlm(&[&["soak", "--minutes", "0.1", "--every", "0.5", "--phones", "2"][..], &files].concat());
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.out.contains("server_memory_mb"), "{}", run.out);
    let table = std::fs::read_to_string(csv).expect("written");
    assert!(table.lines().count() > 8 && !table.contains(",,"), "both processes are sampled: {table}");
    assert_eq!(std::fs::read_to_string(html).expect("written").matches("<svg").count(), 3);
}
