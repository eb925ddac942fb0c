//! The support that the tests share: a store that trusts a scripted server, and files to serve.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use uhlm_law::digest::Digest;
use uhlm_models::{DownloadError, DownloadRequest, ModelStore, StoreConfig, StoredModel};
use uhlm_testing::file_server::{Asked, Content, FileServer, NoiseFile, Reply};

/// Name of the server's only file.
pub(crate) const NAME: &str = "noise.gguf";
/// Time that is longer than anything takes on the slowest machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Returns a file of about a megabyte; another seed gives another file of the same size.
pub(crate) fn noise(seed: u64) -> Arc<dyn Content> {
    Arc::new(NoiseFile::new(1_000_000, seed))
}

pub(crate) fn sha256(content: &Arc<dyn Content>) -> Digest {
    Digest(Sha256::digest(bytes(content)).into())
}

pub(crate) fn bytes(content: &Arc<dyn Content>) -> Vec<u8> {
    let mut bytes = vec![0; content.len() as usize];
    content.read(0, &mut bytes);
    bytes
}

/// A server and an empty store that trusts it.
pub(crate) struct Place {
    pub(crate) server: FileServer,
    pub(crate) store: ModelStore,
    pub(crate) folder: TempDir,
}

impl Place {
    pub(crate) fn new(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(script, |config| config)
    }

    /// Makes a place whose store has other settings.
    pub(crate) fn with(
        script: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
        configure: impl FnOnce(StoreConfig) -> StoreConfig,
    ) -> Self {
        let server = FileServer::start(script);
        let folder = tempfile::tempdir().expect("a folder");
        let config = StoreConfig {
            trust: server.trust(),
            hub: server.url("hub"),
            silence: LONG,
            attempts: 3,
            back_off: Duration::from_millis(5),
            reserve: 0,
            ..StoreConfig::new(folder.path())
        };
        Self { store: ModelStore::new(configure(config)), server, folder }
    }

    /// Returns a request for the server's only file.
    pub(crate) fn request(&self) -> DownloadRequest {
        DownloadRequest::new(self.server.url(NAME).parse().expect("an address"))
    }

    /// Downloads the server's only file.
    pub(crate) fn fetch(&self) -> Result<StoredModel, DownloadError> {
        self.store.download(self.request()).blocking_finish()
    }

    /// Returns the position of the first byte of each request.
    pub(crate) fn asked(&self) -> Vec<u64> {
        self.server.seen().iter().map(Asked::from).collect()
    }

    /// Asserts that the model is there, as it should be, and nothing else is.
    pub(crate) fn assert_whole(&self, model: &StoredModel, content: &Arc<dyn Content>) {
        assert!(std::fs::read(&model.path).expect("there") == bytes(content), "other bytes");
        assert_eq!(model.sha256, Some(sha256(content)));
        assert_eq!(self.store.list().expect("a folder"), std::slice::from_ref(model));
        assert!(self.store.unfinished().expect("a folder").is_empty());
    }

    /// Asserts that nothing there can be loaded, and that `kept` bytes wait for the next attempt.
    pub(crate) fn assert_unfinished(&self, kept: u64) {
        assert!(self.store.list().expect("a folder").is_empty());
        let unfinished = self.store.unfinished().expect("a folder");
        assert_eq!(unfinished.iter().map(|model| model.bytes).sum::<u64>(), kept, "{unfinished:?}");
    }
}
