//! The support that the tests share: sessions on synthetic models, and a consumer that never waits for ever.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::time::timeout;
use uhlm_core::verifier::VerifierError;
use uhlm_core::{
    Consent, Event, FinishReason, Generation, GenerationError, GenerationOptions, LinkConfig, LinkState, Mode,
    OfflinePolicy, Origin, Prompt, Session, SessionOptions, Statistics,
};
use uhlm_law::window::CloseRule;
use uhlm_testing::counted::Counted;
use uhlm_testing::faulty::{Fate, Faulty, Kind};
use uhlm_testing::synthetic::SyntheticModel;

/// Time that is longer than anything takes on the slowest machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);
/// Deadline that is meant to be missed.
pub(crate) const SHORT: Duration = Duration::from_millis(400);
/// Time that one pass of the draft model takes.
pub(crate) const PASS: Duration = Duration::from_millis(3);

/// Returns the model changed so that it never ends a reply, and a test decides how long it is.
pub(crate) fn endless(model: SyntheticModel) -> SyntheticModel {
    SyntheticModel { end_bias: -60.0, ..model }
}

/// Returns a draft model that never ends a reply and counts its passes.
pub(crate) fn draft() -> Arc<Counted> {
    Counted::new(Arc::new(endless(SyntheticModel::draft())), PASS)
}

/// Returns a verifier that never ends a reply and fails as a test says.
pub(crate) fn faulty() -> Arc<Faulty> {
    Faulty::new(endless(SyntheticModel::target()).verifier(|config| config))
}

pub(crate) fn unreachable() -> VerifierError {
    VerifierError::Unreachable { reason: "no route".into() }
}

/// Returns limits of the link with deadlines that nothing misses by accident, and pauses that keep tests short.
pub(crate) fn link() -> LinkConfig {
    LinkConfig {
        min_deadline: LONG,
        max_deadline: LONG,
        // What it does is tested where it is given.
        grace: Duration::ZERO,
        back_off: Duration::from_millis(20),
        max_back_off: Duration::from_millis(60),
        seed: 5,
        ..LinkConfig::default()
    }
}

/// Returns the same limits with deadlines that are missed soon.
pub(crate) fn impatient() -> LinkConfig {
    LinkConfig { min_deadline: SHORT, max_deadline: SHORT, ..link() }
}

pub(crate) fn options(mode: Mode, offline: OfflinePolicy) -> SessionOptions {
    let consent = Consent::Conversation;
    // Windows close by a rule that does not depend on what anything costs: the target is as fast as the draft model
    // here, and would write alone.
    let close = CloseRule::Risk(0.5);
    SessionOptions { mode, close, offline, link: link(), seed: Some(3), consent, ..SessionOptions::default() }
}

pub(crate) fn session(verifier: &Arc<Faulty>, options: SessionOptions) -> Session {
    Session::new(draft().model(), Some(Arc::clone(verifier) as _), options).expect("valid options")
}

/// Starts a reply of `max_tokens` tokens.
pub(crate) fn start(session: &Session, max_tokens: usize) -> Generation {
    let options = GenerationOptions { max_tokens, ..GenerationOptions::default() };
    session.generate(Prompt::Chat("abc".into()), options).expect("idle")
}

/// A reply as its consumer saw it.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) events: Vec<Event>,
    /// Text of all committed tokens, in order.
    pub(crate) text: String,
    pub(crate) outcome: Result<(FinishReason, String, Statistics), GenerationError>,
}

impl Record {
    /// Returns the states of the link that were told, in order.
    pub(crate) fn states(&self) -> Vec<LinkState> {
        self.events
            .iter()
            .filter_map(|event| if let Event::State { link, .. } = event { Some(*link) } else { None })
            .collect()
    }

    /// Returns the origins of the committed tokens, in order.
    pub(crate) fn origins(&self) -> Vec<Origin> {
        let origin = |event: &Event| if let Event::Committed { origin, .. } = event { Some(*origin) } else { None };
        self.events.iter().filter_map(origin).collect()
    }

    /// Asserts that the reply ended well; returns its reason and statistics.
    pub(crate) fn finished(&self) -> (FinishReason, &Statistics) {
        let (reason, text, statistics) = self.outcome.as_ref().expect("a reply without error");
        assert_eq!(*text, self.text, "the whole text is the sum of what was committed");
        (*reason, statistics)
    }

    /// Asserts that the reply has all of its tokens; returns the statistics.
    pub(crate) fn complete(&self, max_tokens: usize) -> &Statistics {
        let (reason, statistics) = self.finished();
        assert_eq!(reason, FinishReason::MaxTokens);
        assert_eq!(statistics.origins.total(), max_tokens as u64);
        statistics
    }

    /// Asserts that the reply failed; returns the error.
    pub(crate) fn error(&self) -> &GenerationError {
        self.outcome.as_ref().expect_err("a reply that fails")
    }

    /// Asserts that tokens are unverified if and only if the link was not online when they were committed.
    pub(crate) fn assert_marks(&self) {
        let mut online = true;
        for event in &self.events {
            match event {
                Event::State { link, .. } => online = *link == LinkState::Online,
                Event::Committed { origin, .. } => assert_eq!(*origin == Origin::Unverified, !online, "{event:?}"),
                _ => {}
            }
        }
    }

    /// Asserts that the link came back and the verifier went on judging.
    pub(crate) fn assert_recovered(&self) {
        assert_eq!(self.states().last(), Some(&LinkState::Online), "{:?}", self.states());
        let back = self.events.iter().rposition(|event| matches!(event, Event::State { link: LinkState::Online, .. }));
        let judged = |event: &Event| matches!(event, Event::Committed { origin, .. } if *origin != Origin::Unverified);
        assert!(self.events[back.unwrap_or(0)..].iter().any(judged), "nothing was judged after the way back");
    }
}

/// Consumes a reply. `watch` sees every event, and is called with `None` from time to time.
pub(crate) fn watch(mut generation: Generation, mut watch: impl FnMut(&Generation, Option<&Event>)) -> Record {
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    let mut record = Record { events: Vec::new(), text: String::new(), outcome: Err(GenerationError::SessionClosed) };
    let mut quiet = Instant::now();
    loop {
        let next = runtime.block_on(async { timeout(Duration::from_millis(5), generation.next()).await });
        match next {
            Ok(None) => return record,
            Ok(Some(Err(error))) => record.outcome = Err(error),
            Ok(Some(Ok(event))) => {
                quiet = Instant::now();
                watch(&generation, Some(&event));
                match &event {
                    Event::Committed { token, .. } => record.text.push_str(&token.text),
                    Event::Finished { reason, text, statistics, .. } => {
                        record.outcome = Ok((*reason, text.clone(), (**statistics).clone()));
                    }
                    _ => {}
                }
                record.events.push(event);
            }
            Err(_) => {
                assert!(quiet.elapsed() < LONG, "nothing happens after {:?}", record.events.last());
                watch(&generation, None);
            }
        }
    }
}

pub(crate) fn consume(generation: Generation) -> Record {
    watch(generation, |_, _| {})
}

/// Lets so many calls of any kind meet `fate`, from the `index`-th call of `kind` on.
pub(crate) fn outage(verifier: &Faulty, kind: Kind, index: usize, calls: usize, fate: Fate) {
    let (mut left, mut begun) = (calls, false);
    verifier.set(move |seen| {
        begun = begun || (seen.kind == kind && seen.index >= index);
        if begun && left > 0 {
            left -= 1;
            fate.clone()
        } else {
            Fate::Pass
        }
    });
}
