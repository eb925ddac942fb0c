//! What crosses the wire: bytes counted, headers kept few, and the examples of `docs/protocol.md` as they are written there.

use std::path::Path;
use std::time::Duration;

use uhlm_law::protocol::*;
use uhlm_law::speculative::{DRAWS_PER_REJECTION, Outcome, Replacement};

use crate::support::*;
use crate::synthetic::Synthetic;

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
    std::fs::read_to_string(path).expect("docs/protocol.md")
}

/// The bytes of a hex listing in the document that follows a marker.
fn hex(document: &str, marker: &str) -> Vec<u8> {
    let after = document.split(&format!("<!-- {marker} -->")).nth(1).expect("the marker");
    let listing = after.split("```").nth(1).expect("a listing");
    let digits: Vec<char> = listing.lines().skip(1).flat_map(|line| line.split(';').next().unwrap().chars()).collect();
    let digits: String = digits.into_iter().filter(char::is_ascii_hexdigit).collect();
    (0..digits.len() / 2).map(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn json<'a>(document: &'a str, marker: &str) -> &'a str {
    let after = document.split(&format!("<!-- {marker} -->")).nth(1).expect("the marker");
    after.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a listing").trim()
}

fn example_request() -> VerifyRequest {
    VerifyRequest {
        seq: 7,
        base: 412,
        base_check: Encoding::Binary.decode(&[0x5d, 0x1c, 0x0b, 0xe2]).unwrap(),
        append: vec![1917],
        draft: vec![278, 1900, 29_889],
        levels: vec![0.0, 0.25, 0.031_25],
        bonus: true,
        pipelined: false,
    }
}

fn example_response() -> VerifyResponse {
    VerifyResponse {
        seq: 7,
        probs: vec![0.5, 0.125],
        outcome: Outcome::Rejected { replacement: Replacement::Draws(vec![(310, 0.25), (278, 0.0625)]) },
        timing: Timing { queue_us: 310, decode_us: 42_000 },
    }
}

#[test]
fn the_examples_in_the_protocol_document_are_what_is_sent() {
    let document = document();
    let (request, response) = (example_request(), example_response());
    assert_eq!(hex(&document, "request"), Encoding::Binary.encode(&request));
    assert_eq!(hex(&document, "response"), Encoding::Binary.encode(&response));
    let accepted = VerifyResponse { outcome: Outcome::Accepted { bonus: Some(13) }, ..response.clone() };
    assert_eq!(
        hex(&document, "accepted"),
        Encoding::Binary.encode(&VerifyResponse { probs: vec![0.5, 0.375, 0.125], ..accepted })
    );
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(value(json(&document, "request-json")), serde_json::to_value(&request).unwrap());
    assert_eq!(value(json(&document, "response-json")), serde_json::to_value(&response).unwrap());
}

#[test]
fn the_sizes_in_the_protocol_document_are_those_of_the_encoding() {
    let document = document();
    for tokens in [1usize, 4, 8, 16] {
        let request = VerifyRequest {
            append: vec![1917],
            draft: vec![1900; tokens],
            levels: vec![0.25; tokens],
            ..example_request()
        };
        let accepted = VerifyResponse {
            probs: vec![0.5; tokens],
            outcome: Outcome::Accepted { bonus: Some(1900) },
            ..example_response()
        };
        let rejected = VerifyResponse {
            probs: vec![0.5; tokens],
            outcome: Outcome::Rejected { replacement: Replacement::Draws(vec![(1900, 0.25); DRAWS_PER_REJECTION]) },
            ..example_response()
        };
        let size = |bytes: Vec<u8>| bytes.len();
        let row = format!(
            "| {tokens} | {} | {} | {} |",
            size(Encoding::Binary.encode(&request)),
            size(Encoding::Binary.encode(&accepted)),
            size(Encoding::Binary.encode(&rejected))
        );
        assert!(document.contains(&row), "the document lacks: {row}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_has_no_header_but_its_type_and_length() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let session = fixture.open().await;
    for client in [fixture.client.clone(), client_for(fixture.handle()).http1_only().build().unwrap()] {
        let request = client.post(format!("{}{}", fixture.url, session.path("verify")));
        let body = Encoding::Binary.encode(&window(1, &[], &[1], &[2], 0.0));
        let response = request.header("content-type", MEDIA_BINARY).body(body).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let mut names: Vec<_> = response.headers().keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-length", "content-type"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_and_wire_bytes_are_counted() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let session = fixture.open().await;
    session.verify(&window(1, &[], &[1], &[2], 0.0)).await.unwrap();
    // What is written is counted a moment after it can be read.
    let settled = async || {
        tokio::time::sleep(Duration::from_millis(50)).await;
        fixture.counters()
    };
    const ROUNDS: u64 = 10;
    let before = settled().await;
    let (mut up, mut down) = (0, 0);
    for seq in 2..2 + ROUNDS as u32 {
        let request = window(seq, &[1, 2], &[3], &[4, 5, 6, 7], 0.0);
        let verdict = session.verify(&request).await.unwrap();
        up += Encoding::Binary.encode(&request).len() as u64;
        down += Encoding::Binary.encode(&verdict).len() as u64;
    }
    let after = settled().await;
    assert_eq!(after.body_bytes_in - before.body_bytes_in, up);
    assert_eq!(after.body_bytes_out - before.body_bytes_out, down);
    // HTTP/2 frames, compressed headers and TLS records of a warm connection: 111 and 47 bytes a round when this was
    // written, as the document says; a window update may join.
    let up_overhead = (after.wire_bytes_in - before.wire_bytes_in - up) / ROUNDS;
    let down_overhead = (after.wire_bytes_out - before.wire_bytes_out - down) / ROUNDS;
    assert!((20..140).contains(&up_overhead), "{up_overhead} bytes up");
    assert!((20..80).contains(&down_overhead), "{down_overhead} bytes down");
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_are_shown_in_prometheus_text_form() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let session = fixture.open().await;
    session.verify(&window(1, &[], &[1], &[2, 3], 0.0)).await.unwrap();
    session.verify(&window(2, &[1], &[4], &[2, 3], 1.0)).await.unwrap();
    session.verify(&window(2, &[1], &[4], &[2; 300], 1.0)).await.unwrap_err();
    let response = fixture.client.get(format!("{}/metrics", fixture.url)).send().await.unwrap();
    let text = response.text().await.unwrap();
    for line in [
        "uhlm_sessions_open 1",
        "uhlm_verdicts_total{outcome=\"accepted\"} 1",
        "uhlm_verdicts_total{outcome=\"rejected\"} 1",
        "uhlm_judged_tokens_total 3",
        "uhlm_accepted_tokens_total 2",
        "uhlm_passes_total 2",
        "uhlm_requests_total{route=\"open\",status=\"200\"} 1",
        "uhlm_requests_total{route=\"verify\",status=\"200\"} 2",
        "uhlm_requests_total{route=\"verify\",status=\"400\"} 1",
        "uhlm_pass_sessions_count 2",
        "uhlm_queue_seconds_count 2",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}
