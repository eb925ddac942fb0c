//! The support that the tests of the HTTPS client share: a server that misbehaves, and calls that wait.

pub mod script;
pub mod server;

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use uhlm_core::verifier::http::HttpVerifier;
use uhlm_core::verifier::{Answer, Call, VerifierError, VerifierExt as _};
use uhlm_law::advance::{
    Advance, Capabilities, Encoding, EndReason, Frame, Grants, Info, Labelling, Limits, Open, Opened, PROTOCOL,
    PrefixHash, SessionId, Text,
};
use uhlm_law::digest::Digest;
use uhlm_law::fingerprint::Blocks;

/// Long enough that no test waits for it, short enough that a hanging one ends.
pub const LONG: Duration = Duration::from_secs(20);
/// A deadline that is meant to be missed.
pub const SHORT: Duration = Duration::from_millis(500);
/// Token ids of the served model.
pub const VOCABULARY: u32 = 1000;
/// A session's name.
pub const SESSION: SessionId = SessionId([0x0a, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff]);
/// The encoding that most tests use.
pub const BINARY: Encoding = Encoding::Binary;

pub type Heard<T> = Result<Answer<T>, VerifierError>;
pub type Received<T> = Receiver<Heard<T>>;

/// A reply and where it arrives.
pub fn reply<T: Send + 'static>() -> (impl FnMut(Heard<T>) + Send + 'static, Received<T>) {
    let (sender, receiver) = channel();
    (move |answer| drop(sender.send(answer)), receiver)
}

pub fn wait<T>(received: &Received<T>) -> Heard<T> {
    received.recv_timeout(LONG).expect("a reply")
}

pub fn info() -> Info {
    Info {
        protocol: PROTOCOL.into(),
        model: "scripted".into(),
        fingerprint: Digest([1; 32]),
        vocabulary: Digest([2; 32]),
        capabilities: Capabilities::MATCHED,
        limits: Limits { vocabulary_size: VOCABULARY, context: 4096, max_draft: 16, max_body: 1 << 20 },
        ends: Vec::new(),
        blocks: Blocks::default(),
        engine: String::new(),
        vocabulary_file: None,
        hands_off: false,
    }
}

pub fn open_request() -> Open {
    Open { vocabulary: info().vocabulary, needs: Capabilities::MATCHED }
}

pub fn opened() -> Opened {
    Opened { session: SESSION, info: info() }
}

/// A window of three tokens.
pub fn window(seq: u32) -> Advance {
    Advance {
        generation: 0,
        seq,
        have: 3,
        base: 2,
        check: PrefixHash::of(&[1, 2]),
        stand: vec![3],
        draft: vec![4, 5, 6],
        grants: Grants::NONE,
        labels: Labelling::NONE,
        begin: None,
        deadline_ms: None,
    }
}

/// A frame of text.
pub fn text(pos: u32, ids: &[u32]) -> Frame {
    let check = PrefixHash::of(&(1..=pos).collect::<Vec<_>>()).short();
    Frame::Text(Text {
        pos,
        check,
        ids: ids.to_vec(),
        passes: 1,
        pass_us: Some(2000),
        queue_us: Some(10),
        rows: Some(1),
        labels: None,
    })
}

/// The last frame.
pub fn end() -> Frame {
    Frame::End(EndReason::Granted)
}

/// The answer to [`window`]: all of it and one token more.
pub fn verdict() -> Vec<Frame> {
    vec![text(3, &[4, 5, 6, 7]), end()]
}

pub fn get_info(client: &HttpVerifier, deadline: Duration) -> Result<Answer<Info>, VerifierError> {
    let (reply, received) = reply();
    client.info(deadline, reply).detach();
    wait(&received)
}

pub fn open(client: &HttpVerifier) -> Result<Answer<Opened>, VerifierError> {
    let (reply, received) = reply();
    client.open(open_request(), LONG, reply).detach();
    wait(&received)
}

/// Asks, and returns the call and where its frames arrive.
pub fn start(client: &HttpVerifier, silence: Duration) -> (Call, Received<Frame>) {
    let (reply, frames) = reply();
    (client.advance(SESSION, window(1), silence, reply), frames)
}

/// Every frame, and the failure if there is one, until the client drops the reply.
pub fn all(frames: &Received<Frame>) -> Vec<Result<Answer<Frame>, VerifierError>> {
    std::iter::from_fn(|| frames.recv_timeout(LONG).ok()).collect()
}

/// Asks, and returns the frames with what they cost, or the failure that ended them.
pub fn advance(client: &HttpVerifier, silence: Duration) -> Result<Vec<Answer<Frame>>, VerifierError> {
    let (call, frames) = start(client, silence);
    call.detach();
    all(&frames).into_iter().collect()
}
