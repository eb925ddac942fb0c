//! What is refused, how, and that it changes nothing.

use uhlm_law::advance::*;
use uhlm_law::advance::{ErrorBody, ErrorCode};
use uhlm_law::digest::Digest;
use uhlm_law::sampling::SamplingParams;

use crate::device::*;
use crate::support::*;
use crate::synthetic::{Synthetic, greedily as written, greedy};

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_refused_with_400_and_leaves_the_session_as_it_was() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let session = fixture.open().await;
    let good = greedily(&[1, 2], &[3]);
    let begun = good.begin.clone().unwrap();
    let with = |begin: Begin| Advance { begin: Some(begin), ..good.clone() };
    let hot = SamplingParams { temperature: -1.0, ..SamplingParams::default() };
    let wrong = [
        greedily(&[1, 99], &[3]),
        greedily(&[1], &[99]),
        greedily(&[1], &[3; 257]),
        Advance { have: 1, ..good.clone() },
        with(Begin { sampling: hot, ..begun.clone() }),
        with(Begin { reply_start: 0, ..begun.clone() }),
        with(Begin { max_tokens: 0, ..begun.clone() }),
        with(Begin { stop: vec![String::new()], ..begun.clone() }),
        with(Begin { stop: vec!["x".into(); 65], ..begun.clone() }),
    ];
    for request in &wrong {
        let refused = session.advance(request).await.unwrap_err();
        assert_eq!(refused.body.code, ErrorCode::Malformed, "{request:?}");
    }
    let not_begun = Advance { begin: None, ..good.clone() };
    assert_eq!(session.advance(&not_begun).await.unwrap_err().body.code, ErrorCode::Desync);
    let bodies = [&b""[..], b"\x00", &[0xff; 40], &[&Encoding::Binary.encode(&good)[..], b"\x01\x00"].concat()];
    for body in bodies {
        let request = fixture.client.post(format!("{}{}", fixture.url, session.path())).body(body.to_vec());
        let response = request.header("content-type", MEDIA_BINARY).send().await.unwrap();
        assert_eq!(accepted(response).await.unwrap_err().status, 400, "{body:?}");
    }
    let request = fixture.client.post(format!("{}{}", fixture.url, session.path())).body("{}");
    let response = request.header("content-type", "text/plain").send().await.unwrap();
    assert_eq!(accepted(response).await.unwrap_err().status, 400);
    assert_eq!(session.advance(&good).await.unwrap().ids()[0], greedy(&[1, 2]));
    assert_eq!(fixture.counters().passes, 1);
    let otherwise = Advance { seq: 1, ..with(Begin { seed: 8, ..begun }) };
    let refused = session.advance(&otherwise).await.unwrap_err();
    assert_eq!(refused.body.code, ErrorCode::Malformed, "a generation does not begin twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_come_as_statuses_before_the_stream() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let session = fixture.open().await;
    let streamed = Advance { grants: Grants::UNLIMITED, ..greedily(&[1], &[]) };
    let ahead = Advance { base: 2, check: PrefixHash::of(&[5, 6]), have: 3, ..streamed.clone() };
    let refused = session.advance(&ahead).await.unwrap_err();
    assert_eq!((refused.status, refused.body.held), (409, Some(0)));
    let unknown = Advance { stand: vec![99], ..streamed.clone() };
    assert_eq!(session.advance(&unknown).await.unwrap_err().status, 400);
    let request = Advance { begin: Some(Begin { max_tokens: 5, ..streamed.begin.clone().unwrap() }), ..streamed };
    assert_eq!(session.advance(&request).await.unwrap().ids(), written(&[1], 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_vocabulary_and_a_need_that_is_not_met_are_refused_with_422() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let good = fixture.open_request();
    let other = Open { vocabulary: Digest([9; 32]), ..good };
    assert_eq!(fixture.try_open(&other).await.err().unwrap().body.code, ErrorCode::Unsupported);
    // A capability that this version does not know, by name and by bit.
    let vocabulary = good.vocabulary;
    let json = format!(r#"{{"vocabulary":"{vocabulary}","needs":["runs_ahead","reads_minds"]}}"#);
    let binary = [&vocabulary.0[..], &[0x81, 1]].concat();
    for (media, body) in [(MEDIA_JSON, json.into_bytes()), (MEDIA_BINARY, binary)] {
        let request = fixture.client.post(format!("{}/v2/sessions", fixture.url)).body(body);
        let refused = answer::<Opened>(request.header("content-type", media).send().await.unwrap()).await.unwrap_err();
        assert_eq!(refused.body.code, ErrorCode::Unsupported, "{media}");
    }
    assert_eq!(fixture.counters().sessions_opened, 0);
    fixture.try_open(&Open { needs: Capabilities::NONE, ..good }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_and_methods_are_answered_in_the_protocols_own_form() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let get = async |path: &str| fixture.client.get(format!("{}{path}", fixture.url)).send().await.unwrap();
    for (path, status) in [("/", 404), ("/v1/info", 404), ("/v2/sessions", 405)] {
        let response = get(path).await;
        assert_eq!(response.status(), status, "{path}");
        let body = response.bytes().await.unwrap();
        let error: ErrorBody = Encoding::Binary.decode(&body).unwrap();
        assert_eq!(error.code, ErrorCode::Malformed);
    }
}
