//! Connections that ask for nothing, or too much at once. Plain TCP, so that the frames can be made by hand.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use uhlm_server::{Limits, TlsSource};

use crate::device::*;
use crate::support::*;
use crate::synthetic::{Synthetic, greedy};

const LONG: Duration = Duration::from_secs(10);

async fn plain(limits: Limits) -> Fixture {
    let mut config = config();
    config.tls = TlsSource::Off;
    config.limits = limits;
    Fixture::with(config, Synthetic::large().0).await
}

async fn connect(fixture: &Fixture) -> TcpStream {
    TcpStream::connect(fixture.handle().local_addr()).await.expect("connected")
}

/// What the server sends until it closes the connection.
async fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    // A reset is an end as well.
    let _ = tokio::time::timeout(LONG, stream.read_to_end(&mut heard)).await.expect("closed in time");
    heard
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;
const ENHANCE_YOUR_CALM: u32 = 11;

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn preface() -> Vec<u8> {
    [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, &[])].concat()
}

/// `GET /` on a host, as HPACK has it.
const GET: &[u8] = &[0x82, 0x86, 0x84, 0x41, 1, b'x'];

/// The error code of the frame by which a server takes its leave.
fn goaway(mut heard: &[u8]) -> Option<u32> {
    while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = heard {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let payload = rest.get(..length)?;
        if *kind == GOAWAY {
            return Some(u32::from_be_bytes(payload.get(4..8)?.try_into().ok()?));
        }
        heard = &rest[length..];
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_do_not_keep_a_connection_on_which_nothing_is_asked() {
    let limits = Limits { first_request: Duration::from_millis(300), ..Limits::default() };
    let fixture = plain(limits).await;
    let (mut reader, mut writer) = connect(&fixture).await.into_split();
    writer.write_all(&preface()).await.unwrap();
    let pings = tokio::spawn(async move {
        while writer.write_all(&frame(PING, 0, 0, &[0; 8])).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut heard = Vec::new();
    let _ = tokio::time::timeout(LONG, reader.read_to_end(&mut heard)).await.expect("closed in time");
    tokio::time::timeout(LONG, pings).await.expect("nobody listens").unwrap();
    fixture.until("it is gone", |c| c.connections == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_a_request_is_closed_and_one_that_waits_for_an_answer_is_not() {
    let (target, remote) = Synthetic::large();
    let mut config = config();
    config.limits = Limits { connection_idle: Duration::from_millis(200), ..Limits::default() };
    let fixture = Fixture::with(config, target).await;
    let session = fixture.open().await;
    remote.hold();
    let request = greedily(&[1], &[2]);
    let (answer, ()) = tokio::join!(session.advance(&request), async {
        remote.until_waiting().await;
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(fixture.counters().connections, 1);
        remote.release();
    });
    assert_eq!(answer.unwrap().ids()[0], greedy(&[1]));
    fixture.until("it is closed", |c| c.connections == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_sockets_of_one_address_are_few_and_soon_gone_and_phones_that_asked_are_not_counted() {
    let limits = Limits { strangers: 3, first_request: Duration::from_millis(400), ..Limits::default() };
    let fixture = plain(limits).await;
    let mut phones = Vec::new();
    for _ in 0..6 {
        let client = reqwest::Client::new();
        assert_eq!(client.get(format!("{}/v2/info", fixture.url)).send().await.unwrap().status(), 200);
        phones.push(client);
    }
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(connect(&fixture).await);
    }
    fixture.until("most are refused", |c| c.connections <= 9).await;
    for stream in &mut silent {
        until_closed(stream).await;
    }
    fixture.until("the phones are left", |c| c.connections == 6).await;
    assert_eq!(fixture.open().await.advance(&greedily(&[1], &[2])).await.unwrap().ids()[0], greedy(&[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_resets_what_it_asks_at_once_is_sent_away() {
    let fixture = plain(Limits::default()).await;
    let mut stream = connect(&fixture).await;
    let mut burst = preface();
    for i in 0..500 {
        burst.extend(frame(HEADERS, END_HEADERS, 2 * i + 1, GET));
        burst.extend(frame(RST_STREAM, 0, 2 * i + 1, &[0, 0, 0, 8]));
    }
    // The server may close before it has taken everything.
    let _ = stream.write_all(&burst).await;
    assert_eq!(goaway(&until_closed(&mut stream).await), Some(ENHANCE_YOUR_CALM));
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_without_an_end_are_not_collected() {
    let fixture = plain(Limits::default()).await;
    let mut stream = connect(&fixture).await;
    let mut burst = [preface(), frame(HEADERS, 0, 1, GET)].concat();
    (0..500).for_each(|_| burst.extend(frame(CONTINUATION, 0, 1, &[])));
    let _ = stream.write_all(&burst).await;
    assert_eq!(goaway(&until_closed(&mut stream).await), Some(ENHANCE_YOUR_CALM));
    assert_eq!(fixture.open().await.advance(&greedily(&[1], &[2])).await.unwrap().ids()[0], greedy(&[1]));
}
