//! Who is let in, over which TLS.

use std::time::Duration;

use http::StatusCode;
use uhlm_law::advance::{Encoding, ErrorCode, Info, MEDIA_BINARY, MEDIA_VOCABULARY, Opened, PROTOCOL};
use uhlm_server::{AuthError, ServerError, TlsError, TlsSource, Tokens};

use crate::device::*;
use crate::support::*;
use crate::synthetic::{Synthetic, VOCABULARY_FILE, greedy};

const A: &str = "token-of-the-first-app";
const B: &str = "token-of-the-second-app";

async fn with_tokens() -> Fixture {
    let mut config = config();
    config.tokens = Tokens::new([A, B]).unwrap();
    Fixture::with(config, Synthetic::large().0).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_known_token_nothing_is_answered_but_the_health_checks() {
    let fixture = with_tokens().await;
    let get = async |path: &str, token: Option<&str>| {
        let request = fixture.client.get(format!("{}{path}", fixture.url));
        let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
        request.send().await.unwrap()
    };
    assert_eq!(get("/healthz", None).await.text().await.unwrap(), "ok\n");
    assert_eq!(get("/readyz", None).await.text().await.unwrap(), "ok\n");
    assert_eq!(get("/metrics", None).await.status(), 401, "a proxy on this host may have passed it on");
    assert_eq!(get("/metrics", Some(A)).await.status(), 200);
    for token in [None, Some("wrong"), Some("token-of-the-first-apq")] {
        let refused = answer::<Info>(get("/v2/info", token).await).await.unwrap_err();
        assert_eq!(refused.body.code, ErrorCode::Unauthorized);
    }
    let refused = fixture.try_open(&fixture.open_request()).await.err().unwrap();
    assert_eq!(refused.status, 401);
    let info: Info = answer(get("/v2/info", Some(A)).await).await.unwrap();
    assert_eq!((info.protocol.as_str(), info.limits.vocabulary_size), (PROTOCOL, 40));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vocabulary_that_info_offers_is_sent_under_its_hash_and_to_a_known_token_only() {
    let fixture = with_tokens().await;
    let get = async |path: &str, token: &str| {
        fixture.client.get(format!("{}{path}", fixture.url)).bearer_auth(token).send().await.unwrap()
    };
    let info: Info = answer(get("/v2/info", A).await).await.unwrap();
    let offer = info.vocabulary_file.expect("an offer");
    assert_eq!(offer.bytes as usize, VOCABULARY_FILE.len());
    let path = format!("/v2/vocabulary/{}", offer.sha256);
    let file = get(&path, A).await;
    assert_eq!((file.status(), file.headers()["content-type"].to_str().unwrap()), (StatusCode::OK, MEDIA_VOCABULARY));
    assert_eq!(file.bytes().await.unwrap(), VOCABULARY_FILE);
    assert_eq!(get(&path, "wrong").await.status(), 401);
    for other in ["/v2/vocabulary/abc".to_owned(), format!("/v2/vocabulary/{}", "0".repeat(64))] {
        assert_eq!(get(&other, A).await.status(), 410, "{other}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_does_not_exist_for_another_token() {
    let fixture = with_tokens().await;
    let open = fixture.open_request();
    let post = async |path: &str, token: &str, body: Vec<u8>| {
        let request = fixture.client.post(format!("{}{path}", fixture.url)).bearer_auth(token).body(body);
        request.header("content-type", MEDIA_BINARY).send().await.unwrap()
    };
    let opened: Opened = answer(post("/v2/sessions", A, Encoding::Binary.encode(&open)).await).await.unwrap();
    let path = format!("/v2/sessions/{}/advance", opened.session);
    let request = Encoding::Binary.encode(&greedily(&[1], &[2]));
    let refused = accepted(post(&path, B, request.clone()).await).await.err().unwrap();
    assert_eq!(refused.body.code, ErrorCode::Gone);
    let delete = async |token: &str| {
        let url = format!("{}/v2/sessions/{}", fixture.url, opened.session);
        fixture.client.delete(url).bearer_auth(token).send().await.unwrap().status()
    };
    assert_eq!(delete(B).await, 410);
    let response = accepted(post(&path, A, request).await).await.unwrap();
    assert_eq!(Stream::new(response).rest().await.ids()[0], greedy(&[1]));
    assert_eq!(delete(A).await, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_address_is_not_served_without_tokens_or_without_tls() {
    let mut config = config();
    config.listen = "0.0.0.0:0".parse().unwrap();
    let error = Fixture::try_with(config.clone(), Synthetic::large().0).await.err().expect("refused");
    assert!(matches!(error, ServerError::Auth(AuthError::Open { .. })), "{error}");
    config.tokens = Tokens::new([A]).unwrap();
    config.tls = TlsSource::Off;
    let error = Fixture::try_with(config, Synthetic::large().0).await.err().expect("refused");
    assert!(matches!(error, ServerError::Tls(TlsError::PlainOnPublicAddress)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_of_a_public_address_need_a_token() {
    let mut config = config();
    config.listen = "0.0.0.0:0".parse().unwrap();
    config.tokens = Tokens::new([A]).unwrap();
    let fixture = Fixture::with(config, Synthetic::large().0).await;
    let url = format!("https://localhost:{}/metrics", fixture.handle().local_addr().port());
    assert_eq!(fixture.client.get(&url).send().await.unwrap().status(), 401);
    assert_eq!(fixture.client.get(&url).bearer_auth(A).send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tokens_counters_are_shown_on_this_host_and_not_through_a_proxy() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let get = || fixture.client.get(format!("{}/metrics", fixture.url));
    assert_eq!(get().send().await.unwrap().status(), 200);
    assert_eq!(get().header("x-forwarded-for", "192.0.2.1").send().await.unwrap().status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_that_share_a_token_are_told_apart_by_their_labels() {
    let mut config = config();
    config.tokens = Tokens::new([A]).unwrap();
    config.device_labels = true;
    config.limits.owner.sessions = 1;
    let fixture = Fixture::with(config, Synthetic::large().0).await;
    let open = async |token: &str| {
        let body = Encoding::Binary.encode(&fixture.open_request());
        let request = fixture.client.post(format!("{}/v2/sessions", fixture.url)).bearer_auth(token).body(body);
        answer::<Opened>(request.header("content-type", MEDIA_BINARY).send().await.unwrap()).await
    };
    let (phone, tablet) = (format!("{A}~phone"), format!("{A}~tablet"));
    let opened = open(&phone).await.unwrap();
    assert_eq!(open(&phone).await.unwrap_err().status, 429, "its quota is used up");
    open(&tablet).await.unwrap();
    let url = format!("{}/v2/sessions/{}", fixture.url, opened.session);
    let delete = async |token: &str| fixture.client.delete(&url).bearer_auth(token).send().await.unwrap().status();
    for (token, status) in [(&tablet[..], 410), (A, 410), (&phone[..], 204)] {
        assert_eq!(delete(token).await, status, "{token}");
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_read_again_at_a_hangup() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens");
    std::fs::write(&file, A).unwrap();
    let mut config = config();
    config.token_file = Some(file.clone());
    let fixture = Fixture::with(config, Synthetic::large().0).await;
    let get = async |token: &str| {
        let request = fixture.client.get(format!("{}/v2/info", fixture.url)).bearer_auth(token);
        request.send().await.unwrap().status()
    };
    assert_eq!((get(A).await, get(B).await), (http::StatusCode::OK, http::StatusCode::UNAUTHORIZED));
    std::fs::write(&file, B).unwrap();
    let pid = std::process::id().to_string();
    assert!(std::process::Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    for _ in 0..1000 {
        if get(B).await == 200 {
            assert_eq!(get(A).await, 401);
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the tokens were not read again");
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_and_http_1_are_spoken_over_tls_1_3_only() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let get = async |client: reqwest::Client| client.get(format!("{}/healthz", fixture.url)).send().await;
    let version = get(fixture.client.clone()).await.unwrap().version();
    assert_eq!(version, http::Version::HTTP_2);
    let old = client_for(fixture.handle()).http1_only().build().unwrap();
    assert_eq!(get(old).await.unwrap().version(), http::Version::HTTP_11);
    let older = client_for(fixture.handle()).tls_version_max(reqwest::tls::Version::TLS_1_2).build().unwrap();
    assert!(get(older).await.is_err(), "TLS 1.2 is off");
    let stranger = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
    assert!(get(stranger).await.is_err(), "a client that does not know the certificate");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_1_2_can_be_let_in_and_a_certificate_given() {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut config = config();
    config.tls = TlsSource::Files { certificate, key };
    config.tls12 = true;
    let fixture = Fixture::with(config, Synthetic::large().0).await;
    let url = format!("https://localhost:{}/healthz", fixture.handle().local_addr().port());
    let old = client_for(fixture.handle()).tls_version_max(reqwest::tls::Version::TLS_1_2).build().unwrap();
    assert_eq!(old.get(&url).send().await.unwrap().status(), 200);
    assert_eq!(fixture.client.get(&url).send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tls_a_proxy_on_the_same_host_is_served() {
    let mut config = config();
    config.tls = TlsSource::Off;
    let fixture = Fixture::with(config, Synthetic::large().0).await;
    assert!(fixture.handle().certificate().is_none());
    let session = fixture.open().await;
    assert_eq!(session.advance(&greedily(&[1], &[2])).await.unwrap().ids()[0], greedy(&[1]));
}
