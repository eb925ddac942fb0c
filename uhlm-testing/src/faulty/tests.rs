use std::sync::mpsc::{Receiver, channel};

use uhlm_core::verifier::Answer;
use uhlm_law::advance::{Advance, Begin, Capabilities, EndReason, Grants, Labelling, Open, PrefixHash};
use uhlm_law::model::LanguageModel as _;
use uhlm_law::sampling::SamplingParams;

use super::*;
use crate::synthetic::SyntheticModel;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(100);

fn lost() -> VerifierError {
    VerifierError::Unreachable { reason: "no route".into() }
}

fn faulty() -> Arc<Faulty> {
    Faulty::new(SyntheticModel { end_bias: -60.0, ..SyntheticModel::target() }.verifier(|config| config))
}

fn open(verifier: &Faulty, deadline: Duration) -> Result<SessionId, VerifierError> {
    let (send, receive) = channel();
    let request = Open { vocabulary: SyntheticModel::draft().vocabulary_hash(), needs: Capabilities::NONE };
    let call = verifier.open(request, deadline, move |result| drop(send.send(result)));
    let result = receive.recv_timeout(LONG).expect("an answer").map(|answer| answer.value.session);
    call.detach();
    result
}

/// Asks for four tokens, with grants for all.
fn start(
    verifier: &Faulty,
    session: SessionId,
    silence: Duration,
) -> (Call, Receiver<Result<Answer<Frame>, VerifierError>>) {
    let begin = Begin {
        seed: 1,
        sampling: SamplingParams::default(),
        reply_start: 2,
        max_tokens: 4,
        stop: Vec::new(),
        grammar: None,
    };
    let request = Advance {
        generation: 0,
        seq: 0,
        have: 2,
        base: 0,
        check: PrefixHash::EMPTY,
        stand: vec![1, 2],
        draft: Vec::new(),
        grants: Grants::UNLIMITED,
        labels: Labelling::NONE,
        begin: Some(begin),
        deadline_ms: None,
    };
    let (send, receive) = channel();
    (verifier.advance(session, request, silence, move |part| drop(send.send(part))), receive)
}

/// Number of tokens that came, and how the answer ended.
fn ask(verifier: &Faulty, session: SessionId, silence: Duration) -> (usize, Result<EndReason, VerifierError>) {
    let (call, parts) = start(verifier, session, silence);
    let mut tokens = 0;
    let end = loop {
        match parts.recv_timeout(LONG).expect("a part").map(|answer| answer.value) {
            Ok(Frame::Text(text)) => tokens += text.ids.len(),
            Ok(Frame::End(reason)) => break Ok(reason),
            Ok(Frame::Failed(error)) => panic!("{error:?}"),
            Ok(Frame::Progress(_)) => {}
            Err(error) => break Err(error),
        }
    };
    assert_eq!(verifier.alive(), 0, "it is over");
    drop(call);
    (tokens, end)
}

#[test]
fn calls_meet_the_fate_that_the_script_has_for_them() {
    let verifier = faulty();
    let session = open(&verifier, LONG).expect("opened");
    let missed = || Err(VerifierError::DeadlineExceeded { deadline: SHORT });
    let made_up = Fate::Frames(vec![Frame::End(EndReason::Superseded)]);
    let altered = Fate::AlterFrames(|frame| *frame = Frame::End(EndReason::Context));
    for (fate, tokens, end) in [
        (Fate::Fail(lost()), 0, Err(lost())),
        (Fate::Swallow, 0, missed()),
        (Fate::LoseReply(lost()), 0, Err(lost())),
        (Fate::Silence(0), 0, missed()),
        (made_up, 0, Ok(EndReason::Superseded)),
        (altered, 0, Ok(EndReason::Context)),
    ] {
        let text = format!("{fate:?}");
        verifier.set(move |seen| {
            assert_eq!((seen.kind, seen.given, seen.drafted), (Kind::Advance, 2, 0));
            fate.clone()
        });
        assert_eq!(ask(&verifier, session, SHORT), (tokens, end), "{text}");
    }
    for (fate, tokens, end) in [
        (Fate::Silence(1), 1, missed()),
        (Fate::BreakAfter(1, lost()), 1, Err(lost())),
        (Fate::Delay(SHORT), 4, Ok(EndReason::Max)),
        (Fate::Repeat, 4, Ok(EndReason::Max)),
        (Fate::Pass, 4, Ok(EndReason::Max)),
    ] {
        // In a session of its own, where no text is known yet.
        let session = open_anew(&verifier);
        let text = format!("{fate:?}");
        verifier.set(move |_| fate.clone());
        assert_eq!(ask(&verifier, session, SHORT), (tokens, end), "{text}");
    }
    assert_eq!(verifier.count(Kind::Advance), 11);
}

fn open_anew(verifier: &Faulty) -> SessionId {
    verifier.mend();
    open(verifier, LONG).expect("opened")
}

#[test]
fn what_is_opened_and_not_closed_is_counted_though_the_answer_is_lost() {
    let verifier = faulty();
    verifier.set(|seen| match seen {
        Seen { kind: Kind::Open, index: 0, .. } => Fate::LoseReply(lost()),
        _ => Fate::Pass,
    });
    assert_eq!(open(&verifier, LONG), Err(lost()));
    assert_eq!(verifier.left_open(), 1);
    let session = open(&verifier, LONG).expect("opened");
    assert_eq!((verifier.left_open(), verifier.count(Kind::Open)), (2, 2));
    verifier.evict();
    assert_eq!((verifier.left_open(), ask(&verifier, session, LONG)), (1, (0, Err(VerifierError::SessionGone))));
    verifier.set(|_| Fate::AlterOpened(|opened| opened.session = SessionId([7; 16])));
    assert_eq!(open(&verifier, LONG), Ok(SessionId([7; 16])));
    verifier.set(|_| Fate::Swallow);
    assert_eq!(open(&verifier, SHORT), Err(VerifierError::DeadlineExceeded { deadline: SHORT }));
}

#[test]
fn a_dropped_call_is_no_longer_alive_and_hears_nothing() {
    let verifier = faulty();
    let session = open(&verifier, LONG).expect("opened");
    verifier.set(|_| Fate::Swallow);
    let (call, parts) = start(&verifier, session, SHORT);
    assert_eq!(verifier.alive(), 1);
    drop(call);
    assert_eq!(verifier.alive(), 0);
    assert!(parts.recv_timeout(SHORT * 3).is_err());
}
