//! Getting models onto the device, and keeping them there.

use std::sync::Arc;

use tokio::sync::Mutex;
use uhlm_law::cancel::Cancel;
use uhlm_law::digest::Digest;
pub use uhlm_models::{Phase as DownloadPhase, UnfinishedModel};
use uhlm_models::{Source, TransferEvent};
use uhlm_net::{BearerToken, Secret};

use crate::error::{ErrorKind, UhlmError};
use crate::thread::{off_thread, on_thread};
use crate::verifier::TrustPolicy;

/// Settings of a model store.
#[derive(Clone, Debug, uniffi::Record)]
pub struct StoreOptions {
    /// Folder of the models. It is made with the first download.
    pub folder: String,
    /// Address of a mirror that is asked for Hugging Face repositories. Left out: Hugging Face itself.
    #[uniffi(default)]
    pub hub: Option<String>,
    /// Server certificates that are accepted. Left out: `BundledRoots`.
    #[uniffi(default)]
    pub trust: Option<TrustPolicy>,
}

/// A model that is wanted, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct DownloadRequest {
    /// Addresses of the model's file: `https://...` or `hf:owner/repo/file.gguf`. They are tried in this order. For a
    /// model that is split into parts, each is the address of any of them, and all parts are downloaded.
    pub sources: Vec<String>,
    /// Name to keep the model under, ending in `.gguf`. Left out: the name in the first source.
    #[uniffi(default)]
    pub name: Option<String>,
    /// SHA-256 that the file must have, in hex; for a split model that of its first part. Left out: what the repository
    /// says.
    #[uniffi(default)]
    pub sha256: Option<String>,
    /// SHA-256 that each part of a split model after the first must have, in hex and in order. Left out: what the
    /// repository says.
    #[uniffi(default)]
    pub further_sha256: Vec<String>,
    /// Size that the file must have, in bytes. Left out: what the server says.
    #[uniffi(default)]
    pub bytes: Option<u64>,
    /// True if the model may be downloaded over a metered network.
    #[uniffi(default)]
    pub allow_metered: bool,
    /// True if a file is refused with `ChecksumMissing` when neither this request nor the repository says which SHA-256
    /// it must have. False believes whatever the server sends.
    #[uniffi(default = true)]
    pub require_sha256: bool,
}

impl DownloadRequest {
    fn into_core(self) -> Result<uhlm_models::DownloadRequest, UhlmError> {
        let digest = |text: &String| text.parse::<Digest>().map_err(UhlmError::invalid);
        let source = |text: &String| text.parse::<Source>().map_err(UhlmError::invalid);
        Ok(uhlm_models::DownloadRequest {
            sources: self.sources.iter().map(source).collect::<Result<_, _>>()?,
            name: self.name,
            sha256: self.sha256.as_ref().map(digest).transpose()?,
            further_sha256: self.further_sha256.iter().map(digest).collect::<Result<_, _>>()?,
            bytes: self.bytes,
            allow_metered: self.allow_metered,
            require_sha256: self.require_sha256,
        })
    }
}

/// A model that was downloaded completely.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct StoredModel {
    /// Name in the store.
    pub name: String,
    /// Path of its file, for `ModelOptions`; for a split model that of the first part.
    pub path: String,
    /// Size in bytes; for a split model that of all parts.
    pub bytes: u64,
    /// SHA-256 of its file when it was downloaded, in hex; nothing for a file that was put there by other means.
    pub sha256: Option<String>,
    /// Address that it was downloaded from, without its query, which may hold a signature.
    pub source: Option<String>,
    /// The parts of a split model after the first, in order; empty for a model of one file.
    #[uniffi(default)]
    pub further_parts: Vec<StoredPart>,
}

impl From<uhlm_models::StoredModel> for StoredModel {
    fn from(model: uhlm_models::StoredModel) -> Self {
        Self {
            name: model.name,
            path: model.path.display().to_string(),
            bytes: model.bytes,
            sha256: model.sha256.map(|digest| digest.to_string()),
            source: model.source,
            further_parts: model.further_parts.into_iter().map(Into::into).collect(),
        }
    }
}

/// A part of a split model after the first.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct StoredPart {
    /// Path of its file.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of its file when it was downloaded, in hex; nothing for a file that was put there by other means.
    pub sha256: Option<String>,
}

impl From<uhlm_models::StoredPart> for StoredPart {
    fn from(part: uhlm_models::StoredPart) -> Self {
        Self {
            path: part.path.display().to_string(),
            bytes: part.bytes,
            sha256: part.sha256.map(|digest| digest.to_string()),
        }
    }
}

/// A file that a download of a model would load.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct RemoteFile {
    /// Name that it has in the store, for `UhlmModelStore.adopt`.
    pub name: String,
    /// Source that has it, for `UhlmModelStore.adopt`.
    pub source: String,
    /// Address of the file, which may redirect. A private repository asks for the Hugging Face token as well, which is
    /// not part of it.
    pub url: String,
    /// Size in bytes, where the request or the server says it.
    pub bytes: Option<u64>,
    /// SHA-256 that it must have, in hex, where the request or the repository says it.
    pub sha256: Option<String>,
}

impl From<uhlm_models::RemoteFile> for RemoteFile {
    fn from(file: uhlm_models::RemoteFile) -> Self {
        Self {
            name: file.name,
            source: file.source.to_string(),
            url: file.url,
            bytes: file.bytes,
            sha256: file.sha256.map(|digest| digest.to_string()),
        }
    }
}

/// A download that has not ended. Downloading the same name again goes on from there.
#[uniffi::remote(Record)]
pub struct UnfinishedModel {
    /// Name that the model will have.
    pub name: String,
    /// Size of what is there, in bytes.
    pub bytes: u64,
}

/// The step that a download has reached.
#[uniffi::remote(Enum)]
pub enum DownloadPhase {
    /// The server was asked and has not answered yet.
    Connecting,
    /// The file is being received.
    Loading,
    /// The file is there as a whole, and its SHA-256 is being computed.
    Checking,
}

/// One step of a download.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum DownloadEvent {
    /// The download goes on. An app that asks rarely is told the latest state only.
    Progress {
        /// The step that it has reached.
        phase: DownloadPhase,
        /// Size of what is there, in bytes, with what an earlier download left; for a split model that of all parts.
        received: u64,
        /// Size of the whole model in bytes, once it is known.
        total: Option<u64>,
        /// Number of the part that is being downloaded, from 1; 0 for a model of one file.
        #[uniffi(default = 0)]
        part: u32,
        /// Number of parts; 0 for a model of one file.
        #[uniffi(default = 0)]
        parts: u32,
    },
    /// The download has ended: the model is complete and its SHA-256 was checked. No event follows.
    Finished {
        /// The model.
        model: StoredModel,
    },
}

impl From<TransferEvent> for DownloadEvent {
    fn from(event: TransferEvent) -> Self {
        match event {
            TransferEvent::Progress(now) => Self::Progress {
                phase: now.phase,
                received: now.received,
                total: now.total,
                part: now.part,
                parts: now.parts,
            },
            TransferEvent::Finished(model) => Self::Finished { model: model.into() },
        }
    }
}

/// A folder of models, and the downloads into it.
#[derive(Debug, uniffi::Object)]
pub struct UhlmModelStore {
    store: uhlm_models::ModelStore,
}

#[uniffi::export]
impl UhlmModelStore {
    /// Makes a store for a folder. `hub_token` is a token for Hugging Face, for private repositories and for those
    /// whose terms must be accepted; it is sent nowhere else. It stands beside the options because whatever prints
    /// options would print it.
    ///
    /// # Errors
    /// `InvalidOptions`.
    #[uniffi::constructor(default(hub_token))]
    pub fn new(options: StoreOptions, hub_token: Option<String>) -> Result<Arc<Self>, UhlmError> {
        let mut config = uhlm_models::StoreConfig::new(options.folder);
        let token = hub_token.map(Secret::from).map(|token| BearerToken::new(token.expose())).transpose();
        config.hub_token = token.map_err(UhlmError::invalid)?;
        if let Some(hub) = options.hub {
            config.hub = hub;
        }
        if let Some(trust) = options.trust {
            config.trust = trust.into_core()?;
        }
        Ok(Arc::new(Self { store: uhlm_models::ModelStore::new(config) }))
    }

    /// Lists the models that are there, by name.
    ///
    /// # Errors
    /// `StorageFailed`.
    pub async fn list(&self) -> Result<Vec<StoredModel>, UhlmError> {
        let store = self.store.clone();
        Ok(off_thread(move || store.list()).await?.into_iter().map(Into::into).collect())
    }

    /// Lists the downloads that have not ended, by name.
    ///
    /// # Errors
    /// `StorageFailed`.
    pub async fn unfinished(&self) -> Result<Vec<UnfinishedModel>, UhlmError> {
        let store = self.store.clone();
        off_thread(move || store.unfinished()).await
    }

    /// Starts a download, on a thread of its own.
    ///
    /// # Errors
    /// `InvalidOptions`. Every other error comes from the download.
    pub fn download(&self, request: DownloadRequest) -> Result<Arc<UhlmDownload>, UhlmError> {
        Ok(UhlmDownload::of(self.store.download(request.into_core()?)))
    }

    /// Asks for the files that a download would load, in the order of the parts, and loads none: for a download that
    /// the system does in the background. What it brings, `adopt` takes. Dropping the future ends it.
    ///
    /// # Errors
    /// `InvalidOptions`, and those of a download that has not begun.
    pub async fn files(&self, request: DownloadRequest) -> Result<Vec<RemoteFile>, UhlmError> {
        let (store, request, cancel) = (self.store.clone(), request.into_core()?, Cancel::new());
        let files = on_thread("uhlm-files", cancel.clone(), move || store.files(&request, &cancel)).await;
        let files = files.map_err(|error| UhlmError::new(ErrorKind::EngineFailed, error))??;
        Ok(files.into_iter().map(Into::into).collect())
    }

    /// Takes a whole file into the store that something else brought: a download of the system's, or a person who
    /// picked it. It is checked first, by its SHA-256 where one is given, else by reading it as GGUF; then it is moved,
    /// or copied where the file system moves nothing, and is gone from its old place. After an error it is still there.
    /// `name` is the model's name in the store, for a part of a split model that part's; `source` is where it was
    /// loaded from, by which a later download finds it. A thread of its own reads the whole file; dropping the future
    /// ends it.
    ///
    /// # Errors
    /// `InvalidOptions` for a name that is none or another model's, `ModelDamaged` for another SHA-256 and for what is
    /// no GGUF, `StorageFull`, `StorageFailed`, and `Busy` while a download of the same name runs.
    #[uniffi::method(default(sha256 = None, source = None))]
    pub async fn adopt(
        &self,
        path: String,
        name: String,
        sha256: Option<String>,
        source: Option<String>,
    ) -> Result<StoredModel, UhlmError> {
        let sha256 = sha256.map(|text| text.parse::<Digest>()).transpose().map_err(UhlmError::invalid)?;
        let source = source.map(|text| text.parse::<Source>()).transpose().map_err(UhlmError::invalid)?;
        let (store, cancel) = (self.store.clone(), Cancel::new());
        let (adoption, raised) = (uhlm_models::Adoption { name, sha256, source }, cancel.clone());
        let work = move || store.adopt(path.as_ref(), &adoption, &raised, |_| ());
        let adopted = on_thread("uhlm-files", cancel, work).await;
        Ok(adopted.map_err(|error| UhlmError::new(ErrorKind::EngineFailed, error))??.into())
    }

    /// Takes note whether the network in use is metered. A download that is not allowed on a metered network stops, and
    /// goes on when it is asked for again.
    pub fn set_metered(&self, metered: bool) {
        self.store.set_metered(metered);
    }

    /// Reads a model's file and compares its SHA-256 with the one that it had when it was downloaded, on a thread of
    /// its own. Returns true if they are equal, and false if there is none to compare with. Dropping the future ends
    /// it.
    ///
    /// # Errors
    /// `ModelNotFound`, `ModelDamaged`, `StorageFailed`.
    pub async fn verify(&self, name: String) -> Result<bool, UhlmError> {
        let (store, cancel) = (self.store.clone(), Cancel::new());
        let verified = on_thread("uhlm-verify", cancel.clone(), move || store.verify(&name, &cancel, |_| ())).await;
        let verification = verified.map_err(|error| UhlmError::new(ErrorKind::EngineFailed, error))??;
        Ok(verification == uhlm_models::Verification::Intact)
    }

    /// Removes a model, or what an unfinished download left of it, and returns how many bytes were freed.
    ///
    /// # Errors
    /// `ModelNotFound`, `StorageFailed`.
    pub async fn delete(&self, name: String) -> Result<u64, UhlmError> {
        let store = self.store.clone();
        off_thread(move || store.delete(&name)).await
    }
}

impl UhlmModelStore {
    pub(crate) fn inner(&self) -> uhlm_models::ModelStore {
        self.store.clone()
    }
}

impl UhlmDownload {
    pub(crate) fn of(transfer: uhlm_models::Transfer) -> Arc<Self> {
        let cancel = transfer.canceller();
        Arc::new(Self { transfer: Mutex::new(transfer), cancel })
    }
}

/// One running download. Ask it for events until it has ended, with `Finished` or an error. Letting go of the last
/// handle stops it; what was downloaded is kept.
#[derive(Debug, uniffi::Object)]
pub struct UhlmDownload {
    transfer: Mutex<uhlm_models::Transfer>,
    cancel: Cancel,
}

#[uniffi::export]
impl UhlmDownload {
    /// Waits for the next event and returns it, or nothing after the end.
    ///
    /// # Errors
    /// Every error of a download, once, as the last item.
    pub async fn next(&self) -> Result<Option<DownloadEvent>, UhlmError> {
        let event = self.transfer.lock().await.next().await.transpose()?;
        Ok(event.map(Into::into))
    }

    /// Stops the download within a fraction of a second. It then ends with `Cancelled`; what was downloaded is kept.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}
