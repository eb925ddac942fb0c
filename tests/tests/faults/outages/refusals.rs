//! A verifier that refuses, and one whose answers make no sense.

use uhlm_core::verifier::VerifierError;
use uhlm_core::{FinishReason, GenerationError, LinkState, Mode, OfflinePolicy};
use uhlm_law::advance::{EndReason, ErrorCode, Frame, PrefixHash, Progress, Text};
use uhlm_law::digest::Digest;
use uhlm_testing::eventually::eventually;
use uhlm_testing::faulty::{Fate, Faulty, Kind};
use uhlm_testing::synthetic::SyntheticModel;

use super::{TOKENS, refused, wait};
use crate::support::{consume, faulty, options, outage, session, start};

#[test]
fn another_vocabulary_is_refused_before_the_first_token() {
    let other = SyntheticModel { other_vocabulary: true, ..SyntheticModel::target() };
    for mode in [Mode::Exact, Mode::Opportunistic, Mode::RemoteOnly] {
        let verifier = Faulty::new(other.verifier(|config| config));
        let reply = consume(start(&session(&verifier, options(mode, OfflinePolicy::GoOn)), TOKENS));
        assert!(matches!(reply.error(), GenerationError::VocabularyMismatch { .. }), "{:?}", reply.outcome);
        assert!(reply.origins().is_empty());
    }
    let liar = faulty();
    liar.set(|_| Fate::AlterOpened(|opened| opened.info.vocabulary = Digest([0; 32])));
    let reply = consume(start(&session(&liar, options(Mode::Exact, OfflinePolicy::GoOn)), TOKENS));
    assert!(matches!(reply.error(), GenerationError::VocabularyMismatch { .. }));
    assert!(reply.origins().is_empty());
    eventually("the useless session is closed", || liar.count(Kind::Open) == 1);
}

#[test]
fn refusals_end_a_reply_typed_with_its_text_kept_and_the_session_usable() {
    type Check = fn(&GenerationError) -> bool;
    let cases: [(VerifierError, Check); 4] = [
        (VerifierError::Unauthorized, |e| *e == GenerationError::Unauthorized),
        (VerifierError::Untrusted { reason: "expired".into() }, |e| {
            *e == GenerationError::Untrusted { reason: "expired".into() }
        }),
        (refused(ErrorCode::Malformed), |e| *e == GenerationError::Refused { reason: "no".into() }),
        (refused(ErrorCode::TooLarge), |e| *e == GenerationError::Refused { reason: "no".into() }),
    ];
    for (error, is_right) in cases {
        for (mode, kind, index) in
            [(Mode::Exact, Kind::Open, 0), (Mode::Exact, Kind::Advance, 3), (Mode::RemoteOnly, Kind::Advance, 0)]
        {
            for policy in [OfflinePolicy::GoOn, wait(), OfflinePolicy::Fail] {
                let verifier = faulty();
                let fate = if mode == Mode::RemoteOnly {
                    Fate::BreakAfter(5, error.clone())
                } else {
                    Fate::Fail(error.clone())
                };
                outage(&verifier, kind, index, 1, fate);
                let session = session(&verifier, options(mode, policy));
                let reply = consume(start(&session, TOKENS));
                assert!(is_right(reply.error()), "{error:?} {kind:?}: {:?}", reply.outcome);
                let kept = session.messages().last().map(|message| message.content.clone()).unwrap_or_default();
                assert_eq!(kept, reply.text);
                verifier.mend();
                eventually("usable again", || {
                    let next = consume(start(&session, 40));
                    let Ok((reason, _, statistics)) = next.outcome else { return false };
                    reason == FinishReason::MaxTokens && statistics.origins.unverified == 0
                });
            }
        }
    }
}

/// Returns a text that begins at `pos`, for answers that no verifier gives.
fn text(pos: u32) -> Frame {
    Frame::Text(Text {
        pos,
        check: PrefixHash::of(&[7]).short(),
        ids: vec![1],
        passes: 1,
        pass_us: None,
        queue_us: None,
        rows: None,
        labels: None,
    })
}

fn foreign_ids(frame: &mut Frame) {
    if let Frame::Text(text) = frame {
        text.ids.iter_mut().for_each(|id| *id = u32::MAX);
    }
}

fn another_place(frame: &mut Frame) {
    if let Frame::Text(text) = frame {
        text.check = PrefixHash::of(&[7]).short();
    }
}

#[test]
fn nonsense_is_not_used_and_is_left_to_the_policy() {
    let nonsense: [(Fate, bool); 4] = [
        (Fate::AlterFrames(foreign_ids), false),
        // Where the place does not agree, the device says again what it has.
        (Fate::AlterFrames(another_place), true),
        (Fate::Frames(vec![text(1_000_000)]), false),
        (Fate::Frames(vec![text(0), text(0)]), false),
    ];
    for (fate, is_made_good) in nonsense {
        for policy in [OfflinePolicy::GoOn, OfflinePolicy::Fail] {
            let verifier = faulty();
            outage(&verifier, Kind::Advance, 1, 1, fate.clone());
            let session = session(&verifier, options(Mode::Exact, policy));
            let reply = consume(start(&session, TOKENS));
            if is_made_good {
                assert_eq!(reply.complete(TOKENS).origins.unverified, 0, "{fate:?}");
            } else if policy == OfflinePolicy::GoOn {
                reply.complete(TOKENS);
                assert_eq!(reply.states().first(), Some(&LinkState::Degraded), "{fate:?}");
                reply.assert_recovered();
            } else {
                let error = reply.error();
                let invalid = matches!(error, GenerationError::Offline { cause: VerifierError::InvalidAnswer { .. } });
                assert!(invalid, "{fate:?} {error:?}");
            }
        }
    }
}

#[test]
fn an_answer_that_comes_faster_than_it_is_read_ends_before_it_fills_the_memory() {
    let flood = vec![Frame::Progress(Progress { read: 1, total: 3, ahead: 0 }); 100_000];
    for policy in [OfflinePolicy::GoOn, OfflinePolicy::Fail] {
        let verifier = faulty();
        // All of it comes before the device reads any.
        outage(&verifier, Kind::Advance, 1, 1, Fate::Frames(flood.clone()));
        let session = session(&verifier, options(Mode::Exact, policy));
        let reply = consume(start(&session, TOKENS));
        if policy == OfflinePolicy::GoOn {
            reply.complete(TOKENS);
            assert_eq!(reply.states().first(), Some(&LinkState::Degraded));
            reply.assert_recovered();
            // What was unread is no longer, and the next reply has the room for its own.
            assert_eq!(consume(start(&session, TOKENS)).complete(TOKENS).origins.unverified, 0);
        } else {
            let GenerationError::Offline { cause: VerifierError::InvalidAnswer { reason } } = reply.error() else {
                panic!("{:?}", reply.outcome)
            };
            assert!(reason.contains("faster than"), "{reason}");
        }
    }
}

#[test]
fn an_end_that_the_text_does_not_have_ends_no_reply() {
    for reason in [EndReason::Max, EndReason::Eog, EndReason::Stop] {
        for policy in [OfflinePolicy::GoOn, OfflinePolicy::Fail] {
            let verifier = faulty();
            outage(&verifier, Kind::Advance, 1, 1, Fate::Frames(vec![Frame::End(reason)]));
            let session = session(&verifier, options(Mode::Exact, policy));
            let reply = consume(start(&session, TOKENS));
            // Where more is on its way the device says again what it has; otherwise it takes the answer for a failure.
            match &reply.outcome {
                Ok(_) => assert!(reply.complete(TOKENS).tokens() > 0),
                Err(GenerationError::Offline { cause: VerifierError::InvalidAnswer { .. } }) => {
                    assert_eq!(policy, OfflinePolicy::Fail, "{reason:?}");
                }
                Err(error) => panic!("{reason:?}: {error:?}"),
            }
        }
    }
}
