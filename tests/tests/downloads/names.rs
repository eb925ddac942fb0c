//! The name under which a model is kept: two sources with the same file name are two models, and none is taken for
//! another.

use std::sync::Arc;

use uhlm_models::{DownloadError, DownloadRequest, TransferEvent};
use uhlm_testing::file_server::{Content, Reply};

use crate::support::{Place, bytes, noise, sha256};

/// Makes a server with another file at each of two paths that end in the same name; returns it with both files.
fn two() -> (Place, Arc<dyn Content>, Arc<dyn Content>) {
    let (one, two) = (noise(1), noise(2));
    let (a, b) = (Arc::clone(&one), Arc::clone(&two));
    let place = Place::new(move |asked| match asked.path.as_str() {
        "/a/noise.gguf" => Reply::proper(&a, "v1", asked),
        "/b/noise.gguf" => Reply::proper(&b, "v1", asked),
        _ => Reply::status(404),
    });
    (place, one, two)
}

fn of(place: &Place, path: &str) -> DownloadRequest {
    DownloadRequest::new(place.server.url(path).parse().expect("an address"))
}

#[test]
fn two_addresses_with_the_same_file_name_are_two_models() {
    let (place, one, two) = two();
    let pull = |path| place.store.download(of(&place, path)).blocking_finish().expect("there");
    let (first, second) = (pull("a/noise.gguf"), pull("b/noise.gguf"));
    assert_eq!(first.name, "noise.gguf");
    assert!(second.name.starts_with("noise.") && second.name != first.name, "{}", second.name);
    assert!(std::fs::read(&first.path).expect("there") == bytes(&one));
    assert!(std::fs::read(&second.path).expect("there") == bytes(&two));
    // Asked once more, each is found under its own name and nothing is loaded.
    assert_eq!((pull("a/noise.gguf"), pull("b/noise.gguf")), (first.clone(), second.clone()));
    assert_eq!(place.asked().len(), 2);
    assert_eq!(place.store.find_for(&of(&place, "b/noise.gguf")).expect("a folder"), Some(second.clone()));
    assert_eq!(place.store.list().expect("a folder").len(), 2);
    place.store.delete(&first.name).expect("there");
    assert_eq!(place.store.list().expect("a folder"), [second]);
}

#[test]
fn two_of_one_name_are_loaded_at_the_same_time_and_gone_on_with_apart() {
    let (one, two) = (noise(1), noise(2));
    let (a, b) = (Arc::clone(&one), Arc::clone(&two));
    let place = Place::new(move |asked| match (asked.path.as_str(), asked.from()) {
        ("/a/noise.gguf", 0) => Reply::proper(&a, "v1", asked).stall_after(400_000),
        ("/a/noise.gguf", _) => Reply::proper(&a, "v1", asked),
        _ => Reply::proper(&b, "v1", asked),
    });
    let mut first = place.store.download(of(&place, "a/noise.gguf"));
    while !matches!(first.blocking_next(), Some(Ok(TransferEvent::Progress(now))) if now.received > 0) {}
    let second = place.store.download(of(&place, "b/noise.gguf")).blocking_finish().expect("its own name");
    assert!(std::fs::read(&second.path).expect("there") == bytes(&two));
    first.cancel();
    while first.blocking_next().is_some() {}
    // What was begun of the first one is still there, and belongs to it.
    let third = place.store.download(of(&place, "b/noise.gguf")).blocking_finish();
    assert_eq!(third, Ok(second));
    let first = place.store.download(of(&place, "a/noise.gguf")).blocking_finish().expect("goes on");
    assert_eq!(first.name, "noise.gguf");
    assert!(std::fs::read(&first.path).expect("there") == bytes(&one));
    assert!(place.asked().last().expect("asked") > &0, "{:?}", place.asked());
}

#[test]
fn a_file_put_there_by_hand_is_taken_for_the_one_that_it_hashes_to_and_for_no_other() {
    let (place, one, two) = two();
    let path = place.folder.path().join("noise.gguf");
    std::fs::write(&path, bytes(&two)).expect("written");
    let pull = |request| place.store.download(request).blocking_finish().expect("there");
    let model = pull(DownloadRequest { sha256: Some(sha256(&two)), ..of(&place, "b/noise.gguf") });
    assert_eq!((model.path.as_path(), model.sha256), (path.as_path(), Some(sha256(&two))));
    assert!(place.asked().is_empty(), "nothing was loaded");
    let other = pull(of(&place, "a/noise.gguf"));
    assert_ne!(other.path, path);
    assert!(
        std::fs::read(&other.path).expect("there") == bytes(&one)
            && std::fs::read(&path).expect("there") == bytes(&two)
    );
}

#[test]
fn a_new_version_of_a_source_takes_the_place_of_the_old_one() {
    let (old, new) = (noise(1), noise(2));
    let served = Arc::clone(&new);
    let place = Place::new(move |asked| match asked.before {
        0 => Reply::proper(&old, "v1", asked),
        _ => Reply::proper(&served, "v2", asked),
    });
    place.fetch().expect("the old one");
    let request = DownloadRequest { sha256: Some(sha256(&new)), ..place.request() };
    place.assert_whole(&place.store.download(request).blocking_finish().expect("the new one"), &new);
}

#[test]
fn a_name_that_was_asked_for_is_kept_or_refused() {
    let (place, _, two) = two();
    let named = |path| DownloadRequest { name: Some("mine.gguf".into()), ..of(&place, path) };
    let first = place.store.download(named("a/noise.gguf")).blocking_finish().expect("there");
    assert_eq!(first.name, "mine.gguf");
    let outcome = place.store.download(named("b/noise.gguf")).blocking_finish();
    assert_eq!(outcome, Err(DownloadError::NameTaken { name: "mine.gguf".into() }));
    let outcome = place.store.download(DownloadRequest { sha256: Some(sha256(&two)), ..named("b/noise.gguf") });
    assert_eq!(outcome.blocking_finish(), Err(DownloadError::NameTaken { name: "mine.gguf".into() }));
    assert_eq!(place.store.list().expect("a folder"), [first]);
}

#[test]
fn names_with_spaces_plus_and_pull_requests_are_asked_for_as_the_hub_wants_them() {
    let file = noise(1);
    let served = Arc::clone(&file);
    let place = Place::new(move |asked| match asked.path.as_str() {
        "/hub/o/r/resolve/refs%2Fpr%2F1/Q4%20K/my%20model%2Bv2.gguf" => Reply::proper(&served, "v1", asked),
        _ => Reply::status(404),
    });
    let source = "hf:o/r@refs/pr/1/Q4 K/my model+v2.gguf".parse().expect("a source");
    let model = place.store.download(DownloadRequest::new(source)).blocking_finish().expect("there");
    assert_eq!(model.name, "my model+v2.gguf");
    assert_eq!(model.source.as_deref(), Some("hf:o/r@refs/pr/1/Q4 K/my model+v2.gguf"));
    place.assert_whole(&model, &file);
}

#[test]
fn a_download_that_brought_nothing_leaves_nothing() {
    let place = Place::new(|_| Reply::status(404));
    assert_eq!(place.fetch(), Err(DownloadError::NotFound));
    assert_eq!(std::fs::read_dir(place.folder.path()).expect("a folder").count(), 0);
}
