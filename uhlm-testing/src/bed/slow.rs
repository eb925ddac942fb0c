//! Tests of a target that reads a prompt for far longer than any deadline, in virtual time: 3,000 tokens at 60 per
//! second.

use std::sync::Arc;
use std::time::Duration;

use uhlm_core::verifier::VerifierError;
use uhlm_core::{
    Consent, GenerationError, GenerationOptions, LinkConfig, LinkState, Mode, OfflinePolicy, Origin, Prompt, Session,
    SessionOptions,
};
use uhlm_law::pace::Pace;

use super::check::{Said, listen};
use super::clock::BedClock;
use super::draft::{BedDraft, Times};
use super::faults::{Chances, Fault};
use super::network::{Network, Way};
use super::uplink::Uplink;
use crate::synthetic::SyntheticModel;

const MS: Duration = Duration::from_millis(1);
/// Length of the prompt, in tokens.
const PROMPT: usize = 3000;
/// Time for which the policies wait that do: less than any reading takes.
const PATIENCE: Duration = Duration::from_secs(3);
const POLICIES: [OfflinePolicy; 3] = [OfflinePolicy::GoOn, OfflinePolicy::Wait(PATIENCE), OfflinePolicy::Fail];

/// A reply to a prompt that takes long to read, and the virtual time that passed.
struct Read {
    said: Said,
    elapsed: Duration,
}

impl Read {
    fn unverified(&self) -> usize {
        self.said.tokens.iter().filter(|token| token.1 == Origin::Unverified).count()
    }
}

/// Time at which the verifier dies, if it does.
const DIES: Duration = Duration::from_secs(10);

/// The way in which the verifier dies.
#[derive(Clone, Copy, Debug)]
enum Death {
    /// Nothing comes through any more.
    Silent,
    /// The verifier starts again, without its sessions.
    Restart,
}

/// Runs one generation.
fn read(options: SessionOptions, tells_progress: bool, death: Option<Death>) -> Read {
    let endless = |model| SyntheticModel { capacity: 4096, end_bias: -60.0, ..model };
    let (draft, target) = (endless(SyntheticModel::draft()), endless(SyntheticModel::target()));
    let clock = Arc::new(BedClock::default());
    let way = Way {
        least: MS * 20,
        jitter: MS * 5,
        late: MS * 100,
        times: Times { pass: MS * 5, token: Duration::from_secs(1) / 60 },
        replicas: 1,
        max_draft: 256,
        max_body: 1 << 20,
        tells_progress,
        chances: Chances::default(),
    };
    let network = Network::new(Arc::clone(&clock), target, way, 9);
    let model = BedDraft { model: draft, times: Times { pass: MS * 5, token: MS / 4 }, clock: Arc::clone(&clock) };
    let verifier = Arc::new(Uplink(Arc::clone(&network)));
    let options = SessionOptions { seed: Some(4), threads: 1, consent: Consent::Conversation, ..options };
    let session = Session::with_clock(model, Some(verifier), options, Arc::clone(&clock) as _);
    let session = session.expect("valid options");
    clock.hold();
    let prompt: String = "the sea has no memory ".chars().cycle().take(PROMPT).collect();
    let asked = GenerationOptions { max_tokens: 30, seed: Some(4), ..GenerationOptions::default() };
    let mut generation = session.generate(Prompt::Raw(prompt), asked).expect("idle");
    if let Some(death) = death {
        clock.after(DIES, move || match death {
            Death::Silent => network.fall_silent(),
            Death::Restart => network.strike(Fault::Restart),
        });
    }
    clock.release();
    let said = listen(&mut generation, false).expect("a reply that makes sense");
    let elapsed = clock.time();
    clock.stop();
    Read { said, elapsed }
}

fn modes() -> Vec<SessionOptions> {
    let of = |mode, pace| SessionOptions { mode, pace, ..SessionOptions::default() };
    let exact = [Pace::Fastest, Pace::Balanced, Pace::Thrifty].map(|pace| of(Mode::Exact, pace));
    let others = [Mode::Opportunistic, Mode::RemoteOnly].map(|mode| of(mode, Pace::default()));
    exact.into_iter().chain(others).collect()
}

#[test]
fn no_token_is_unverified_while_the_target_reads_whatever_the_policy_the_mode_and_the_pace() {
    // A verifier of an earlier version tells nothing; it is given time by the prompt's length.
    for tells_progress in [true, false] {
        for offline in POLICIES {
            for options in modes() {
                let what = format!("{:?} {:?} {offline:?} {tells_progress}", options.mode, options.pace);
                let reply = read(SessionOptions { offline, ..options }, tells_progress, None);
                assert!(reply.elapsed > Duration::from_secs(20), "{what}: it was no long prompt");
                assert!(reply.said.end.is_ok(), "{what}: {:?}", reply.said.end);
                assert_eq!((reply.said.tokens.len(), reply.unverified()), (30, 0), "{what}");
                assert!(reply.said.links.is_empty(), "{what}: a verifier that reads was never away");
            }
        }
    }
}

#[test]
fn a_verifier_that_falls_silent_while_it_reads_is_left_to_the_policy_within_bounded_time() {
    let gone = Some(Death::Silent);
    // Nothing is measured yet, so the longest silence is allowed; then comes the grace.
    let noticed = DIES + LinkConfig::default().max_deadline;
    let decided = noticed + LinkConfig::default().grace;
    for options in modes() {
        let what = format!("{:?} {:?}", options.mode, options.pace);
        let failed = read(SessionOptions { offline: OfflinePolicy::Fail, ..options.clone() }, true, gone);
        let Err(GenerationError::Offline { cause }) = &failed.said.end else { panic!("{what}: {:?}", failed.said.end) };
        assert!(matches!(cause, VerifierError::DeadlineExceeded { .. }), "{what}: {cause}");
        // The verifier's last report of progress came within a second before.
        let elapsed = failed.elapsed;
        assert!(elapsed > decided - MS * 1200 && elapsed < decided + MS * 1500, "{what}: {elapsed:?}");
        assert_eq!((failed.said.links.first(), failed.unverified()), (Some(&LinkState::Degraded), 0), "{what}");
        let waited = read(SessionOptions { offline: OfflinePolicy::Wait(PATIENCE), ..options.clone() }, true, gone);
        assert!(matches!(waited.said.end, Err(GenerationError::Offline { .. })), "{what}: {:?}", waited.said.end);
        assert!(waited.elapsed < noticed + PATIENCE + MS * 1500, "{what}: {:?}", waited.elapsed);
        assert_eq!(waited.unverified(), 0, "{what}");
        let alone = read(SessionOptions { offline: OfflinePolicy::GoOn, ..options }, true, gone);
        assert_eq!((alone.said.tokens.len(), alone.said.links.first()), (30, Some(&LinkState::Degraded)), "{what}");
        assert!(alone.unverified() > 0 && alone.elapsed < decided + MS * 5000, "{what}: {:?}", alone.elapsed);
    }
}

#[test]
fn a_verifier_that_starts_again_while_it_reads_is_waited_for_as_long_as_it_reads_once_more() {
    for options in modes() {
        let what = format!("{:?} {:?}", options.mode, options.pace);
        let of = |offline| read(SessionOptions { offline, ..options.clone() }, true, Some(Death::Restart));
        // The connection broke, and says so: that has no grace.
        let failed = of(OfflinePolicy::Fail);
        assert!(matches!(failed.said.end, Err(GenerationError::Offline { .. })), "{what}: {:?}", failed.said.end);
        assert!(failed.elapsed < DIES + MS * 1500, "{what}: {:?}", failed.elapsed);
        let waited = of(OfflinePolicy::Wait(PATIENCE));
        assert!(waited.said.end.is_ok() && waited.elapsed > DIES + PATIENCE * 3, "{what}: {:?}", waited.said.end);
        assert_eq!((waited.said.tokens.len(), waited.unverified()), (30, 0), "{what}");
        assert_eq!(waited.said.links, [LinkState::Degraded, LinkState::Online], "{what}");
    }
}
