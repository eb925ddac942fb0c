//! Each fault of a server has its own error, and nothing half-written can be taken for a model.

use std::sync::Arc;
use std::time::Duration;

use uhlm_models::{DownloadError, DownloadRequest, StoreConfig};
use uhlm_net::TrustPolicy;
use uhlm_testing::file_server::{Content, FileServer, Reply};

use crate::support::{NAME, Place, noise, sha256};

#[test]
fn a_connection_that_always_breaks_keeps_what_came() {
    let file = noise(1);
    let place = Place::new(move |asked| {
        let reply = Reply::proper(&file, "v1", asked);
        if asked.before == 0 { reply.cut_after(100_000) } else { reply.cut_after(10) }
    });
    let error = place.fetch().expect_err("no end in sight");
    // Three attempts in a row that brought next to nothing.
    assert!(matches!(error, DownloadError::Interrupted { received: 100_020, .. }), "{error:?}");
    assert_eq!(place.asked(), [0, 100_000, 100_010]);
    place.assert_unfinished(100_020);
}

#[test]
fn a_server_that_falls_silent_is_told_from_one_that_breaks() {
    let silence = Duration::from_millis(300);
    let file = noise(1);
    let place = Place::with(
        move |asked| Reply::proper(&file, "v1", asked).stall_after(if asked.before == 0 { 50_000 } else { 0 }),
        |config| StoreConfig { silence, ..config },
    );
    let error = place.fetch().expect_err("silence");
    assert_eq!(error, DownloadError::Stalled { silence, received: 50_000 });
    place.assert_unfinished(50_000);
}

#[test]
fn a_length_that_is_not_kept_is_an_interruption_and_one_that_is_contradicted_a_lie() {
    let file = noise(1);
    let (len, served) = (file.len(), Arc::clone(&file));
    // It says one byte more than it has, and then that there is nothing at that byte.
    let place = Place::new(move |asked| match asked.from() {
        0 => Reply::proper(&served, "v1", asked).declaring(Some(len + 1)).cut_after(len),
        _ => Reply::proper(&served, "v1", asked),
    });
    assert_eq!(place.fetch(), Err(DownloadError::WrongLength { expected: len + 1, found: len }));
    place.assert_unfinished(0);

    let place = Place::new(move |asked| Reply::proper(&file, "v1", asked));
    let request = DownloadRequest { bytes: Some(len + 1), ..place.request() };
    let outcome = place.store.download(request).blocking_finish();
    assert_eq!(outcome, Err(DownloadError::WrongLength { expected: len + 1, found: len }));
    place.assert_unfinished(0);
}

#[test]
fn more_bytes_than_were_asked_for_are_not_taken() {
    let file = noise(1);
    let len = file.len();
    let place = Place::new(move |asked| Reply::proper(&file, "v1", asked).declaring(None));
    let request = DownloadRequest { bytes: Some(len - 7), ..place.request() };
    let outcome = place.store.download(request).blocking_finish();
    let Err(DownloadError::WrongLength { expected, found }) = outcome else { panic!("{outcome:?}") };
    assert!(expected == len - 7 && found > expected);
    place.assert_unfinished(0);
}

#[test]
fn a_server_that_does_not_say_how_long_the_file_is_will_do() {
    let file = noise(1);
    let (served, len) = (Arc::clone(&file), file.len());
    let place = Place::new(move |asked| {
        let reply = Reply::proper(&served, "v1", asked).declaring(None);
        // All bytes came, but not the end of the answer: what is missing is asked for, and there is nothing.
        if asked.before == 0 { reply.cut_after(len) } else { Reply::proper(&served, "v1", asked) }
    });
    place.assert_whole(&place.fetch().expect("whole"), &file);
    assert_eq!(place.asked(), [0, len]);
}

#[test]
fn a_file_that_is_replaced_in_between_arrives_as_the_new_one() {
    for ignores_if_range in [false, true] {
        let (old, new) = (noise(1), noise(2));
        let served = Arc::clone(&new);
        let place = Place::new(move |asked| match asked.before {
            0 => Reply::proper(&old, "old", asked).cut_after(400_000),
            // The rest of another file than the one that was begun.
            1 if ignores_if_range => {
                let range = format!("bytes {}-{}/{}", asked.from(), served.len() - 1, served.len());
                let rest: Arc<dyn Content> = Arc::new(crate::support::bytes(&served)[asked.from() as usize..].to_vec());
                let rest_len = rest.len();
                Reply::whole(&rest).declaring(Some(rest_len)).as_part(&range).with("ETag", "\"new\"")
            }
            _ => Reply::proper(&served, "new", asked),
        });
        place.assert_whole(&place.fetch().expect("the new one"), &new);
    }
}

#[test]
fn a_file_that_keeps_changing_is_given_up() {
    let place = Place::new(|asked| {
        let etag = format!("v{}", asked.before);
        Reply::proper(&noise(asked.before as u64), &etag, asked).cut_after(400_000)
    });
    assert_eq!(place.fetch(), Err(DownloadError::Changed));
    place.assert_unfinished(0);
}

#[test]
fn a_server_that_ignores_ranges_is_read_from_the_start() {
    let file = noise(1);
    let served = Arc::clone(&file);
    let place = Place::new(move |asked| {
        let reply = Reply::whole(&served).with("ETag", "\"v1\"");
        if asked.before == 0 { reply.cut_after(400_000) } else { reply }
    });
    place.assert_whole(&place.fetch().expect("whole"), &file);
    assert_eq!(place.asked(), [0, 400_000]);
}

#[test]
fn without_a_validator_nothing_is_put_together_unless_the_hash_is_known() {
    let file = noise(1);
    let script = |file: Arc<dyn Content>| {
        move |asked: &uhlm_testing::file_server::Asked| {
            let reply = Reply::proper(&file, "", asked).without("ETag");
            if asked.before == 0 { reply.cut_after(400_000) } else { reply }
        }
    };
    let place = Place::new(script(Arc::clone(&file)));
    place.assert_whole(&place.fetch().expect("whole"), &file);
    assert_eq!(place.asked(), [0, 0]);

    let place = Place::new(script(Arc::clone(&file)));
    let request = DownloadRequest { sha256: Some(sha256(&file)), ..place.request() };
    place.assert_whole(&place.store.download(request).blocking_finish().expect("whole"), &file);
    assert_eq!(place.asked(), [0, 400_000]);
}

#[test]
fn a_server_that_always_cuts_and_is_always_asked_from_the_start_is_given_up() {
    // With a mark of the file it ignores ranges; without one no part of an answer can be gone on with.
    for (mark, asked) in [("\"v1\"", [0, 400_000, 400_000]), ("W/\"v1\"", [0, 0, 0])] {
        let file = noise(1);
        let place = Place::new(move |asked| {
            let reply = Reply::whole(&file).with("ETag", mark);
            // An end for a device that would never give up.
            if asked.before < 10 { reply.cut_after(400_000) } else { reply }
        });
        let error = place.fetch().expect_err("no attempt comes further than the first");
        assert!(matches!(error, DownloadError::Interrupted { received: 400_000, .. }), "{error:?}");
        assert_eq!(place.asked(), asked);
        place.assert_unfinished(400_000);
    }
}

#[test]
fn a_server_without_ranges_that_comes_further_each_time_is_asked_on() {
    let file = noise(1);
    let served = Arc::clone(&file);
    let place = Place::new(move |asked| {
        let reply = Reply::whole(&served).with("ETag", "\"v1\"");
        if asked.before < 3 { reply.cut_after(300_000 * (asked.before as u64 + 1)) } else { reply }
    });
    place.assert_whole(&place.fetch().expect("whole"), &file);
    assert_eq!(place.asked(), [0, 300_000, 600_000, 900_000]);
}

#[test]
fn a_file_put_together_from_two_is_found_out_by_its_hash_and_loaded_in_one_piece() {
    let (old, new) = (noise(1), noise(2));
    let (served, wanted) = (Arc::clone(&new), sha256(&new));
    let place = Place::new(move |asked| {
        if asked.before == 0 {
            Reply::proper(&old, "", asked).without("ETag").cut_after(400_000)
        } else {
            Reply::proper(&served, "", asked).without("ETag")
        }
    });
    let request = DownloadRequest { sha256: Some(wanted), ..place.request() };
    place.assert_whole(&place.store.download(request).blocking_finish().expect("whole"), &new);
    assert_eq!(place.asked(), [0, 400_000, 0]);
}

#[test]
fn a_wrong_hash_is_thrown_away() {
    let (file, other) = (noise(1), noise(2));
    let (expected, found) = (sha256(&other), sha256(&file));
    let place = Place::new(move |asked| Reply::proper(&file, "v1", asked));
    let request = DownloadRequest { sha256: Some(expected), ..place.request() };
    let outcome = place.store.download(request).blocking_finish();
    assert_eq!(outcome, Err(DownloadError::WrongHash { expected, found }));
    place.assert_unfinished(0);
}

#[test]
fn every_status_has_its_error() {
    let cases: [(u16, DownloadError, usize); 7] = [
        (401, DownloadError::Unauthorized, 1),
        (403, DownloadError::Unauthorized, 1),
        (404, DownloadError::NotFound, 1),
        (410, DownloadError::NotFound, 1),
        (418, DownloadError::Refused { status: 418 }, 1),
        (500, DownloadError::Refused { status: 500 }, 3),
        (503, DownloadError::Busy { retry_after: None }, 3),
    ];
    for (status, error, attempts) in cases {
        let place = Place::new(move |_| Reply::status(status));
        assert_eq!(place.fetch(), Err(error), "{status}");
        assert_eq!(place.asked().len(), attempts, "{status}");
        place.assert_unfinished(0);
    }
}

#[test]
fn a_busy_server_is_asked_again_when_it_says_unless_that_is_long() {
    let file = noise(1);
    let served = Arc::clone(&file);
    let place = Place::new(move |asked| {
        if asked.before == 0 {
            Reply::status(429).with("Retry-After", "0")
        } else {
            Reply::proper(&served, "v1", asked)
        }
    });
    place.assert_whole(&place.fetch().expect("later"), &file);

    let place = Place::new(|_| Reply::status(503).with("Retry-After", "86400"));
    let day = Duration::from_secs(86400);
    assert_eq!(place.fetch(), Err(DownloadError::Busy { retry_after: Some(day) }));
    assert_eq!(place.asked().len(), 1);
}

#[test]
fn a_range_past_the_end_of_a_new_and_shorter_file_begins_anew() {
    let (old, new) = (noise(1), Arc::new(uhlm_testing::file_server::NoiseFile::new(300_000, 2)) as Arc<dyn Content>);
    let served = Arc::clone(&new);
    let place = Place::new(move |asked| match asked.before {
        0 => Reply::proper(&old, "old", asked).cut_after(400_000),
        1 => Reply::status(416).with("Content-Range", &format!("bytes */{}", served.len())).with("ETag", "\"new\""),
        _ => Reply::proper(&served, "new", asked),
    });
    place.assert_whole(&place.fetch().expect("the new one"), &new);
}

#[test]
fn answers_that_make_no_sense_are_refused() {
    let file = noise(1);
    let served = Arc::clone(&file);
    let place = Place::new(move |asked| match asked.from() {
        0 => Reply::proper(&served, "v1", asked).cut_after(400_000),
        _ => Reply::whole(&served).as_part("bytes 5-9/10").with("ETag", "\"v1\""),
    });
    assert!(matches!(place.fetch(), Err(DownloadError::InvalidAnswer { .. })));

    let place = Place::new(move |asked| Reply::proper(&file, "v1", asked).with("Content-Encoding", "gzip"));
    assert!(matches!(place.fetch(), Err(DownloadError::InvalidAnswer { .. })));
    place.assert_unfinished(0);
}

#[test]
fn a_login_page_and_half_a_model_are_no_models() {
    let page: Arc<dyn Content> = Arc::new(b"<html>Welcome to our guest network".to_vec());
    let place = Place::new(move |_| Reply::whole(&page));
    assert!(matches!(place.fetch(), Err(DownloadError::NotAModel { .. })));
    place.assert_unfinished(0);

    // The server itself has only half of it and says so consistently.
    let half: Arc<dyn Content> = Arc::new(crate::support::bytes(&noise(1))[..500_000].to_vec());
    let place = Place::new(move |asked| Reply::proper(&half, "v1", asked));
    assert!(matches!(place.fetch(), Err(DownloadError::NotAModel { .. })));
    place.assert_unfinished(0);
}

#[test]
fn a_certificate_that_is_not_trusted_and_a_dead_port_have_their_errors() {
    let file = noise(1);
    let place = Place::with(
        move |asked| Reply::proper(&file, "v1", asked),
        |config| StoreConfig { trust: TrustPolicy::BundledRoots, ..config },
    );
    assert!(matches!(place.fetch(), Err(DownloadError::Untrusted { .. })));

    let place = Place::new(|_| Reply::status(404));
    let gone = FileServer::start(|_| Reply::status(404)).url(NAME);
    let request = DownloadRequest::new(gone.parse().expect("an address"));
    let outcome = place.store.download(request).blocking_finish();
    assert!(matches!(outcome, Err(DownloadError::Unreachable { .. })), "{outcome:?}");
}

#[test]
fn names_that_would_leave_the_folder_are_refused() {
    let place = Place::new(|_| Reply::status(404));
    let long = format!("{}.gguf", "x".repeat(1 << 16));
    let names = ["../x.gguf", "a/b.gguf", "..\\x.gguf", "C:x.gguf", ".gguf", "..gguf", ".x.gguf", "x.bin", "", &long];
    let strange = ["a\0b.gguf", "a\nb.gguf", "a\x1b[2Jb.gguf", "a\u{202e}b.gguf", "a\u{85}b.gguf"];
    for name in names.into_iter().chain(strange) {
        let request = DownloadRequest { name: Some(name.into()), ..place.request() };
        let outcome = place.store.download(request).blocking_finish();
        assert_eq!(outcome, Err(DownloadError::InvalidName { name: name.into() }));
    }
    assert!(place.asked().is_empty());
}
