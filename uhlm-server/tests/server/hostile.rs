//! Connections that say nothing, or never end what they say, and bodies that are too large or drip, each beside a phone
//! with a token of its own: it loses no token, and its verdicts come.

#![allow(clippy::print_stdout, reason = "the figures of these tests are worth reading")]

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use uhlm_server::{Limits, Tokens};

use crate::device::*;
use crate::support::*;
use crate::synthetic::{Synthetic, greedily as written};

const PEACEFUL: &str = "token-of-the-peaceful-phone";
const HOSTILE: &str = "token-of-somebody-else-here";
/// Time in which a connection has to bring its first request here.
const FIRST_REQUEST: Duration = Duration::from_secs(3);
/// Time that a request may take to arrive here.
const READ_WAIT: Duration = Duration::from_secs(1);
/// Longest text of the phone, in tokens.
const LONGEST: usize = 1000;

fn authorized(token: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {token}").parse().expect("a header"))])
}

/// A server with two tokens, and the phone's client. A connection has `first_request` for its first request.
async fn fixture(first_request: Duration) -> Fixture {
    let mut config = config();
    config.tokens = Tokens::new([PEACEFUL, HOSTILE]).expect("tokens");
    config.limits = Limits { first_request, read_wait: READ_WAIT, ..Limits::default() };
    let mut fixture = Fixture::with(config, Synthetic::sized(16, 32_768, 512).0).await;
    fixture.client = client_for(fixture.handle()).default_headers(authorized(PEACEFUL)).build().expect("a client");
    fixture
}

/// Lets a phone draft and have its drafts judged until `attack` is over; returns how long each verdict took. The text
/// is the target's own, token by token.
async fn verdicts_during<T>(fixture: &Fixture, attack: impl Future<Output = T>) -> (Vec<Duration>, T) {
    let mut attack = std::pin::pin!(attack);
    let mut took = Vec::new();
    loop {
        let session = fixture.open().await;
        let mut text = vec![1, 2];
        for seq in 0.. {
            if text.len() > LONGEST {
                break;
            }
            let draft = written(&text, 3);
            let request = if seq == 0 { greedily(&text, &draft) } else { window(seq, &text, &draft) };
            let asked = Instant::now();
            let answer = session.advance(&request).await.expect("not refused");
            took.push(asked.elapsed());
            assert_eq!(answer.ids(), written(&text, 4), "after {} tokens", text.len());
            text.extend(answer.ids());
            let over = tokio::time::timeout(Duration::from_millis(2), attack.as_mut()).await;
            if let Ok(over) = over {
                return (took, over);
            }
        }
    }
}

/// Prints how the phone fared, without the attack and under it.
async fn endures<T>(fixture: &Fixture, name: &str, attack: impl Future<Output = T>) -> T {
    let p99 = |mut took: Vec<Duration>| {
        took.sort_unstable();
        (took.len(), took[took.len() * 99 / 100].as_secs_f64() * 1e3)
    };
    let (calm, ()) = verdicts_during(fixture, tokio::time::sleep(Duration::from_millis(500))).await;
    let (attacked, outcome) = verdicts_during(fixture, attack).await;
    let ((calm, before), (verdicts, after)) = (p99(calm), p99(attacked));
    println!("{name}: p99 of {calm} verdicts {before:.2} ms, of {verdicts} under attack {after:.2} ms");
    outcome
}

async fn connect(server: SocketAddr) -> TcpStream {
    TcpStream::connect(server).await.expect("connected")
}

/// Waits until the server closes the connection.
async fn until_closed(stream: &mut TcpStream) {
    let mut byte = [0];
    while matches!(stream.read(&mut byte).await, Ok(1)) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_handshakes_that_never_end_a_phone_loses_no_token() {
    let fixture = fixture(FIRST_REQUEST).await;
    let server = fixture.handle().local_addr();
    // The head of a TLS record that announces a greeting of 16 kB, which then comes byte by byte.
    let drips = || async move {
        let mut stream = connect(server).await;
        let _ = stream.write_all(&[22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc, 3, 3]).await;
        let began = Instant::now();
        while stream.write_all(&[0]).await.is_ok() && began.elapsed() < 4 * FIRST_REQUEST {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        began.elapsed()
    };
    let attack = futures_util::future::join_all((0..60).map(|_| drips()));
    let lasted = endures(&fixture, "slow preface", attack).await;
    let longest = lasted.into_iter().max().expect("some");
    assert!(longest < 2 * FIRST_REQUEST, "a handshake that drips is not waited for: {longest:?}");
}

/// Addresses are spread over the loopback network, of which only Linux answers for all.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn beside_silent_sockets_a_phone_loses_no_token() {
    // With `UHLM_SOCKETS=5000` everything else that this process tests at the same time is late.
    let named = std::env::var("UHLM_SOCKETS").ok().and_then(|count| count.parse().ok());
    let sockets: u16 = named.unwrap_or(500);
    let fixture = fixture(3 * FIRST_REQUEST).await;
    let server = fixture.handle().local_addr();
    let attack = async {
        let mut silent = Vec::new();
        for i in 0..sockets {
            let [high, low] = (i / 60).to_be_bytes();
            let from = SocketAddr::from((Ipv4Addr::new(127, 1, high, low + 1), 0));
            let socket = TcpSocket::new_v4().expect("a descriptor");
            socket.bind(from).expect("an address of this host");
            silent.push(socket.connect(server).await.expect("connected"));
        }
        let most = fixture.counters().connections;
        for stream in &mut silent {
            until_closed(stream).await;
        }
        most
    };
    let most = endures(&fixture, &format!("{sockets} silent sockets"), attack).await;
    assert!(most > u64::from(sockets) * 3 / 5, "{most} connections at once");
    fixture.until("only the phone is left", |c| c.connections <= 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_bodies_that_are_too_large_or_drip_a_phone_loses_no_token() {
    let fixture = fixture(FIRST_REQUEST).await;
    let path = format!("{}/v2/sessions", fixture.url);
    let hostile = |announced: Option<usize>, pieces: usize, size: usize, pause: Duration| {
        let client = client_for(fixture.handle()).default_headers(authorized(HOSTILE)).build().expect("a client");
        let path = path.clone();
        async move {
            let pieces = futures_util::stream::iter(0..pieces).then(move |_| async move {
                tokio::time::sleep(pause).await;
                Ok::<_, std::io::Error>(vec![0_u8; size])
            });
            let mut request = client.post(path).body(reqwest::Body::wrap_stream(pieces));
            if let Some(announced) = announced {
                request = request.header(CONTENT_LENGTH, announced);
            }
            request.send().await.map_or(0, |response| response.status().as_u16())
        }
    };
    let large = || async {
        let mut statuses = Vec::new();
        for _ in 0..4 {
            let large = (0..16).map(|i| hostile((i % 2 == 0).then_some(8 << 20), 128, 1 << 16, Duration::ZERO));
            statuses.extend(futures_util::future::join_all(large).await);
        }
        statuses
    };
    let statuses = endures(&fixture, "oversized bodies", large()).await;
    // The server need not read to the end what it has refused: then the connection is reset under the client.
    assert!(statuses.iter().all(|status| matches!(status, 413 | 0)), "{statuses:?}");
    assert!(statuses.contains(&413), "{statuses:?}");
    let dripping = (0..48).map(|_| hostile(Some(1 << 20), 1000, 10, Duration::from_millis(50)));
    let statuses = endures(&fixture, "dripping bodies", futures_util::future::join_all(dripping)).await;
    assert!(statuses.iter().all(|status| matches!(status, 400 | 429 | 0)), "{statuses:?}");
    assert!(statuses.contains(&400), "they are not waited for: {statuses:?}");
}
