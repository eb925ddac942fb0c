//! The trust in a file, and how much of it is taken, where nobody says what it must be.

use std::sync::Arc;

use uhlm_models::{DownloadError, DownloadRequest, StoreConfig};
use uhlm_testing::file_server::{Content, NoiseFile, Reply};

use crate::support::{Place, bytes, noise, sha256};

#[test]
fn a_file_that_nobody_vouches_for_is_refused_before_anything_of_it_is_loaded() {
    let file = noise(1);
    let served = Arc::clone(&file);
    let place = Place::new(move |asked| Reply::proper(&served, "v1", asked));
    let request = DownloadRequest { require_sha256: true, ..place.request() };
    let error = place.store.download(request.clone()).blocking_finish().expect_err("no hash");
    assert_eq!(error, DownloadError::NoChecksum { bytes: Some(file.len()) });
    assert!(error.lacks_checksum());
    assert_eq!(std::fs::read_dir(place.folder.path()).expect("a folder").count(), 0);
    // Believed after all, what came is noted, so that later damage is found.
    let unchecked = DownloadRequest { require_sha256: false, ..request.clone() };
    let model = place.store.download(unchecked).blocking_finish().expect("there");
    place.assert_whole(&model, &file);
    // And with its hash it needs no one's word.
    let checked = DownloadRequest { sha256: Some(sha256(&file)), ..request };
    assert_eq!(place.store.download(checked).blocking_finish(), Ok(model));
}

#[test]
fn what_the_repository_says_is_a_hash_too() {
    let file = noise(1);
    let (served, hash) = (Arc::clone(&file), sha256(&file));
    let place = Place::new(move |asked| match asked.path.as_str() {
        "/stored" => Reply::proper(&served, "v1", asked),
        "/hub/o/r/resolve/main/noise.gguf" => Reply::redirect("/stored").with("X-Linked-Etag", &format!("\"{hash}\"")),
        _ => Reply::redirect("/stored"),
    });
    let pull = |source: &str| {
        let request = DownloadRequest::new(source.parse().expect("a source"));
        place.store.download(DownloadRequest { require_sha256: true, ..request }).blocking_finish()
    };
    assert!(matches!(pull("hf:o/other/noise.gguf"), Err(DownloadError::NoChecksum { .. })));
    place.assert_whole(&pull("hf:o/r/noise.gguf").expect("vouched for"), &file);
}

#[test]
fn a_complete_file_with_the_right_hash_is_kept_whatever_its_header_says() {
    // A GGUF of a version that is still to come.
    let strange: Arc<dyn Content> = Arc::new([b"GGUF\x09\x00\x00\x00".to_vec(), vec![7; 100_000]].concat());
    let (served, hash) = (Arc::clone(&strange), sha256(&strange));
    let place = Place::new(move |asked| Reply::proper(&served, "v1", asked));
    let outcome = place.fetch();
    assert!(matches!(outcome, Err(DownloadError::NotAModel { .. })), "nobody vouches for it: {outcome:?}");
    let request = DownloadRequest { sha256: Some(hash), require_sha256: true, ..place.request() };
    let model = place.store.download(request).blocking_finish().expect("it is what was asked for");
    assert!(std::fs::read(&model.path).expect("there") == bytes(&strange));
}

#[test]
fn a_file_without_a_length_is_taken_up_to_a_limit() {
    let file = noise(1);
    let served = Arc::clone(&file);
    let limit = |limit| {
        let served = Arc::clone(&served);
        Place::with(
            move |asked| Reply::proper(&served, "v1", asked).declaring(None),
            |config| StoreConfig { max_unknown_length: limit, ..config },
        )
    };
    assert_eq!(limit(500_000).fetch(), Err(DownloadError::NoLength { limit: 500_000 }));
    let place = limit(file.len());
    place.assert_whole(&place.fetch().expect("as long as allowed"), &file);
    // A length that is known needs no limit.
    let place = limit(500_000);
    let request = DownloadRequest { bytes: Some(file.len()), ..place.request() };
    place.assert_whole(&place.store.download(request).blocking_finish().expect("its length is known"), &file);
}

#[test]
fn a_file_without_a_length_needs_room_all_the_same() {
    let file: Arc<dyn Content> = Arc::new(NoiseFile::new(1_000_000, 1));
    let place = Place::with(
        move |asked| Reply::proper(&file, "v1", asked).declaring(None),
        |config| StoreConfig { reserve: 1 << 60, ..config },
    );
    let error = place.fetch().expect_err("no disk is so large");
    assert!(matches!(error, DownloadError::NotEnoughSpace { needed, .. } if needed == 1 << 60), "{error:?}");
    place.assert_unfinished(0);
}
