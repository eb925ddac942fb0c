//! Split models: one download for all parts, one model in the end.

use std::sync::Arc;

use uhlm_llama::{LoadOptions, Model};
use uhlm_models::{DownloadError, DownloadRequest, TransferEvent};
use uhlm_testing::file_server::{Asked, Content, Reply};
use uhlm_testing::{pair, split};

use crate::support::{Place, bytes, sha256};

/// Returns the demo draft model in three parts.
fn parts() -> Vec<Arc<dyn Content>> {
    let folder = tempfile::tempdir().expect("a folder");
    let paths = split::split(&pair::file("demo-draft.gguf"), folder.path(), "x", 3).expect("split");
    paths.iter().map(|path| Arc::new(std::fs::read(path).expect("there")) as Arc<dyn Content>).collect()
}

/// Returns the number of the part that a path names, from 0; `None` for another path.
fn part_of(asked: &Asked, folder: &str) -> Option<usize> {
    let number = asked.path.strip_prefix(folder)?.strip_prefix("/demo-0000")?.strip_suffix("-of-00003.gguf")?;
    number.parse::<usize>().ok()?.checked_sub(1)
}

fn place(parts: &[Arc<dyn Content>]) -> Place {
    let served = parts.to_vec();
    Place::new(move |asked| match part_of(asked, "/a").and_then(|part| served.get(part)) {
        Some(content) => Reply::proper(content, "v1", asked),
        None => Reply::status(404),
    })
}

fn request(place: &Place, path: &str) -> DownloadRequest {
    DownloadRequest::new(place.server.url(path).parse().expect("an address"))
}

#[test]
fn all_parts_come_with_one_request_whichever_it_names_and_are_loaded_as_one_model() {
    let parts = parts();
    let place = place(&parts);
    let mut transfer = place.store.download(request(&place, "a/demo-00002-of-00003.gguf"));
    let total: u64 = parts.iter().map(|part| part.len()).sum();
    let (mut seen, mut model) = (0, None);
    while let Some(event) = transfer.blocking_next() {
        match event.expect("no failure") {
            TransferEvent::Progress(now) => {
                assert!(now.received >= seen && now.parts == 3 && (now.part == 0 || now.total == Some(total)));
                seen = now.received;
            }
            TransferEvent::Finished(finished) => model = Some(finished),
        }
    }
    let model = model.expect("an end");
    assert_eq!((model.name.as_str(), model.bytes), ("demo-00001-of-00003.gguf", total));
    assert_eq!(model.sha256, Some(sha256(&parts[0])));
    for (stored, part) in model.further_parts.iter().zip(&parts[1..]) {
        assert!(std::fs::read(&stored.path).expect("there") == bytes(part));
        assert_eq!(stored.sha256, Some(sha256(part)));
    }
    assert_eq!(place.store.list().expect("a folder"), std::slice::from_ref(&model));
    let loaded = Model::load(&model.path, &LoadOptions::default()).expect("a model");
    assert_eq!(loaded.parameters(), pair::draft().model().parameters());
    let asked = place.asked().len();
    let again = place.store.download(request(&place, "a/demo-00001-of-00003.gguf")).blocking_finish();
    assert_eq!((again, place.asked().len()), (Ok(model), asked), "nothing is asked for again");
}

#[test]
fn a_part_that_the_server_lacks_is_named_before_anything_is_loaded() {
    let parts = parts();
    let place = place(&parts[..2]);
    let outcome = place.store.download(request(&place, "a/demo-00001-of-00003.gguf")).blocking_finish();
    let failure = Box::new(DownloadError::NotFound);
    assert_eq!(outcome, Err(DownloadError::Part { name: "demo-00003-of-00003.gguf".into(), failure }));
    assert_eq!(std::fs::read_dir(place.folder.path()).expect("a folder").count(), 0);
}

#[test]
fn what_broke_in_a_part_goes_on_in_that_part() {
    let parts = parts();
    let served = parts.clone();
    let broken = std::sync::atomic::AtomicBool::new(true);
    let place = Place::new(move |asked| {
        let part = part_of(asked, "/a").expect("a part");
        let reply = Reply::proper(&served[part], "v1", asked);
        // Asked for its size, and then cut; nothing more comes until somebody asks again.
        let refuse = part == 1 && asked.before > 3 && broken.load(std::sync::atomic::Ordering::Acquire);
        if refuse && asked.from() > 0 {
            broken.store(asked.before < 8, std::sync::atomic::Ordering::Release);
            return Reply::status(404);
        }
        if refuse { reply.cut_after(50_000) } else { reply }
    });
    let fetch = || place.store.download(request(&place, "a/demo-00001-of-00003.gguf")).blocking_finish();
    let error = fetch().expect_err("part 2 breaks");
    assert!(matches!(&error, DownloadError::Part { name, .. } if name == "demo-00002-of-00003.gguf"), "{error}");
    assert!(place.store.list().expect("a folder").is_empty());
    let unfinished = place.store.unfinished().expect("a folder");
    assert_eq!(unfinished.len(), 1);
    assert_eq!(
        (unfinished[0].name.as_str(), unfinished[0].bytes),
        ("demo-00001-of-00003.gguf", parts[0].len() + 50_000)
    );
    let before = place.asked().len();
    let model = loop {
        match fetch() {
            Ok(model) => break model,
            Err(DownloadError::Part { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(model.bytes, parts.iter().map(|part| part.len()).sum::<u64>());
    let again = place.server.seen();
    assert!(again[before..].iter().all(|asked| part_of(asked, "/a") != Some(0)), "the first part is there");
    assert!(again[before..].iter().any(|asked| part_of(asked, "/a") == Some(1) && asked.from() == 50_000));
}

#[test]
fn each_part_has_its_own_hash() {
    let parts = parts();
    let place = place(&parts);
    let (first, second, third) = (sha256(&parts[0]), sha256(&parts[1]), sha256(&parts[2]));
    let wanted = DownloadRequest { sha256: Some(first), ..request(&place, "a/demo-00001-of-00003.gguf") };
    let wrong = DownloadRequest { further_sha256: vec![third, third], ..wanted.clone() };
    let outcome = place.store.download(wrong).blocking_finish();
    let failure = Box::new(DownloadError::WrongHash { expected: third, found: second });
    assert_eq!(outcome, Err(DownloadError::Part { name: "demo-00002-of-00003.gguf".into(), failure }));
    let right = DownloadRequest { further_sha256: vec![second, third], ..wanted };
    assert!(place.store.download(right).blocking_finish().is_ok());
}

#[test]
fn a_second_model_of_the_same_parts_names_keeps_its_parts_together() {
    let parts = parts();
    let served = parts.clone();
    let place = Place::new(move |asked| {
        let part = part_of(asked, "/a").or_else(|| part_of(asked, "/b")).expect("a part");
        Reply::proper(&served[part], "v1", asked)
    });
    let pull = |path| place.store.download(request(&place, path)).blocking_finish().expect("there");
    let (one, two) = (pull("a/demo-00001-of-00003.gguf"), pull("b/demo-00001-of-00003.gguf"));
    assert_ne!(one.name, two.name);
    assert!(Model::load(&two.path, &LoadOptions::default()).is_ok());
    assert_eq!(place.store.list().expect("a folder").len(), 2);
}
