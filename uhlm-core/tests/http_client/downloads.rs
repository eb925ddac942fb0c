//! A download over HTTP/2; what else can go wrong with downloads is tested against a server of HTTP/1.1 in
//! `uhlm-tests`.

use std::path::Path;
use std::time::Duration;

use uhlm_models::{DownloadRequest, ModelStore, StoreConfig};

use crate::support::script::{Act, Answer};
use crate::support::server::FaultServer;

#[test]
fn a_download_over_http_2_that_breaks_in_the_middle_goes_on() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo-draft.gguf");
    let file = std::fs::read(model).expect("the bundled draft model");
    let served = file.clone();
    let server = FaultServer::new(move |seen, _| {
        let whole = |body: &[u8]| Answer::new(200, "application/octet-stream", body).with("etag", "\"v1\"");
        let Some(range) = seen.header("range") else {
            return Act::CutConnection(whole(&served).with("content-length", served.len().to_string()));
        };
        let from: usize = range.trim_start_matches("bytes=").trim_end_matches('-').parse().expect("a range");
        assert_eq!((seen.version, seen.header("if-range")), (http::Version::HTTP_2, Some("\"v1\"")));
        let (rest, last, total) = (&served[from..], served.len() - 1, served.len());
        let part = Answer { status: 206, ..whole(rest) }.with("content-range", format!("bytes {from}-{last}/{total}"));
        part.with("content-length", rest.len().to_string()).into()
    });
    let folder = tempfile::tempdir().expect("a folder");
    let config = StoreConfig {
        trust: server.config().trust,
        back_off: Duration::from_millis(5),
        reserve: 0,
        ..StoreConfig::new(folder.path())
    };
    let source = format!("{}/model.gguf", server.endpoint()).parse().expect("an address");
    let stored = ModelStore::new(config).download(DownloadRequest::new(source)).blocking_finish().expect("whole");
    assert!(std::fs::read(stored.path).expect("there") == file);
    assert_eq!(server.seen().len(), 2);
}
