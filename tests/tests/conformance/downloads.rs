//! Models that come over the network.

use std::sync::Arc;

use tempfile::TempDir;
use uhlm_ffi::{
    DownloadEvent, DownloadRequest, ErrorKind, Recovery, StoreOptions, StoredModel, TrustPolicy, UhlmError,
    UhlmModelStore,
};
use uhlm_testing::model_server::ModelServer;
use uhlm_testing::pair;

use crate::support::{load, wait};

/// A server with models, and a store that trusts it.
fn place() -> (ModelServer, TempDir, Arc<UhlmModelStore>) {
    let (server, folder) = (ModelServer::start(), tempfile::tempdir().expect("a folder"));
    let trust = Some(TrustPolicy::Pem { roots: server.authority() });
    let options = StoreOptions { folder: folder.path().display().to_string(), hub: None, trust };
    let store = UhlmModelStore::new(options, None).expect("valid");
    (server, folder, store)
}

fn request(source: String) -> DownloadRequest {
    DownloadRequest {
        sources: vec![source],
        name: None,
        sha256: None,
        further_sha256: Vec::new(),
        bytes: None,
        allow_metered: false,
        require_sha256: true,
    }
}

/// The events of a download up to its model, or its error.
fn pull(store: &UhlmModelStore, request: DownloadRequest) -> Result<(Vec<DownloadEvent>, StoredModel), UhlmError> {
    let download = store.download(request)?;
    let mut events = Vec::new();
    loop {
        match wait(download.next())?.expect("an end") {
            DownloadEvent::Finished { model } => return Ok((events, model)),
            event => events.push(event),
        }
    }
}

#[test]
fn a_model_without_a_checksum_must_be_asked_for() {
    let (server, _folder, store) = place();
    let error = pull(&store, request(server.whole())).expect_err("nobody says what it hashes to");
    assert_eq!((error.kind(), error.recovery()), (ErrorKind::ChecksumMissing, Recovery::FixOptions), "{error:?}");
    assert!(wait(store.list()).expect("a folder").is_empty() && wait(store.unfinished()).expect("a folder").is_empty());
    let wrong = DownloadRequest { sha256: Some("ab".repeat(32)), ..request(server.whole()) };
    assert_eq!(pull(&store, wrong).expect_err("another file").kind(), ErrorKind::ModelDamaged);
    let believed = DownloadRequest { require_sha256: false, ..request(server.whole()) };
    let known = DownloadRequest { sha256: Some(server.whole_sha256().to_string()), ..request(server.whole()) };
    for request in [believed, known] {
        let (_, model) = pull(&store, request).expect("a model");
        assert_eq!(model.sha256, Some(server.whole_sha256().to_string()));
        wait(store.delete(model.name)).expect("there");
    }
}

#[test]
fn the_parts_of_a_split_model_come_as_one() {
    let (server, _folder, store) = place();
    let digests: Vec<_> = server.split_sha256().iter().map(ToString::to_string).collect();
    let wanted = DownloadRequest { sha256: Some(digests[0].clone()), ..request(server.split()) };
    let lacking = pull(&store, wanted.clone()).expect_err("the second part's hash is not known");
    assert_eq!(lacking.kind(), ErrorKind::ChecksumMissing);
    let wrong = DownloadRequest { further_sha256: vec![digests[0].clone(), digests[2].clone()], ..wanted.clone() };
    assert_eq!(pull(&store, wrong).expect_err("another file").kind(), ErrorKind::ModelDamaged);
    let (events, model) =
        pull(&store, DownloadRequest { further_sha256: digests[1..].to_vec(), ..wanted }).expect("a model");
    assert!(!events.is_empty());
    for event in events {
        let DownloadEvent::Progress { received, total, part, parts, .. } = event else { panic!("one end") };
        assert!(received <= model.bytes && part <= 3 && parts == 3);
        assert!(part == 0 || total == Some(model.bytes), "{total:?} of {}", model.bytes);
    }
    assert_eq!(model.sha256.as_ref(), Some(&digests[0]));
    let further: Vec<_> = model.further_parts.iter().filter_map(|part| part.sha256.clone()).collect();
    assert_eq!(further, &digests[1..]);
    assert!(load(model.path.as_ref()).is_ok());
}

#[test]
fn a_file_that_something_else_brought_is_checked_and_taken() {
    let (server, folder, store) = place();
    let split = server.split_sha256();
    let wanted = DownloadRequest { require_sha256: false, ..request(server.split()) };
    let files = wait(store.files(wanted)).expect("three parts");
    assert_eq!(files.len(), 3);
    assert!(files.iter().all(|file| file.url.starts_with("https://") && file.bytes.is_some()), "{files:?}");
    assert!(wait(store.list()).expect("a folder").is_empty(), "nothing was loaded");
    let nameless = request(server.split());
    assert_eq!(wait(store.files(nameless)).expect_err("no hash").kind(), ErrorKind::ChecksumMissing);

    let brought = folder.path().join("brought");
    std::fs::copy(pair::file("demo-draft.gguf"), &brought).expect("copied");
    let path = brought.display().to_string();
    let adopt = |sha256: Option<String>| wait(store.adopt(path.clone(), "mine.gguf".into(), sha256, None));
    let wrong = adopt(Some(split[0].to_string())).expect_err("another file");
    assert_eq!(wrong.kind(), ErrorKind::ModelDamaged);
    assert!(brought.exists(), "it stays where it was");
    let model = adopt(None).expect("a model");
    assert!(!brought.exists() && load(model.path.as_ref()).is_ok());
    assert!(wait(store.verify("mine.gguf".into())).expect("there"), "its hash is known from then on");
    std::fs::write(&brought, "<html>Please log in</html>").expect("written");
    assert_eq!(adopt(None).expect_err("a page").kind(), ErrorKind::ModelDamaged);
}
