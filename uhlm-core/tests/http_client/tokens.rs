//! Bearer tokens: sent, renewed once, shared.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use uhlm_core::verifier::http::{HttpConfig, HttpVerifier};
use uhlm_core::verifier::{VerifierError, VerifierExt as _};
use uhlm_net::{BearerToken, TokenError, TokenFuture, TokenProvider};

use crate::support::script::Answer;
use crate::support::server::FaultServer;
use crate::support::{BINARY, LONG, advance, open_request, reply, start, verdict, wait};

fn verifier(config: HttpConfig) -> HttpVerifier {
    HttpVerifier::new(config).expect("a client")
}

/// Gives `token-0`, `token-1` and so on, a new one for each refused one, up to a number.
struct Renewing {
    given: Arc<AtomicUsize>,
    most: usize,
}

impl TokenProvider for Renewing {
    fn token<'a>(&'a self, refused: Option<&'a BearerToken>) -> TokenFuture<'a> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let number = self.given.fetch_add(1, Ordering::SeqCst);
            assert_eq!(refused.is_some(), number > 0);
            if number == self.most {
                return Err(TokenError::Denied);
            }
            Ok(BearerToken::new(&format!("token-{number}")).expect("a token"))
        })
    }
}

fn renewing(server: &FaultServer, most: usize) -> (HttpVerifier, Arc<AtomicUsize>) {
    let given = Arc::new(AtomicUsize::new(0));
    let provider = Renewing { given: Arc::clone(&given), most };
    (verifier(server.config().with_token(provider)), given)
}

/// Answers only requests that carry one token.
fn guarded(token: &'static str) -> FaultServer {
    FaultServer::new(move |seen, _| {
        if seen.header("authorization") == Some(&format!("Bearer {token}")) {
            Answer::frames(BINARY, &verdict()).into()
        } else {
            Answer::new(401, "text/plain", "").into()
        }
    })
}

#[test]
fn a_fixed_token_is_sent_and_a_refusal_of_it_is_final() {
    let server = guarded("right");
    let with = |token| verifier(server.config().with_token(BearerToken::new(token).expect("a token")));
    advance(&with("right"), LONG).expect("an answer");
    assert_eq!(advance(&with("wrong"), LONG).map(drop), Err(VerifierError::Unauthorized));
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn a_refused_token_is_renewed_once_and_the_new_one_kept() {
    let server = guarded("token-1");
    let (client, given) = renewing(&server, 9);
    let frames = advance(&client, LONG).expect("the second token");
    assert!(frames.iter().all(|answer| answer.attempts == 2));
    advance(&client, LONG).expect("the same token");
    assert_eq!((server.seen().len(), given.load(Ordering::SeqCst)), (3, 2));
    assert_eq!(server.seen()[0].body, server.seen()[1].body);
}

#[test]
fn calls_that_are_refused_together_share_the_new_token() {
    let server = guarded("token-1");
    let (client, given) = renewing(&server, 9);
    let calls: Vec<_> = (0..4).map(|_| start(&client, LONG)).collect();
    for (_call, received) in &calls {
        wait(received).expect("an answer");
    }
    assert_eq!(given.load(Ordering::SeqCst), 2);
}

#[test]
fn a_second_refusal_or_a_provider_without_a_token_is_unauthorized() {
    let server = guarded("never");
    let (stubborn, given) = renewing(&server, 9);
    assert_eq!(advance(&stubborn, LONG).map(drop), Err(VerifierError::Unauthorized));
    assert_eq!((server.seen().len(), given.load(Ordering::SeqCst)), (2, 2));
    let (empty, _) = renewing(&server, 1);
    assert_eq!(advance(&empty, LONG).map(drop), Err(VerifierError::Unauthorized));
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn a_forbidden_call_is_unauthorized_without_asking_for_another_token() {
    let server = FaultServer::new(|_, _| Answer::new(403, "text/plain", "").into());
    let (client, given) = renewing(&server, 9);
    let (reply, received) = reply();
    client.open(open_request(), LONG, reply).detach();
    assert_eq!(wait(&received).map(drop), Err(VerifierError::Unauthorized));
    assert_eq!(given.load(Ordering::SeqCst), 1);
}
