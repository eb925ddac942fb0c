//! The small files of a store, and the list of models: whatever lies beside a model does not change which models there
//! are, and a list that is read makes requests that keep to their folder.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use uhlm_models::catalogue::Catalogue;
use uhlm_models::{DownloadRequest, ModelStore, Source, StoreConfig};

use crate::Target;

pub(crate) const TARGET: Target = Target { name: "store", run, seeds, words: WORDS };

const WORDS: &[&str] = &[
    "null",
    "-1",
    "18446744073709551616",
    "\"sha256\":",
    "\"bytes\":1",
    "\"source\":",
    "\"hf:a/b/c.gguf\"",
    "hf:a/b@refs/pr/1/c.gguf",
    "https://host/x%2F..%2Fy.gguf",
    "../",
    "%00",
    "\\u202e",
    "-00001-of-00002.gguf",
    "[]",
    "{}",
];

thread_local! {
    static STORE: (TempDir, ModelStore) = {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("m.gguf"), b"G").expect("a model");
        fs::write(folder.path().join("n.gguf.part"), b"G").expect("a part of a model");
        let store = ModelStore::new(StoreConfig::new(folder.path()));
        (folder, store)
    };
}

fn run(data: &[u8]) {
    STORE.with(|(folder, store)| {
        beside_a_model(folder.path(), store, data);
        if let Ok(catalogue) = serde_json::from_slice::<Catalogue>(data) {
            catalogue.models.iter().filter_map(|model| model.request()).for_each(|request| stays(store, &request));
            catalogue.pairs.iter().for_each(|pair| drop(pair.calibration()));
        }
        let Some(source) = std::str::from_utf8(data).ok().and_then(|text| text.parse::<Source>().ok()) else { return };
        assert_eq!(source.to_string().parse().as_ref(), Ok(&source), "a source is read as it is written");
        stays(store, &DownloadRequest::new(source));
    });
}

/// Lays the input beside a model and beside a part of one.
fn beside_a_model(folder: &Path, store: &ModelStore, data: &[u8]) {
    for name in ["m.gguf.json", "n.gguf.part.json"] {
        fs::write(folder.join(name), data).expect("a temporary folder can be written to");
    }
    let names: Vec<String> = store.list().expect("a folder").into_iter().map(|model| model.name).collect();
    assert_eq!(names, ["m.gguf"]);
    assert_eq!(store.unfinished().expect("a folder").len(), 1);
    assert!(store.find("m.gguf").expect("a folder").is_some_and(|model| model.bytes == 1));
}

/// Checks that nothing outside the folder is taken for the file of a request.
fn stays(store: &ModelStore, request: &DownloadRequest) {
    if let Ok(Some(model)) = store.find_for(request) {
        let folder = model.path.parent().and_then(Path::file_name);
        assert!(model.path.is_absolute() && folder.is_some_and(|folder| folder != ".."));
        assert!(model.name == "m.gguf", "{}", model.name);
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let digest = "00".repeat(32);
    let manifest = format!("{{\"sha256\":\"{digest}\",\"bytes\":1,\"source\":\"hf:a/b/m.gguf\",\"loaded_at\":0}}");
    let state = format!(
        "{{\"version\":1,\"source\":\"https://host/m.gguf\",\"validator\":\"\\\"v\\\"\",\"total\":9,\
         \"sha256\":\"{digest}\",\"durable\":1}}"
    );
    let catalogue = "{\"version\":1,\"pairs\":[{\"id\":\"p\",\"about\":\"\",\"draft\":\"d\",\"target\":\"d\",\
        \"vocabulary\":\"checked\",\"measured\":null,\"facts\":[]}],\"models\":[{\"id\":\"d\",\"name\":\"D\",\
        \"file\":\"m.gguf\",\"licence\":\"MIT\",\"parameters\":null,\"quantization\":\"Q8_0\",\"context\":9,\
        \"bytes\":1,\"sha256\":null,\"sources\":[\"hf:a/b/m.gguf\"],\"facts\":[]}]}";
    let sources = [
        "hf:o/r/sub/my model+1.gguf",
        "hf:o/r@refs/pr/1/x-00002-of-00003.gguf",
        "https://host/a%3Ab%E2%80%AE.gguf?x=1#y",
        "https://huggingface.co/o/r/blob/main/x.gguf",
    ];
    let texts = [manifest.as_str(), state.as_str(), catalogue].into_iter().chain(sources);
    texts.map(|text| text.as_bytes().to_vec()).collect()
}
