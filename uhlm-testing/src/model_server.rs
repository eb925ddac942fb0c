//! A server for suites that see the library from outside: the demo draft to download, as one file and in parts, and an
//! address at which a verifier is always busy.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use uhlm_law::digest::Digest;

use crate::file_server::{Content, FileServer, Reply};
use crate::{pair, split};

const WHOLE: &str = "demo.gguf";
const PARTS: u16 = 3;

/// The server; dropped, it ends.
pub struct ModelServer {
    server: FileServer,
    whole: Digest,
    parts: Vec<Digest>,
}

impl ModelServer {
    /// Starts the server on any free port.
    #[must_use]
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let source = pair::file("demo-draft.gguf");
        let parts = split::split(&source, folder.path(), "demo", PARTS).expect("split");
        let mut files: HashMap<String, Arc<dyn Content>> = HashMap::new();
        let mut serve = |name: String, path: &Path| {
            let bytes = std::fs::read(path).expect("a file that can be read");
            let digest = Digest(Sha256::digest(&bytes).into());
            files.insert(name, Arc::new(bytes));
            digest
        };
        let whole = serve(WHOLE.into(), &source);
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let parts = parts.iter().map(|part| serve(name(part), part)).collect();
        let server = FileServer::start(move |asked| match files.get(asked.path.trim_start_matches('/')) {
            Some(content) => Reply::proper(content, "v1", asked),
            // More than a client waits for within a call. The body of a request is not read: nothing may follow it.
            None if asked.path.contains("/v2/") => {
                Reply::status(503).with("Retry-After", "2").with("Connection", "close")
            }
            None => Reply::status(404),
        });
        Self { server, whole, parts }
    }

    /// Returns the certificate of its authority, as PEM.
    #[must_use]
    pub fn authority(&self) -> String {
        self.server.authority()
    }

    /// Returns the address of the model in one file.
    #[must_use]
    pub fn whole(&self) -> String {
        self.server.url(WHOLE)
    }

    /// Returns the SHA-256 of the model in one file.
    #[must_use]
    pub fn whole_sha256(&self) -> Digest {
        self.whole
    }

    /// Returns the address of the split model's first part.
    #[must_use]
    pub fn split(&self) -> String {
        self.server.url(&format!("demo-00001-of-{PARTS:05}.gguf"))
    }

    /// Returns the SHA-256 of each part of the split model.
    #[must_use]
    pub fn split_sha256(&self) -> &[Digest] {
        &self.parts
    }

    /// Returns the endpoint of a verifier that answers every request with 503.
    #[must_use]
    pub fn busy_verifier(&self) -> String {
        self.server.url("busy")
    }
}
