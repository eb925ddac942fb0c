//! A pair as one thing: from its name to a model that is there.

use std::sync::Arc;

use uhlm_models::catalogue::{Model, Pair, VocabularyMatch};
use uhlm_models::{DownloadError, KitError, KitStatus, ModelKit};
use uhlm_testing::file_server::Reply;

use crate::support::{NAME, Place, noise, sha256};

#[test]
fn a_kit_says_what_is_there_and_brings_the_rest() {
    let file = noise(1);
    let served = Arc::clone(&file);
    let place = Place::new(move |asked| Reply::proper(&served, "v1", asked));
    let bytes = Some(file.len());
    let pair = Pair {
        id: "pair".into(),
        about: "for this test".into(),
        draft: "noise".into(),
        target: "none".into(),
        vocabulary: VocabularyMatch::Expected,
        measured: None,
        facts: Vec::new(),
    };
    let draft = Model {
        id: "noise".into(),
        name: "Noise".into(),
        file: NAME.into(),
        licence: "MIT".into(),
        parameters: None,
        quantization: "none".into(),
        context: 0,
        bytes,
        sha256: Some(sha256(&file)),
        sources: vec![place.server.url(NAME).parse().expect("an address")],
        facts: Vec::new(),
    };
    let kit = ModelKit::of(pair.clone(), draft.clone(), place.store.clone()).expect("a kit");
    assert_eq!(kit.status().expect("a folder"), KitStatus::Missing { bytes });
    std::fs::write(place.folder.path().join(format!("{NAME}.part")), [0; 1000]).expect("written");
    assert_eq!(kit.status().expect("a folder"), KitStatus::Unfinished { received: 1000, bytes });
    kit.delete().expect("something is there");
    place.store.set_metered(true);
    assert_eq!(kit.download(false).blocking_finish(), Err(DownloadError::Metered));
    let model = kit.download(true).blocking_finish().expect("allowed");
    place.assert_whole(&model, &file);
    assert_eq!(kit.status().expect("a folder"), KitStatus::Ready(model.clone()));
    let asked = place.asked().len();
    assert_eq!(kit.download(false).blocking_finish(), Ok(model), "what is there costs nothing");
    assert_eq!(place.asked().len(), asked);
    assert!(kit.calibration().is_none(), "the pair was not measured");
    assert!(kit.delete().expect("there") >= file.len());
    assert_eq!(kit.status().expect("a folder"), KitStatus::Missing { bytes });
    let unmeasured = ModelKit::of(pair, Model { sources: Vec::new(), ..draft }, place.store.clone());
    assert_eq!(unmeasured.err(), Some(KitError::Bundled { id: "pair".into() }));
}
