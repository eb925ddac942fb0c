use super::*;

const LIMITS: Limits = Limits { vocabulary_size: 10, context: 64, max_draft: 8, max_body: 1 << 20 };
const A: Owner = Owner::Token([1; 32]);
const B: Owner = Owner::Token([2; 32]);
const KEEP: Duration = Duration::from_secs(30);

fn id(number: u8) -> SessionId {
    SessionId([number; 16])
}

fn at(start: Instant, seconds: u64) -> Instant {
    start + Duration::from_secs(seconds)
}

#[test]
fn the_session_unused_longest_goes_first_and_busy_ones_stay() {
    let mut table = Table::new(3, 3);
    let start = Instant::now();
    let at = |seconds| at(start, seconds);
    table.open(id(1), A, LIMITS, at(0));
    table.open(id(2), A, LIMITS, at(1));
    let evictable = |table: &mut Table| table.evictable(A, KEEP, at(60));
    assert_eq!(evictable(&mut table), Some(id(1)));
    if let Some(session) = table.get_mut(id(1)) {
        session.last_use = at(2);
    }
    assert_eq!(evictable(&mut table), Some(id(2)));
    assert!(table.slotted().is_empty(), "none has a slot");
    assert_eq!(table.expired(Duration::from_secs(5), at(6)), [id(2)]);
    assert_eq!(table.next_expiry(Duration::from_secs(5)), Some(at(6)));
    if let Some(session) = table.get_mut(id(2)) {
        session.stirred = true;
    }
    assert_eq!(evictable(&mut table), Some(id(1)), "who has something to do is not idle");
    assert_eq!(table.stirred(), [id(2)]);
}

#[test]
fn own_sessions_go_first_and_nobodys_that_was_used_lately() {
    let mut table = Table::new(3, 2);
    let start = Instant::now();
    table.open(id(1), A, LIMITS, at(start, 0));
    table.open(id(2), B, LIMITS, at(start, 10));
    assert_eq!(table.evictable(B, KEEP, at(start, 50)), Some(id(2)));
    assert_eq!(table.evictable(B, KEEP, at(start, 35)), Some(id(1)), "its own was used 25 s ago");
    assert_eq!(table.evictable(B, KEEP, at(start, 29)), None);
    table.open(id(3), B, LIMITS, at(start, 49));
    assert!(table.is_at_quota(B) && !table.is_at_quota(A));
    if let Some(session) = table.get_mut(id(2)) {
        session.last_use = at(start, 49);
    }
    assert_eq!(table.evictable(B, KEEP, at(start, 50)), None, "at its quota only its own would help");
    table.remove(id(2));
    assert_eq!(table.evictable(B, KEEP, at(start, 50)), Some(id(1)));
}

#[test]
fn a_session_that_ended_stands_in_no_list() {
    let mut table = Table::new(3, 3);
    let now = Instant::now();
    for number in 0..200 {
        table.open(id(number), A, LIMITS, now);
        table.get_mut(id(number)).expect("open").stirred = number % 2 == 0;
        table.get_mut(id(number)).expect("open").slot = Some(0);
        assert_eq!(table.slotted().len(), 1);
        table.remove(id(number));
    }
    assert!(!table.is_busy() && table.owners.is_empty() && table.resting.is_empty() && table.slotted.is_empty());
    assert_eq!(table.lately(now).count(), 0);
}

#[test]
fn a_session_does_not_exist_for_another_owner() {
    let mut table = Table::new(1, 1);
    table.open(id(1), A, LIMITS, Instant::now());
    assert!(table.owned(id(1), A).is_some());
    assert!(table.owned(id(1), B).is_none());
}
