//! Requests that are refused, and answers that are lost.

use super::*;

#[test]
fn another_vocabulary_and_what_the_verifier_lacks_are_refused() {
    let verifier = target().verifier(|mut config| {
        config.info.capabilities = Capabilities::RUNS_AHEAD;
        config
    });
    for request in [
        Open { vocabulary: Digest([9; 32]), ..open_request() },
        Open { needs: Capabilities::MATCHED, ..open_request() },
    ] {
        let (reply, received) = waiting();
        verifier.open(request, LONG, reply).detach();
        let refused = received.recv_timeout(LONG).expect("an answer").map(drop);
        assert!(matches!(refused, Err(VerifierError::Refused(body)) if body.code == ErrorCode::Unsupported));
    }
    open(&verifier);
}

#[test]
fn requests_that_no_server_takes_are_refused_and_change_nothing() {
    let verifier = local(Duration::ZERO);
    let session = open(&verifier);
    let code = |request| match refusal_of(&verifier, session, request) {
        VerifierError::Refused(body) => Ok(body.code),
        error => Err(error),
    };
    let wrong = Some(Begin { max_tokens: 0, ..begin(8) });
    assert_eq!(code(Advance { begin: wrong, ..first(8, &[], Grants::NONE) }), Ok(ErrorCode::Malformed));
    let unknown = first(8, &[VOCABULARY as TokenId], Grants::NONE);
    assert_eq!(code(unknown), Ok(ErrorCode::Malformed));
    let long = Advance { stand: vec![1; 600], have: 600, ..first(8, &[], Grants::NONE) };
    assert_eq!(code(long), Ok(ErrorCode::TooLarge));
    assert_eq!(code(then(1, &[], &[], Grants::NONE)), Err(VerifierError::Desync { held: 0 }), "it has not begun");
    assert_eq!(ask(&verifier, session, first(8, &[], Grants::UNLIMITED)), (reply(8), EndReason::Max));
    let astray =
        Advance { stand: vec![1], have: 4, check: PrefixHash::of(&[9, 9, 9]), ..then(1, &[], &[], Grants::NONE) };
    assert_eq!(code(astray), Err(VerifierError::Desync { held: 11 }));
}

#[test]
fn an_evicted_session_is_gone_with_its_stream() {
    let (verifier, _) = counting(Duration::from_millis(2));
    let session = open(&verifier);
    let (_call, running) = start(&verifier, session, first(300, &[], Grants::UNLIMITED), LONG);
    running.recv_timeout(LONG).expect("a frame").expect("text");
    verifier.evict(session);
    assert_eq!(all(&running).pop(), Some(Err(VerifierError::SessionGone)));
    assert_eq!(refusal_of(&verifier, session, first(8, &[], Grants::NONE)), VerifierError::SessionGone);
    // In another session the device gives what it has and goes on with the same text.
    let (session, written) = (open(&verifier), reply(20));
    let given = [&PROMPT[..], &written[..5]].concat();
    let request = Advance { have: given.len() as u32, stand: given, ..first(20, &written[5..8], Grants::UNLIMITED) };
    assert_eq!(ask(&verifier, session, request), (written[5..].to_vec(), EndReason::Max));
}

#[test]
fn a_session_whose_cache_is_taken_loses_time_and_nothing_else() {
    let (verifier, decoded) = counting(Duration::ZERO);
    let (session, written) = (open(&verifier), reply(20));
    assert_eq!(ask(&verifier, session, first(20, &[], grants(4))).0, written[..4]);
    let before = decoded.load(Ordering::Acquire);
    verifier.take_cache(session);
    assert_eq!(ask(&verifier, session, then(1, &written[..4], &written[4..6], Grants::NONE)).0, written[4..7]);
    assert_eq!(decoded.load(Ordering::Acquire) - before, PROMPT.len() + 6, "everything was decoded again");
}

#[test]
fn a_cache_that_is_taken_in_the_middle_of_a_pass_is_made_up_for() {
    let (verifier, _) = counting(Duration::from_millis(2));
    let session = open(&verifier);
    let (_call, running) = start(&verifier, session, first(60, &[], Grants::UNLIMITED), LONG);
    let mut heard = Vec::new();
    while let Ok(Ok(Answer { value: Frame::Text(text), .. })) = running.recv_timeout(LONG) {
        heard.extend(text.ids);
        if heard.len() % 7 == 3 {
            verifier.take_cache(session);
        }
    }
    assert_eq!(heard, reply(60));
}

#[test]
fn after_a_restart_streams_are_broken_and_sessions_gone() {
    let (verifier, _) = counting(Duration::from_millis(2));
    let session = open(&verifier);
    let (_call, running) = start(&verifier, session, first(300, &[], Grants::UNLIMITED), LONG);
    running.recv_timeout(LONG).expect("a frame").expect("text");
    verifier.restart();
    assert!(matches!(all(&running).pop(), Some(Err(VerifierError::Unreachable { .. }))));
    assert_eq!(refusal_of(&verifier, session, first(8, &[], Grants::NONE)), VerifierError::SessionGone);
    assert_ne!(open(&verifier), session, "no name is given twice");
}

#[test]
fn an_engine_that_fails_ends_the_stream_and_the_session_goes_on() {
    struct Failing(Box<dyn Sequence>, Arc<AtomicUsize>);
    impl Sequence for Failing {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn capacity(&self) -> usize {
            self.0.capacity()
        }
        fn decode(&mut self, tokens: &[TokenId], cancelled: &dyn Fn() -> bool) -> Result<(), ModelError> {
            if self.1.fetch_add(1, Ordering::AcqRel) == 3 {
                return Err(ModelError::Decode { reason: "scripted".into() });
            }
            self.0.decode(tokens, cancelled)
        }
        fn logits(&self) -> &[f32] {
            self.0.logits()
        }
        fn truncate(&mut self, len: usize) -> Result<(), ModelError> {
            self.0.truncate(len)
        }
    }
    let model = Arc::new(target());
    let (engine, decodes) = (Arc::clone(&model), Arc::new(AtomicUsize::new(0)));
    let factory: SequenceFactory =
        Box::new(move || Ok(Box::new(Failing(Arc::clone(&engine).sequence(0, 1)?, Arc::clone(&decodes)))));
    let verifier = LocalVerifier::new(LocalConfig::of(model, 512), factory).expect("a thread");
    let session = open(&verifier);
    let error = refusal_of(&verifier, session, first(12, &[], Grants::UNLIMITED));
    assert!(matches!(error, VerifierError::Refused(body) if body.code == ErrorCode::Internal));
    assert_eq!(ask(&verifier, session, first(12, &[], Grants::UNLIMITED)), (reply(12), EndReason::Max));
}
