//! Several sources, redirects, and Hugging Face repositories.

use std::sync::Arc;

use uhlm_models::{DownloadError, DownloadRequest, StoreConfig};
use uhlm_net::BearerToken;
use uhlm_testing::file_server::Reply;

use crate::support::{NAME, Place, noise, sha256};

fn mirrors(place: &Place, paths: &[&str]) -> DownloadRequest {
    let sources = paths.iter().map(|path| place.server.url(path).parse().expect("an address")).collect();
    DownloadRequest { sources, name: Some(NAME.into()), ..DownloadRequest::default() }
}

#[test]
fn the_next_mirror_goes_on_where_the_last_one_broke_if_the_hash_is_known() {
    let file = noise(1);
    let served = Arc::clone(&file);
    let place = Place::new(move |asked| match asked.path.as_str() {
        "/one" if asked.before == 0 => Reply::proper(&served, "of one", asked).cut_after(400_000),
        "/one" => Reply::status(404),
        _ => Reply::proper(&served, "of two", asked),
    });
    let request = DownloadRequest { sha256: Some(sha256(&file)), ..mirrors(&place, &["one", "two"]) };
    let model = place.store.download(request).blocking_finish().expect("the second mirror has it");
    place.assert_whole(&model, &file);
    assert_eq!(model.source, Some(place.server.url("two")));
    assert_eq!(place.asked(), [0, 400_000, 400_000]);
}

#[test]
fn without_a_hash_each_mirror_begins_anew() {
    let file = noise(1);
    let served = Arc::clone(&file);
    let place = Place::new(move |asked| match asked.path.as_str() {
        "/one" if asked.before == 0 => Reply::proper(&noise(9), "same", asked).cut_after(400_000),
        "/one" => Reply::status(404),
        _ => Reply::proper(&served, "same", asked),
    });
    let model = place.store.download(mirrors(&place, &["one", "two"])).blocking_finish().expect("the second mirror");
    place.assert_whole(&model, &file);
    assert_eq!(place.asked(), [0, 400_000, 0]);
}

#[test]
fn a_mirror_with_another_file_is_left_for_the_next() {
    let file = noise(1);
    let served = Arc::clone(&file);
    let place = Place::new(move |asked| match asked.path.as_str() {
        "/wrong" => Reply::proper(&noise(2), "v1", asked),
        _ => Reply::proper(&served, "v1", asked),
    });
    let request = DownloadRequest { sha256: Some(sha256(&file)), ..mirrors(&place, &["wrong", "right"]) };
    let model = place.store.download(request).blocking_finish().expect("the right one");
    place.assert_whole(&model, &file);
}

#[test]
fn when_every_mirror_fails_each_says_why() {
    let place = Place::new(|asked| Reply::status(if asked.path == "/one" { 404 } else { 401 }));
    let outcome = place.store.download(mirrors(&place, &["one", "two"])).blocking_finish();
    let failures = vec![
        (place.server.url("one"), DownloadError::NotFound),
        (place.server.url("two"), DownloadError::Unauthorized),
    ];
    let last = Box::new(DownloadError::Unauthorized);
    assert_eq!(outcome, Err(DownloadError::EverySource { failures, last }));
    place.assert_unfinished(0);
}

#[test]
fn redirects_are_followed_but_not_away_from_https_and_not_for_ever() {
    let file = noise(1);
    let served = Arc::clone(&file);
    let place = Place::new(move |asked| match asked.path.as_str() {
        "/relative" => Reply::redirect("/there"),
        "/there" => Reply::proper(&served, "v1", asked),
        "/plain" => Reply::redirect("http://127.0.0.1/x.gguf"),
        "/nowhere" => Reply::status(302),
        _ => Reply::redirect("/loop"),
    });
    for path in ["plain", "nowhere", "loop"] {
        let outcome = place.store.download(mirrors(&place, &[path])).blocking_finish();
        assert!(matches!(outcome, Err(DownloadError::Redirect { .. })), "{path}: {outcome:?}");
    }
    let model = place.store.download(mirrors(&place, &["relative"])).blocking_finish().expect("there");
    place.assert_whole(&model, &file);
}

#[test]
fn a_repository_is_asked_with_the_token_which_stays_with_its_host() {
    let file = noise(1);
    let (served, hash) = (Arc::clone(&file), sha256(&file));
    let stored_at = Arc::new(std::sync::OnceLock::<String>::new());
    let target = Arc::clone(&stored_at);
    let script = move |asked: &uhlm_testing::file_server::Asked| match asked.path.as_str() {
        "/hub/owner/repo/resolve/main/noise.gguf" => Reply::redirect(target.get().expect("set below"))
            .with("X-Linked-Etag", &format!("\"{hash}\""))
            .with("X-Linked-Size", &served.len().to_string()),
        "/stored" => Reply::proper(&served, "store", asked),
        _ => Reply::status(404),
    };
    let token = BearerToken::new("hf_secret").expect("a token");
    let place = Place::with(script, |config| StoreConfig { hub_token: Some(token), ..config });
    stored_at.set(place.server.url_by_name("stored")).expect("once");
    let source = "hf:owner/repo/noise.gguf".parse().expect("a source");
    let model = place.store.download(DownloadRequest::new(source)).blocking_finish().expect("there");
    place.assert_whole(&model, &file);
    assert_eq!(model.source.as_deref(), Some("hf:owner/repo/noise.gguf"));
    let sent: Vec<_> =
        place.server.seen().iter().map(|asked| asked.header("authorization").map(str::to_owned)).collect();
    assert_eq!(sent, [Some("Bearer hf_secret".into()), None]);
}

#[test]
fn what_a_repository_says_of_its_file_is_checked() {
    let (file, other) = (noise(1), noise(2));
    let (expected, found) = (sha256(&other), sha256(&file));
    let place = Place::new(move |asked| match asked.path.as_str() {
        "/stored" => Reply::proper(&file, "v1", asked),
        _ => Reply::redirect("/stored").with("X-Linked-Etag", &format!("\"{expected}\"")),
    });
    let source = "hf:owner/repo/noise.gguf".parse().expect("a source");
    let outcome = place.store.download(DownloadRequest::new(source)).blocking_finish();
    assert_eq!(outcome, Err(DownloadError::WrongHash { expected, found }));
    place.assert_unfinished(0);
}

#[test]
fn the_token_is_not_for_other_servers() {
    let place = Place::with(
        |_| Reply::status(404),
        |config| StoreConfig { hub_token: BearerToken::new("hf_secret").ok(), ..config },
    );
    assert_eq!(place.fetch(), Err(DownloadError::NotFound));
    assert!(place.server.seen().iter().all(|asked| asked.header("authorization").is_none()));
}
