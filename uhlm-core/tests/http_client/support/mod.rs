//! What the tests of the HTTPS client share: a server that misbehaves, certificates, and calls that wait.

pub mod certificates;
pub mod server;

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use uhlm_core::verifier::http::HttpVerifier;
use uhlm_core::verifier::{Answer, Reply, Verifier as _, VerifierError};
use uhlm_law::protocol::{
    Digest, DrawsRequest, DrawsResponse, Encoding, Info, OpenRequest, OpenResponse, PROTOCOL, PrefixHash, Timing,
    VerifyRequest, VerifyResponse,
};
use uhlm_law::sampling::SamplingParams;
use uhlm_law::speculative::Outcome;

/// Long enough that no test waits for it, short enough that a hanging one ends.
pub const LONG: Duration = Duration::from_secs(20);
/// A deadline that is meant to be missed.
pub const SHORT: Duration = Duration::from_millis(500);
/// Token ids of the served model.
pub const VOCABULARY: u32 = 1000;
/// A session's name.
pub const SESSION: &str = "0123456789abcdef0123456789abcdef";

pub type Received<T> = Receiver<Result<Answer<T>, VerifierError>>;

/// A reply and where it arrives.
pub fn reply<T: Send + 'static>() -> (Reply<T>, Received<T>) {
    let (sender, receiver) = channel();
    (Box::new(move |answer| drop(sender.send(answer))), receiver)
}

pub fn wait<T>(received: &Received<T>) -> Result<Answer<T>, VerifierError> {
    received.recv_timeout(LONG).expect("a reply")
}

pub fn info() -> Info {
    Info {
        protocol: PROTOCOL.into(),
        model: "scripted".into(),
        fingerprint: Digest([1; 32]),
        vocabulary: Digest([2; 32]),
        vocabulary_size: VOCABULARY,
        context: 4096,
    }
}

pub fn open_request() -> OpenRequest {
    OpenRequest { vocabulary: info().vocabulary, sampling: SamplingParams::default(), seed: 1, grammar: None }
}

pub fn opened() -> OpenResponse {
    OpenResponse { session: SESSION.into(), info: info() }
}

/// A window of three tokens.
pub fn window(seq: u32) -> VerifyRequest {
    VerifyRequest {
        seq,
        base: 2,
        base_check: PrefixHash::of(&[1, 2]),
        append: vec![3],
        draft: vec![4, 5, 6],
        levels: vec![0.1, 0.2, 0.3],
        bonus: true,
        pipelined: false,
    }
}

/// The verdict that accepts it.
pub fn verdict(seq: u32) -> VerifyResponse {
    VerifyResponse {
        seq,
        probs: vec![0.5, 0.5, 0.5],
        outcome: Outcome::Accepted { bonus: Some(7) },
        timing: Timing { queue_us: 10, decode_us: 2000 },
    }
}

/// Reads a verify request as the server got it.
pub fn read_window(body: &[u8]) -> VerifyRequest {
    Encoding::Binary.decode(body).expect("a verify request")
}

pub fn get_info(client: &HttpVerifier, deadline: Duration) -> Result<Answer<Info>, VerifierError> {
    let (reply, received) = reply();
    client.info(deadline, reply).detach();
    wait(&received)
}

pub fn open(client: &HttpVerifier) -> Result<Answer<OpenResponse>, VerifierError> {
    let (reply, received) = reply();
    client.open(open_request(), LONG, reply).detach();
    wait(&received)
}

pub fn verify(client: &HttpVerifier, deadline: Duration) -> Result<Answer<VerifyResponse>, VerifierError> {
    let (reply, received) = reply();
    client.verify(SESSION, window(1), deadline, reply).detach();
    wait(&received)
}

pub fn draws(client: &HttpVerifier, count: u32) -> Result<Answer<DrawsResponse>, VerifierError> {
    let (reply, received) = reply();
    client.draws(SESSION, DrawsRequest { seq: 1, from: 4, count }, LONG, reply).detach();
    wait(&received)
}
