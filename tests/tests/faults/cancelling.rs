//! Cancelling at every moment, by the handle and by dropping it; what is left behind afterwards: nothing.

use std::sync::Arc;
use std::time::Duration;

use uhlm_core::{
    DraftAhead, Event, FinishReason, GenerationError, GenerationOptions, Mode, OfflinePolicy, Origin, Prompt, Session,
    SessionOptions,
};
use uhlm_testing::counted::Counted;
use uhlm_testing::eventually::eventually;
use uhlm_testing::faulty::{Fate, Faulty, Kind};
use uhlm_testing::local::{LocalConfig, LocalVerifier};
use uhlm_testing::synthetic::SyntheticModel;

use crate::support::{PASS, consume, draft, endless, faulty, options, outage, start, unreachable, watch};

/// The moment at which a reply is cancelled.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    Opening,
    Prefill,
    BeforeTheFirstToken,
    Drafting,
    VerdictInFlight,
    WaitingOffline,
    Continuation,
    ContinuationInFlight,
}

const MOMENTS: [Moment; 8] = [
    Moment::Opening,
    Moment::Prefill,
    Moment::BeforeTheFirstToken,
    Moment::Drafting,
    Moment::VerdictInFlight,
    Moment::WaitingOffline,
    Moment::Continuation,
    Moment::ContinuationInFlight,
];

struct Setting {
    verifier: Arc<Faulty>,
    model: Arc<Counted>,
    session: Session,
    prompt: String,
}

impl Setting {
    fn new(moment: Moment) -> Self {
        // More tokens than the consumer's buffer holds, so that no reply is over before its moment.
        let roomy = |model| endless(SyntheticModel { capacity: 4096, ..model });
        // A target that takes its time, as every target does: what is cancelled while its consumer is behind is told in
        // the last event only.
        let target = Counted::new(Arc::new(roomy(SyntheticModel::target())), PASS).model();
        let config = LocalConfig::of(target.language, 4096);
        let factory = Box::new(move || Arc::clone(&target.decoder).sequence(0, 1));
        let verifier = Faulty::new(LocalVerifier::new(config, factory).expect("a thread"));
        match moment {
            Moment::Opening => outage(&verifier, Kind::Open, 0, 1, Fate::Delay(Duration::from_millis(150))),
            Moment::BeforeTheFirstToken => outage(&verifier, Kind::Advance, 0, 1, Fate::Swallow),
            Moment::VerdictInFlight => outage(&verifier, Kind::Advance, 3, 1, Fate::Swallow),
            Moment::WaitingOffline => outage(&verifier, Kind::Advance, 2, usize::MAX, Fate::Fail(unreachable())),
            Moment::ContinuationInFlight => outage(&verifier, Kind::Advance, 0, 1, Fate::Swallow),
            Moment::Prefill | Moment::Drafting | Moment::Continuation => {}
        }
        let mode = match moment {
            Moment::Continuation | Moment::ContinuationInFlight => Mode::RemoteOnly,
            Moment::Drafting => Mode::DeviceOnly,
            _ => Mode::Exact,
        };
        let model = Counted::new(Arc::new(roomy(SyntheticModel::draft())), PASS);
        let options = options(mode, OfflinePolicy::Wait(Duration::from_secs(600)));
        let session = Session::new(model.model(), Some(Arc::clone(&verifier) as _), options).expect("valid");
        let prompt = if moment == Moment::Prefill { "abc ".repeat(100) } else { "abc".into() };
        Self { verifier, model, session, prompt }
    }

    fn start(&self) -> uhlm_core::Generation {
        let options = GenerationOptions { max_tokens: 3000, ..GenerationOptions::default() };
        self.session.generate(Prompt::Raw(self.prompt.clone()), options).expect("idle")
    }

    /// Tells whether the moment has come.
    fn is_there(&self, moment: Moment, committed: usize) -> bool {
        match moment {
            Moment::Opening => self.verifier.count(Kind::Open) == 1,
            Moment::Prefill => self.model.passes() >= 2,
            Moment::BeforeTheFirstToken => self.verifier.count(Kind::Advance) >= 1,
            Moment::Drafting | Moment::Continuation => committed >= 5,
            Moment::VerdictInFlight => self.verifier.count(Kind::Advance) >= 4,
            Moment::WaitingOffline => self.verifier.count(Kind::Advance) >= 4,
            Moment::ContinuationInFlight => self.verifier.count(Kind::Advance) >= 1,
        }
    }

    /// Asserts that nothing is left of the cancelled reply, and that the next one works.
    fn assert_clean(&self, moment: Moment) {
        eventually("idle again", || !self.session.is_generating());
        // What opens a session is the one call that is not given up: reset, it could leave the session behind.
        eventually("no call is left", || self.verifier.alive() == 0);
        self.verifier.mend();
        let options = GenerationOptions { max_tokens: 20, ..GenerationOptions::default() };
        let next = consume(self.session.generate(Prompt::Raw("abc".into()), options).expect("idle"));
        next.complete(20);
        eventually("one session at most", || self.verifier.left_open() <= 1);
        assert!(self.verifier.count(Kind::Open) <= 1, "{moment:?}");
    }
}

#[test]
fn cancelling_ends_a_reply_at_every_moment_and_leaves_nothing_behind() {
    for moment in MOMENTS {
        let setting = Setting::new(moment);
        let (mut committed, mut passes) = (0, None);
        let reply = watch(setting.start(), |generation, event| {
            committed += usize::from(matches!(event, Some(Event::Committed { .. })));
            if passes.is_none() && setting.is_there(moment, committed) {
                assert!(setting.session.is_generating());
                assert_eq!(
                    setting.session.generate(Prompt::Raw("a".into()), GenerationOptions::default()).err(),
                    Some(GenerationError::Busy)
                );
                generation.cancel();
                passes = Some(setting.model.passes());
            }
        });
        assert_eq!(reply.finished().0, FinishReason::Cancelled, "{moment:?}");
        let after = setting.model.passes() - passes.expect("cancelled");
        assert!(after <= 1, "{moment:?}: {after} passes after cancelling");
        setting.assert_clean(moment);
    }
}

#[test]
fn dropping_the_handle_does_the_same() {
    for moment in MOMENTS {
        let setting = Setting::new(moment);
        let mut generation = setting.start();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let mut committed = 0;
        eventually("the moment", || {
            let next = async { tokio::time::timeout(Duration::from_millis(5), generation.next()).await };
            if let Ok(Some(Ok(Event::Committed { .. }))) = runtime.block_on(next) {
                committed += 1;
            }
            setting.is_there(moment, committed)
        });
        drop(generation);
        let passes = setting.model.passes();
        eventually("idle again", || !setting.session.is_generating());
        assert!(setting.model.passes() - passes <= 1, "{moment:?}");
        setting.assert_clean(moment);
    }
}

#[test]
fn what_was_committed_before_a_cancel_stays_in_the_conversation() {
    let verifier = faulty();
    let session = crate::support::session(&verifier, options(Mode::Exact, OfflinePolicy::Fail));
    let mut committed = 0;
    let reply = watch(start(&session, 400), |generation, event| {
        committed += usize::from(matches!(event, Some(Event::Committed { .. })));
        if committed == 10 {
            generation.cancel();
        }
    });
    let (reason, statistics) = reply.finished();
    assert_eq!(reason, FinishReason::Cancelled);
    assert!((10..400).contains(&(statistics.origins.total() as usize)));
    assert_eq!(session.messages().last().map(|m| m.content.clone()), Some(reply.text.clone()));
    let next = consume(start(&session, 20));
    assert!(next.complete(20).reused_tokens > 0, "the caches of the first turn are kept");
}

#[test]
fn a_consumer_that_does_not_read_pauses_the_device_and_can_cancel() {
    let roomy = endless(SyntheticModel { capacity: 4096, ..SyntheticModel::draft() });
    let model = Counted::new(Arc::new(roomy), Duration::ZERO);
    let session = Session::new(model.model(), None, options(Mode::DeviceOnly, OfflinePolicy::GoOn)).expect("valid");
    let options = GenerationOptions { max_tokens: 4000, ..GenerationOptions::default() };
    let generation = session.generate(Prompt::Raw("a".into()), options.clone()).expect("idle");
    eventually("the buffer is full", || {
        let passes = model.passes();
        std::thread::sleep(Duration::from_millis(100));
        passes > 0 && model.passes() == passes
    });
    assert!(model.passes() < 1000, "{} passes for a consumer that reads nothing", model.passes());
    generation.cancel();
    eventually("idle again", || !session.is_generating());
    // Nothing is lost for a consumer that reads at last: the whole text is in the last event.
    let reply = consume(generation);
    let (reason, text, _) = reply.outcome.as_ref().expect("a reply");
    assert_eq!(*reason, FinishReason::Cancelled);
    assert!(text.starts_with(&reply.text));
    let generation = session.generate(Prompt::Raw("a".into()), options).expect("idle");
    eventually("running", || model.passes() > 600);
    drop(generation);
    eventually("idle again", || !session.is_generating());
}

#[test]
fn a_session_dropped_while_it_generates_ends_its_thread_and_closes_its_end_on_the_verifier() {
    for moment in [Moment::Opening, Moment::VerdictInFlight, Moment::WaitingOffline, Moment::ContinuationInFlight] {
        let Setting { verifier, model, session, prompt } = Setting::new(moment);
        let generation = {
            let options = GenerationOptions { max_tokens: 400, ..GenerationOptions::default() };
            session.generate(Prompt::Raw(prompt), options).expect("idle")
        };
        eventually("the moment", || match moment {
            Moment::Opening => verifier.count(Kind::Open) == 1,
            Moment::ContinuationInFlight => verifier.count(Kind::Advance) == 1,
            _ => verifier.count(Kind::Advance) >= 3,
        });
        let weak = Arc::downgrade(&model);
        drop((model, session));
        eventually("the thread lets the model go", || weak.upgrade().is_none());
        eventually("no session is left", || verifier.left_open() == 0);
        eventually("no call is left", || verifier.alive() == 0);
        let reply = consume(generation);
        assert_eq!(reply.finished().0, FinishReason::Cancelled);
    }
}

#[test]
fn idle_sessions_end_with_their_last_handle() {
    let verifier = faulty();
    let model = draft();
    let weak = Arc::downgrade(&model);
    let options = SessionOptions { draft_ahead: DraftAhead::Pipelined(2), ..options(Mode::Exact, OfflinePolicy::Fail) };
    let session = Session::new(model.model(), Some(Arc::clone(&verifier) as _), options).expect("valid");
    let reply = consume(start(&session, 30));
    assert!(reply.origins().iter().all(|origin| *origin != Origin::Unverified));
    assert_eq!(verifier.left_open(), 1);
    drop((model, session));
    eventually("the thread lets the model go", || weak.upgrade().is_none());
    eventually("no session is left", || verifier.left_open() == 0);
}
