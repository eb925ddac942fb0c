//! Which connection a request takes, and when one is given up.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use uhlm_core::verifier::VerifierError;
use uhlm_core::verifier::http::{HttpConfig, HttpVerifier};

use crate::support::script::{Act, Answer};
use crate::support::server::FaultServer;
use crate::support::{BINARY, LONG, SHORT, advance, get_info, info, open, opened, text, verdict};

fn answer() -> Act {
    Answer::frames(BINARY, &verdict()).into()
}

/// Serves pieces of a stream that stays open twice, then whole answers; returns the connections of three requests of
/// which the first two missed their deadlines.
fn connections(pieces: Vec<(Duration, Vec<u8>)>) -> [usize; 3] {
    let server = FaultServer::new(move |_, before| match before {
        0 | 1 => Act::Stream(BINARY.media_type(), pieces.clone(), true),
        _ => answer(),
    });
    let client = server.client();
    for _ in 0..2 {
        assert_eq!(advance(&client, SHORT).map(drop), Err(VerifierError::DeadlineExceeded { deadline: SHORT }));
    }
    advance(&client, LONG).expect("an answer");
    let seen = server.seen();
    [seen[0].connection, seen[1].connection, seen[2].connection]
}

#[test]
fn a_connection_of_http_1_outlives_a_stream_whose_end_comes_after_its_last_frame() {
    let pause = Duration::from_millis(50);
    let body: Vec<u8> = verdict().iter().flat_map(|frame| BINARY.encode_frame(frame)).collect();
    let pieces = vec![(Duration::ZERO, body), (pause, Vec::new())];
    let server = FaultServer::http1(move |_, _| Act::Stream(BINARY.media_type(), pieces.clone(), false));
    let client = server.client();
    for _ in 0..2 {
        advance(&client, LONG).expect("an answer");
        std::thread::sleep(pause * 6);
    }
    assert_eq!(server.seen().iter().map(|seen| seen.connection).collect::<Vec<_>>(), [0, 0]);
}

#[test]
fn a_connection_is_kept_through_which_something_came_before_the_silence() {
    let frame = BINARY.encode_frame(&text(3, &[4, 5, 6]));
    let silent = vec![(Duration::ZERO, frame.clone())];
    assert_eq!(connections(silent), [0, 0, 0], "each time something came before the silence");
    let dripping = frame.iter().map(|byte| (SHORT / 4, vec![*byte])).collect();
    assert_eq!(connections(dripping), [0, 0, 0]);
}

#[test]
fn a_connection_that_the_server_closed_while_idle_is_replaced_without_a_second_attempt() {
    let server = FaultServer::new(|_, before| match before {
        0 => Act::CloseAfter(Answer::ok(BINARY, &info())),
        _ => Answer::ok(BINARY, &opened()).into(),
    });
    let client = server.client();
    get_info(&client, LONG).expect("info");
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(open(&client).map(|answer| answer.attempts), Ok(1));
    assert_eq!(server.seen().iter().map(|seen| seen.connection).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_closed_port_is_unreachable() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let client = HttpVerifier::new(HttpConfig::new(format!("https://{free}"))).expect("a client");
    assert!(matches!(get_info(&client, LONG), Err(VerifierError::Unreachable { .. })));
}

#[test]
fn a_server_that_accepts_and_says_nothing_ends_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let client = HttpVerifier::new(HttpConfig::new(format!("https://{address}"))).expect("a client");
    let asked = Instant::now();
    assert_eq!(get_info(&client, SHORT).map(drop), Err(VerifierError::DeadlineExceeded { deadline: SHORT }));
    assert!(asked.elapsed() >= SHORT && asked.elapsed() < Duration::from_secs(5));
}

#[test]
fn the_connect_timeout_is_unreachable_before_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("https://{}", listener.local_addr().expect("an address"));
    let client = HttpVerifier::new(HttpConfig { connect_timeout: SHORT / 3, ..HttpConfig::new(endpoint) });
    let failed = get_info(&client.expect("a client"), LONG);
    assert!(
        matches!(&failed, Err(VerifierError::Unreachable { reason }) if reason.contains("timed out")),
        "{failed:?}"
    );
}

#[test]
fn after_two_missed_deadlines_in_a_row_the_next_request_takes_a_new_connection() {
    let server = FaultServer::new(|_, before| if matches!(before, 0 | 2 | 3) { Act::Hang } else { answer() });
    let client = server.client();
    assert!(advance(&client, SHORT).is_err());
    advance(&client, LONG).expect("the connection works");
    for _ in 0..2 {
        assert!(advance(&client, SHORT).is_err());
    }
    advance(&client, LONG).expect("an answer");
    let seen: Vec<_> = server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(seen, [0, 0, 0, 0, 1], "a dead connection is not used a third time, one that works is kept");
}

#[test]
fn deadlines_that_are_missed_together_are_one() {
    let server = FaultServer::new(|_, before| if before < 3 { Act::Hang } else { answer() });
    let client = server.client();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert!(advance(&client, SHORT).is_err()));
        }
    });
    advance(&client, LONG).expect("an answer");
    let seen: Vec<_> = server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(seen.last(), seen.first(), "{seen:?}");
}

#[test]
fn reconnecting_leaves_the_old_connection() {
    let server = FaultServer::new(|_, _| answer());
    let client = server.client();
    advance(&client, LONG).expect("an answer");
    client.reconnect();
    advance(&client, LONG).expect("an answer");
    let seen = server.seen();
    assert_ne!(seen[0].connection, seen[1].connection);
}

#[test]
fn many_calls_at_once_share_the_connection() {
    let server = FaultServer::new(|_, _| Answer::ok(BINARY, &info()).into());
    let client = server.client();
    get_info(&client, LONG).expect("warm");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| get_info(&client, LONG).expect("an answer"));
        }
    });
    assert!(server.seen().iter().all(|seen| seen.connection == 0));
}
