//! Ten thousand sessions, one after the other: neither memory nor descriptors grow with them. Linux alone, where a
//! process reads its own figures.

#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "the figures of these tests are worth reading")]

use std::process::Command;
use std::time::Duration;

use uhlm_server::Limits;

use crate::device::*;
use crate::support::*;
use crate::synthetic::{Synthetic, greedily as written};

const SESSIONS: usize = 10_000;
/// Number of sessions after which memory is looked at first: what is made once is made by then.
const WARM: usize = 2000;
/// Growth that is allowed after that, in bytes: less than 1 kB for a session. What an allocator keeps in reserve for
/// its threads comes and goes by some megabytes.
const TOLERANCE: i64 = 8 << 20;
/// Sessions that are used at the same time.
const AT_ONCE: usize = 16;
/// The variable by which this test tells its own process that it has it for itself.
const ALONE: &str = "UHLM_TEST_ALONE";

/// Returns the memory of this process that is in use, in bytes, and its number of descriptors.
fn held() -> (i64, usize) {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("the process's memory");
    let pages: i64 = statm.split(' ').nth(1).expect("a number").parse().expect("a number");
    (pages * 4096, std::fs::read_dir("/proc/self/fd").expect("the process's descriptors").count())
}

/// Other tests of this binary use memory too, so the test runs in a process of its own.
#[test]
fn ten_thousand_sessions_opened_used_and_dropped_leave_memory_and_descriptors_as_they_were() {
    if std::env::var_os(ALONE).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        return runtime.expect("a runtime").block_on(many_sessions());
    }
    let name = "flat::ten_thousand_sessions_opened_used_and_dropped_leave_memory_and_descriptors_as_they_were";
    let own = std::env::current_exe().expect("this test");
    let alone = Command::new(own).args(["--exact", name, "--nocapture"]).env(ALONE, "1").output().expect("it runs");
    let (out, err) = (String::from_utf8_lossy(&alone.stdout), String::from_utf8_lossy(&alone.stderr));
    println!("{}", out.lines().filter(|line| line.contains("sessions:")).collect::<Vec<_>>().join("\n"));
    assert!(alone.status.success(), "{out}\n{err}");
}

async fn many_sessions() {
    let mut config = config();
    // Sessions that nobody closes are evicted as others open.
    config.limits = Limits { sessions: 64, keep: Duration::ZERO, ..Limits::default() };
    let fixture = Fixture::with(config, Synthetic::large().0).await;
    let mut before = (0, 0);
    for round in 0..SESSIONS / AT_ONCE {
        let fixture = &fixture;
        let used = (0..AT_ONCE).map(|i| async move {
            let number = round * AT_ONCE + i;
            let session = fixture.open().await;
            let prompt: Vec<u32> = (0..20).map(|at| ((number + at * 7) % 30) as u32).collect();
            let answer = session.advance(&greedily(&prompt, &written(&prompt, 2))).await.expect("not refused");
            assert_eq!(answer.ids(), written(&prompt, 3));
            if number.is_multiple_of(2) {
                assert_eq!(session.close().await, 204);
            }
        });
        futures_util::future::join_all(used).await;
        if round == WARM / AT_ONCE {
            before = held();
        }
    }
    let counters = fixture.counters();
    assert_eq!(counters.sessions_opened, SESSIONS as u64);
    let after = held();
    println!(
        "{SESSIONS} sessions: memory {:.1} MiB after {WARM}, {:.1} MiB at the end; {} and {} descriptors",
        before.0 as f64 / f64::from(1 << 20),
        after.0 as f64 / f64::from(1 << 20),
        before.1,
        after.1
    );
    assert!(after.0 - before.0 < TOLERANCE, "memory grows: {before:?}, {after:?}");
    assert_eq!(after.1, before.1, "descriptors are left open");
}
