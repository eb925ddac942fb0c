//! The downloads that work: a whole one, a resumed one, a cancelled one, and networks that cost money.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use uhlm_models::{DownloadError, DownloadRequest, Phase, TransferEvent};
use uhlm_testing::file_server::Reply;

use crate::support::{NAME, Place, noise};

#[test]
fn a_file_arrives_whole_and_is_not_loaded_again() {
    let file = noise(1);
    let served = Arc::clone(&file);
    let place = Place::new(move |asked| Reply::proper(&served, "v1", asked));
    let mut transfer = place.store.download(place.request());
    let mut phases = Vec::new();
    let model = loop {
        match transfer.blocking_next().expect("an end").expect("no failure") {
            TransferEvent::Progress(progress) => {
                assert!(progress.received <= file.len() && progress.resumed_from == 0);
                phases.push(progress.phase);
            }
            TransferEvent::Finished(model) => break model,
        }
    };
    assert!(transfer.blocking_next().is_none(), "nothing follows the end");
    assert!(phases.iter().any(|phase| *phase != Phase::Connecting), "{phases:?}");
    assert_eq!(model.source, Some(place.server.url(NAME)));
    place.assert_whole(&model, &file);
    assert_eq!(place.fetch(), Ok(model));
    assert_eq!(place.asked(), [0], "one request for both");
}

#[test]
fn a_broken_connection_is_taken_up_where_it_broke() {
    let file = noise(1);
    let served = Arc::clone(&file);
    let place = Place::new(move |asked| {
        let reply = Reply::proper(&served, "v1", asked);
        if asked.before < 3 { reply.cut_after(300_000) } else { reply }
    });
    let model = place.fetch().expect("three breaks");
    place.assert_whole(&model, &file);
    assert_eq!(place.asked(), [0, 300_000, 600_000, 900_000]);
    assert!(place.server.seen().iter().skip(1).all(|asked| asked.header("if-range") == Some("\"v1\"")));
}

#[test]
fn a_cancelled_download_ends_at_once_and_goes_on_later() {
    let file = noise(1);
    let (served, hold) = (Arc::clone(&file), Arc::new(AtomicBool::new(true)));
    let held = Arc::clone(&hold);
    let place = Place::new(move |asked| {
        let reply = Reply::proper(&served, "v1", asked);
        if held.load(Ordering::Acquire) { reply.stall_after(400_000) } else { reply }
    });
    let mut transfer = place.store.download(place.request());
    loop {
        match transfer.blocking_next().expect("an end") {
            Ok(TransferEvent::Progress(progress)) if progress.received > 0 => transfer.cancel(),
            Ok(TransferEvent::Progress(_)) => {}
            other => break assert_eq!(other, Err(DownloadError::Cancelled)),
        }
    }
    assert!(place.store.list().expect("a folder").is_empty());
    hold.store(false, Ordering::Release);
    place.assert_whole(&place.fetch().expect("goes on"), &file);
    assert!(place.asked()[1] > 0, "{:?}", place.asked());
}

#[test]
fn a_network_that_costs_money_is_used_only_if_allowed() {
    let file = noise(1);
    let served = Arc::clone(&file);
    let place = Place::new(move |asked| Reply::proper(&served, "v1", asked));
    place.store.set_metered(true);
    assert_eq!(place.fetch(), Err(DownloadError::Metered));
    assert!(place.asked().is_empty(), "nothing was sent");
    let request = DownloadRequest { allow_metered: true, ..place.request() };
    let model = place.store.download(request).blocking_finish().expect("allowed");
    place.assert_whole(&model, &file);
}

#[test]
fn a_network_that_begins_to_cost_money_ends_the_download() {
    let file = noise(1);
    let served = Arc::clone(&file);
    let pace = Duration::from_millis(20);
    let place = Place::new(move |asked| Reply::proper(&served, "v1", asked).paced(pace));
    let mut transfer = place.store.download(place.request());
    loop {
        match transfer.blocking_next().expect("an end") {
            Ok(TransferEvent::Progress(progress)) if progress.received > 0 => place.store.set_metered(true),
            Ok(TransferEvent::Progress(_)) => {}
            other => break assert_eq!(other, Err(DownloadError::Metered)),
        }
    }
    place.store.set_metered(false);
    place.assert_whole(&place.fetch().expect("goes on"), &file);
}

#[test]
fn one_model_is_not_loaded_twice_at_once() {
    let file = noise(1);
    let place = Place::new(move |asked| Reply::proper(&file, "v1", asked).stall_after(400_000));
    let mut first = place.store.download(place.request());
    // Once it says how far it is, it holds the file.
    while !matches!(first.blocking_next(), Some(Ok(TransferEvent::Progress(progress))) if progress.received > 0) {}
    assert_eq!(place.fetch(), Err(DownloadError::AlreadyRunning));
}
