//! Errors that an app acts on, each from its real cause.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use uhlm_ffi::{
    ErrorKind, GenerationEvent, LinkCause, LinkState, OfflinePolicy, Recovery, RemoteOptions, SessionOptions,
    TokenError, TokenProvider, TrustPolicy, UhlmError, UhlmSession, UhlmVerifier,
};
use uhlm_server::{ServerConfig, Tokens};
use uhlm_testing::model_server::ModelServer;
use uhlm_testing::secrets::{TOKEN, WRONG_TOKEN};
use uhlm_testing::served::Served;
use uhlm_testing::{pair, parrot};

use crate::support::{QUESTION, at_most, chat, engine, finished, greedy, load, remote, reply, rest, verifier, wait};

/// Asserts that an error is of a kind, which is not worth another attempt, and what it advises.
fn assert_is(error: &UhlmError, kind: ErrorKind, recovery: Recovery) {
    assert_eq!((error.kind(), error.recovery(), error.is_retryable()), (kind, recovery, false), "{error:?}");
}

#[test]
fn a_missing_model_is_not_found() {
    let error = load(&pair::file("no-such-model.gguf")).expect_err("no file");
    assert_is(&error, ErrorKind::ModelNotFound, Recovery::ProvideModel);
}

#[test]
fn a_damaged_model_is_refused() {
    let files = tempfile::tempdir().expect("a directory");
    let path = files.path().join("damaged.gguf");
    let whole = std::fs::read(pair::file("demo-draft.gguf")).expect("the bundled draft model");
    std::fs::write(&path, &whole[..whole.len() / 2]).expect("written");
    let error = load(&path).expect_err("half a file");
    assert_is(&error, ErrorKind::ModelDamaged, Recovery::DownloadAgain);
}

/// Returns the error of a generation that must commit nothing.
fn failure(session: &UhlmSession) -> UhlmError {
    let (events, outcome) = rest(&session.start(chat(QUESTION), at_most(50)).expect("idle"));
    let committed = events.iter().any(|event| matches!(event, GenerationEvent::Committed { .. }));
    assert!(!committed, "{events:?}");
    outcome.expect_err("an error")
}

#[test]
fn another_vocabulary_is_refused() {
    let files = tempfile::tempdir().expect("a directory");
    let path = files.path().join("parrot.gguf");
    parrot::write_parrot(&path, "another vocabulary").expect("written");
    let served = Served::start_with(|config| ServerConfig { model: path, offer_vocabulary: false, ..config });
    let session = wait(engine().open_session(Some(verifier(&served)), greedy(), None)).expect("valid");
    let error = failure(&session);
    assert_is(&error, ErrorKind::VocabularyMismatch, Recovery::ChooseAnotherModel);
}

#[test]
fn a_wrong_certificate_is_refused() {
    let (served, other) = (Served::start(), Served::start());
    let verifier = UhlmVerifier::new(remote(served.url(), &other), None).expect("a client");
    let session = wait(engine().open_session(Some(verifier), greedy(), None)).expect("valid");
    let error = failure(&session);
    assert_is(&error, ErrorKind::Untrusted, Recovery::CheckEndpoint);
    // A fingerprint that is none is noticed at once.
    let trust = Some(TrustPolicy::Fingerprint { sha256: "abc".into() });
    let options = RemoteOptions { trust, ..remote(served.url(), &served) };
    assert_eq!(UhlmVerifier::new(options, None).err().map(|error| error.kind()), Some(ErrorKind::InvalidOptions));
}

/// A provider that gives the token that the test says, and counts the calls and the refreshes.
struct Provider<F>(F, AtomicU32, AtomicU32);

#[async_trait::async_trait]
impl<F: Fn(bool) -> Result<String, TokenError> + Send + Sync> TokenProvider for Provider<F> {
    async fn token(&self, refresh: bool) -> Result<String, TokenError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.2.fetch_add(u32::from(refresh), Ordering::Relaxed);
        (self.0)(refresh)
    }
}

fn guarded() -> Served {
    let tokens = Tokens::new([TOKEN]).expect("long enough");
    Served::start_with(|config| ServerConfig { tokens, ..config })
}

fn with_tokens(
    served: &Served,
    options: SessionOptions,
    give: impl Fn(bool) -> Result<String, TokenError> + Send + Sync + 'static,
) -> (Arc<UhlmSession>, impl Fn() -> (u32, u32)) {
    let provider = Arc::new(Provider(give, AtomicU32::new(0), AtomicU32::new(0)));
    let verifier = UhlmVerifier::new(remote(served.url(), served), Some(provider.clone() as _)).expect("a client");
    let session = wait(engine().open_session(Some(verifier), options, None)).expect("valid");
    (session, move || (provider.1.load(Ordering::Relaxed), provider.2.load(Ordering::Relaxed)))
}

#[test]
fn a_refused_token_is_unauthorized() {
    let served = guarded();
    let (session, asked) = with_tokens(&served, greedy(), |_| Ok(WRONG_TOKEN.into()));
    let error = failure(&session);
    assert_is(&error, ErrorKind::Unauthorized, Recovery::SignIn);
    assert_eq!(asked(), (2, 1), "asked, and once more for a new one");
    // A provider that has a new token then is let in.
    let give = |refresh| Ok(if refresh { TOKEN.into() } else { WRONG_TOKEN.into() });
    let (session, asked) = with_tokens(&served, greedy(), give);
    assert!(!finished(&reply(&session, chat(QUESTION), at_most(200))).1.is_empty());
    assert_eq!(asked(), (2, 1));
}

#[test]
fn a_token_provider_that_throws_is_an_error_not_a_crash() {
    let served = guarded();
    let (session, _) = with_tokens(&served, greedy(), |_| Err(TokenError::Denied { reason: "signed out".into() }));
    assert_eq!(failure(&session).kind(), ErrorKind::Unauthorized);
    let unavailable = |_| Err(TokenError::Unavailable { reason: "no network".into() });
    let fail = SessionOptions { offline: Some(OfflinePolicy::Fail), ..greedy() };
    let (session, _) = with_tokens(&served, fail, unavailable);
    assert_eq!(failure(&session).kind(), ErrorKind::Offline);
    let (session, _) = with_tokens(&served, greedy(), unavailable);
    let events = reply(&session, chat(QUESTION), at_most(50));
    assert!(
        events.iter().any(|event| matches!(event, GenerationEvent::State { link, .. } if *link != LinkState::Online))
    );
}

#[test]
fn what_a_token_provider_throws_is_not_repeated() {
    let served = guarded();
    // What UniFFI makes of anything that a foreign class throws.
    let thrown = |_| Err(uniffi::UnexpectedUniFFICallbackError::new(format!("signed with {TOKEN}")).into());
    let fail = SessionOptions { offline: Some(OfflinePolicy::Fail), ..greedy() };
    let (session, _) = with_tokens(&served, fail, thrown);
    let error = failure(&session);
    assert_eq!(error.kind(), ErrorKind::Offline);
    assert!(!format!("{error} {error:?}").contains(TOKEN), "{error:?}");
}

#[test]
fn a_busy_server_is_not_out_of_reach() {
    let server = ModelServer::start();
    let trust = Some(TrustPolicy::Pem { roots: server.authority() });
    let endpoint = server.busy_verifier();
    let options = RemoteOptions { endpoint, trust, tls12: false, connect_timeout_seconds: None, user_agent: None };
    let verifier = UhlmVerifier::new(options, None).expect("a client");
    let open = |offline| {
        let options = SessionOptions { offline: Some(offline), ..greedy() };
        wait(engine().open_session(Some(verifier.clone()), options, None)).expect("valid")
    };
    let asked = wait(verifier.info(10.0)).expect_err("no room");
    for error in [asked, failure(&open(OfflinePolicy::Fail))] {
        assert_eq!((error.kind(), error.recovery()), (ErrorKind::ServerBusy, Recovery::TryAgain), "{error:?}");
        assert!(error.is_retryable());
    }
    let session = open(OfflinePolicy::GoOn);
    let events = reply(&session, chat(QUESTION), at_most(50));
    let told = |event: &GenerationEvent| match event {
        GenerationEvent::State { link, cause } => *link != LinkState::Online && *cause == Some(LinkCause::Busy),
        _ => false,
    };
    assert!(events.iter().any(told), "{events:?}");
    assert_eq!(session.status().expect("open").cause, Some(LinkCause::Busy));
}
