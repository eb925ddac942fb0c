//! Which engine serves which session.
//!
//! Decides it by rendezvous hashing (Thaler, Ravishankar 1998): each session has an order of all engines, drawn from
//! its number, and takes the first that can be asked. So a session finds the engine again that has its text in its
//! cache, and where one engine goes away only its own sessions move. No engine takes more than its share by much
//! (bounded loads: Mirrokni, Thorup, Zadimoghaddam 2018, arXiv 1608.01350): the next one in the order takes the rest.

/// Part of an even share that one engine takes at most, in quarters.
const QUARTERS: usize = 5;

/// An engine that can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Index of the engine.
    pub(crate) index: usize,
    /// Number by which it is hashed, the same in every process that knows the engine.
    pub(crate) name: u64,
    /// Number of requests under way.
    pub(crate) load: usize,
}

/// Mixes 64 bits: the output function of SplitMix64.
pub(crate) fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Makes the number of a name.
pub(crate) fn number(name: &str) -> u64 {
    name.bytes().fold(0x9e37_79b9_7f4a_7c15, |state, byte| mix(state ^ u64::from(byte)))
}

/// Returns the engines in the order of a session, the one to be asked first in front.
pub(crate) fn order(session: u64, mut candidates: Vec<Candidate>) -> Vec<usize> {
    candidates.sort_by_key(|candidate| std::cmp::Reverse(mix(mix(session) ^ candidate.name)));
    let total: usize = candidates.iter().map(|candidate| candidate.load).sum::<usize>() + 1;
    let most = (total * QUARTERS).div_ceil(4 * candidates.len().max(1));
    // The order stays among those with room, and among those without.
    let (room, full): (Vec<_>, Vec<_>) = candidates.into_iter().partition(|candidate| candidate.load < most);
    room.into_iter().chain(full).map(|candidate| candidate.index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(loads: &[usize]) -> Vec<Candidate> {
        let candidate = |(index, &load)| Candidate { index, name: number(&format!("http://engine-{index}")), load };
        loads.iter().enumerate().map(candidate).collect()
    }

    #[test]
    fn sessions_spread_evenly_and_only_those_of_an_engine_that_leaves_move() {
        let first = |session, candidates| order(session, candidates)[0];
        let mut counts = [0; 4];
        for session in 0..4000 {
            let home = first(session, candidates(&[0; 4]));
            counts[home] += 1;
            let without_2: Vec<_> = candidates(&[0; 4]).into_iter().filter(|c| c.index != 2).collect();
            let moved = first(session, without_2);
            assert!(home == 2 || moved == home);
        }
        // Four standard deviations of a binomial count are 110.
        assert!(counts.iter().all(|count: &i32| (count - 1000).abs() < 110), "{counts:?}");
    }

    #[test]
    fn no_engine_takes_much_more_than_its_share() {
        let mut loads = [0; 3];
        for _ in 0..300 {
            // One session alone would always take the same engine.
            loads[order(7, candidates(&loads))[0]] += 1;
        }
        // Two are at their bound, five quarters of an even share, and the third has what is left.
        loads.sort_unstable();
        assert_eq!(loads, [50, 125, 125]);
        assert_eq!(order(1, candidates(&[5])), [0], "a single engine takes what there is");
    }
}
