//! A whole session before a verifier that wants to harm it, over TLS: whatever it answers, a reply ends in bounded time
//! as the policy says, with no token that breaks a rule, and the session stays usable.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use uhlm_core::verifier::VerifierError;
use uhlm_core::verifier::http::HttpVerifier;
use uhlm_core::{
    Consent, FinishReason, GenerationError, GenerationOptions, LinkConfig, Mode, OfflinePolicy, Prompt, Session,
    SessionOptions, Statistics,
};
use uhlm_law::advance::{
    Advance, Capabilities, EndReason, Frame, Limits, Opened, PrefixHash, Progress, SessionId, Text,
};
use uhlm_law::digest::Digest;
use uhlm_law::model::LanguageModel as _;
use uhlm_law::window::CloseRule;
use uhlm_testing::synthetic::{SyntheticModel, VOCABULARY};

use crate::support::script::{Act, Answer, Seen};
use crate::support::server::FaultServer;
use crate::support::{BINARY, LONG, info};

/// Tokens of the prompt "abc".
const PROMPT: [u32; 3] = [0, 1, 2];
/// Number of tokens of a reply.
const TOKENS: usize = 24;
/// Time for which a waiting reply waits.
const WAIT: Duration = Duration::from_millis(1500);
/// Time for which answers may bring nothing.
const FRUITLESS: Duration = Duration::from_millis(700);

fn draft() -> Arc<SyntheticModel> {
    Arc::new(SyntheticModel { end_bias: -60.0, ..SyntheticModel::draft() })
}

fn options(mode: Mode, offline: OfflinePolicy) -> SessionOptions {
    let link = LinkConfig {
        min_deadline: Duration::from_secs(5),
        max_deadline: Duration::from_secs(5),
        grace: Duration::ZERO,
        back_off: Duration::from_millis(20),
        max_back_off: Duration::from_millis(60),
        max_fruitless: FRUITLESS,
        seed: 5,
        ..LinkConfig::default()
    };
    let consent = Consent::Conversation;
    SessionOptions {
        mode,
        offline,
        link,
        close: CloseRule::Fixed(4),
        seed: Some(3),
        consent,
        ..SessionOptions::default()
    }
}

/// Serves a target of the draft model's vocabulary whose answers to a request are made by `answer`, which is told how
/// many requests of its kind came before.
fn serve(
    fingerprint: impl Fn(usize) -> u8 + Send + Sync + 'static,
    answer: impl Fn(&Advance, usize) -> Act + Send + Sync + 'static,
) -> FaultServer {
    let (opens, advances) = (AtomicUsize::new(0), AtomicUsize::new(0));
    FaultServer::new(move |seen: &Seen, _| {
        if seen.path.ends_with("/advance") {
            let request = BINARY.decode(&seen.body).expect("a request of the protocol");
            return answer(&request, advances.fetch_add(1, Ordering::Relaxed));
        }
        if seen.method == http::Method::DELETE {
            return Answer::new(204, "text/plain", "").into();
        }
        let before = opens.fetch_add(1, Ordering::Relaxed);
        let limits = Limits { vocabulary_size: VOCABULARY as u32, context: 512, max_draft: 64, max_body: 1 << 20 };
        let mut info = info();
        (info.vocabulary, info.limits) = (draft().vocabulary_hash(), limits);
        info.fingerprint = Digest([fingerprint(before); 32]);
        info.capabilities = Capabilities::RUNS_AHEAD.union(Capabilities::PROGRESS);
        Answer::ok(BINARY, &Opened { session: SessionId([before as u8; 16]), info }).into()
    })
}

/// The end of a reply, and how long that took.
struct Ended {
    outcome: Result<(FinishReason, Statistics), GenerationError>,
    took: Duration,
}

fn write(server: &FaultServer, mode: Mode, offline: OfflinePolicy) -> Ended {
    let client = Arc::new(HttpVerifier::new(server.config()).expect("a client"));
    let session = Session::new(draft(), Some(client), options(mode, offline)).expect("valid options");
    let began = Instant::now();
    let mut generation = session
        .generate(Prompt::Raw("abc".into()), GenerationOptions { max_tokens: TOKENS, ..GenerationOptions::default() })
        .expect("idle");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let outcome = runtime.block_on(async {
        tokio::time::timeout(LONG, async {
            while let Some(event) = generation.next().await {
                if let uhlm_core::Event::Finished { reason, statistics, .. } = event? {
                    return Ok((reason, *statistics));
                }
            }
            panic!("a reply without an end")
        })
        .await
        .expect("a reply that ends")
    });
    Ended { outcome, took: began.elapsed() }
}

/// Asserts that a reply under each policy ends as the policy says about a verifier whose answers are not used. Returns
/// the reason of the failures.
fn is_left_to_the_policy(serve: impl Fn() -> FaultServer, mode: Mode, patience: Duration) -> String {
    let alone = write(&serve(), mode, OfflinePolicy::GoOn);
    let (reason, statistics) = alone.outcome.expect("it goes on alone");
    assert_eq!((reason, statistics.origins.total()), (FinishReason::MaxTokens, TOKENS as u64), "{mode:?}");
    assert!(statistics.origins.unverified > 0, "{mode:?}: {:?}", statistics.origins);
    let waits = write(&serve(), mode, OfflinePolicy::Wait(WAIT));
    let Err(GenerationError::Offline { .. }) = waits.outcome else { panic!("{mode:?}: {:?}", waits.outcome) };
    assert!(waits.took < WAIT + patience + Duration::from_secs(5), "{:?}", waits.took);
    let fails = write(&serve(), mode, OfflinePolicy::Fail);
    assert!(fails.took < patience + Duration::from_secs(5), "{:?}", fails.took);
    match fails.outcome {
        Err(GenerationError::Offline { cause: VerifierError::InvalidAnswer { reason } }) => reason,
        other => panic!("{mode:?}: {other:?}"),
    }
}

/// Returns the hash of the tokens before those that a request drafts, as the device has them.
fn before_draft(request: &Advance) -> PrefixHash {
    request.check.extend(&request.stand)
}

fn text(pos: u64, check: PrefixHash, ids: Vec<u32>) -> Frame {
    let pos = u32::try_from(pos).expect("a short text");
    let (pass_us, queue_us, rows) = (Some(100), None, Some(1));
    Frame::Text(Text { pos, check: check.short(), ids, passes: 1, pass_us, queue_us, rows, labels: None })
}

/// Agrees with everything that is drafted, as the drafts' own target.
fn agreed(request: &Advance) -> Vec<Frame> {
    let ids = if request.draft.is_empty() { vec![1] } else { request.draft.clone() };
    vec![text(request.draft_start(), before_draft(request), ids), Frame::End(EndReason::Granted)]
}

fn frames(frames: &[Frame]) -> Act {
    Answer::frames(BINARY, frames).into()
}

/// Answers with a frame a millisecond, for longer than any reply may take.
fn without_end(frame: impl Fn(u64) -> Frame) -> Act {
    let piece = |i| (Duration::from_millis(1), BINARY.encode_frame(&frame(i)));
    Act::Stream(BINARY.media_type(), (0..10_000).map(piece).collect(), true)
}

const MODES: [Mode; 2] = [Mode::Exact, Mode::RemoteOnly];
const QUICK: Duration = Duration::from_secs(3);

#[test]
fn tokens_outside_the_vocabulary_are_never_committed() {
    for mode in MODES {
        let server = || {
            serve(
                |_| 1,
                |request, _| frames(&[text(request.draft_start(), before_draft(request), vec![VOCABULARY as u32])]),
            )
        };
        let reason = is_left_to_the_policy(server, mode, QUICK);
        assert!(reason.contains("outside the vocabulary"), "{reason}");
    }
}

#[test]
fn a_verdict_for_another_window_is_asked_for_again_and_then_left_to_the_policy() {
    for mode in MODES {
        let wrong = |request: &Advance, _| {
            frames(&[text(request.draft_start(), PrefixHash::of(&[9, 9]), vec![1, 2]), Frame::End(EndReason::Granted)])
        };
        is_left_to_the_policy(|| serve(|_| 1, wrong), mode, QUICK);
    }
}

#[test]
fn text_that_goes_back_behind_what_was_told_is_refused() {
    let back = || {
        let told = AtomicU32::new(0);
        serve(
            |_| 1,
            move |request, before| {
                if before == 0 {
                    told.store(request.draft.first().copied().unwrap_or(1), Ordering::Relaxed);
                    return frames(&agreed(request));
                }
                // It has told the first token of the reply, and now tells another one.
                let other = (told.load(Ordering::Relaxed) + 1) % 20;
                frames(&[
                    text(PROMPT.len() as u64, PrefixHash::of(&PROMPT), vec![other]),
                    Frame::End(EndReason::Granted),
                ])
            },
        )
    };
    let reason = is_left_to_the_policy(back, Mode::Exact, QUICK);
    assert!(reason.contains("takes back"), "{reason}");
}

#[test]
fn a_target_that_never_stops_running_ahead_is_heard_up_to_the_limit_of_the_reply() {
    for mode in MODES {
        let server = serve(
            |_| 1,
            |request, _| {
                let (start, check) = (request.draft_start(), before_draft(request));
                let next = |hash: &PrefixHash| Some(hash.push(1));
                let hashes: Vec<PrefixHash> = std::iter::successors(Some(check), next).take(10_000).collect();
                without_end(move |i| text(start + i, hashes[i as usize], vec![1]))
            },
        );
        let ended = write(&server, mode, OfflinePolicy::Fail);
        let (reason, statistics) = ended.outcome.expect("a reply of the length that was asked for");
        assert_eq!((reason, statistics.origins.total()), (FinishReason::MaxTokens, TOKENS as u64), "{mode:?}");
        assert!(ended.took < QUICK, "{:?}", ended.took);
    }
}

#[test]
fn answers_that_bring_nothing_are_asked_for_a_few_times_and_then_left_to_the_policy() {
    for mode in MODES {
        let reason =
            is_left_to_the_policy(|| serve(|_| 1, |_, _| frames(&[Frame::End(EndReason::Granted)])), mode, QUICK);
        assert!(!reason.is_empty());
    }
}

#[test]
fn a_target_that_is_at_work_for_ever_is_left_to_the_policy() {
    let at_work = |_: &Advance, _| without_end(|_| Frame::Progress(Progress { read: 1, total: 3, ahead: 0 }));
    for mode in MODES {
        let reason = is_left_to_the_policy(|| serve(|_| 1, at_work), mode, FRUITLESS);
        assert!(reason.contains("brings no token"), "{reason}");
    }
}

#[test]
fn a_target_that_tells_the_same_again_and_again_is_left_to_the_policy() {
    let again = |request: &Advance, before: usize| {
        if before == 0 {
            return frames(&agreed(request));
        }
        // The first token of the reply, as it was told before: nothing that the device does not have.
        without_end(|_| text(PROMPT.len() as u64, PrefixHash::of(&PROMPT), vec![1]))
    };
    is_left_to_the_policy(|| serve(|_| 1, again), Mode::RemoteOnly, FRUITLESS);
}

#[test]
fn a_model_that_is_swapped_in_the_middle_of_a_reply_writes_none_of_it() {
    const FIRST: u8 = 0;
    const GONE: u8 = 1;
    const OTHER: u8 = 2;
    let swapped = || {
        let model = Arc::new(AtomicU8::new(FIRST));
        let opened = Arc::clone(&model);
        serve(
            move |_| match opened.load(Ordering::Relaxed) {
                FIRST => FIRST,
                _ => {
                    opened.store(OTHER, Ordering::Relaxed);
                    OTHER
                }
            },
            move |request, _| {
                // Not before something of the first model is committed: of two requests under way the answer to the
                // second may be read first.
                let is_used = request.have as usize > PROMPT.len();
                if is_used && model.load(Ordering::Relaxed) == FIRST {
                    model.store(GONE, Ordering::Relaxed);
                }
                match model.load(Ordering::Relaxed) {
                    GONE => Answer::new(410, "text/plain", "").into(),
                    // Whatever it wrote here by itself might not be what it says of a draft of the same places.
                    _ if request.draft.is_empty() => frames(&[Frame::End(EndReason::Granted)]),
                    _ => frames(&agreed(request)),
                }
            },
        )
    };
    let reason = is_left_to_the_policy(swapped, Mode::Exact, QUICK);
    assert!(reason.contains("another model"), "{reason}");
    // A session that is lost and opened again on the same model goes on.
    let same = serve(
        |_| 7,
        |request, before| match before {
            1 => Answer::new(410, "text/plain", "").into(),
            _ => frames(&agreed(request)),
        },
    );
    let (reason, statistics) = write(&same, Mode::Exact, OfflinePolicy::Fail).outcome.expect("it goes on");
    assert_eq!((reason, statistics.origins.unverified), (FinishReason::MaxTokens, 0));
}
