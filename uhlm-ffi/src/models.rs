//! Getting models onto the device.

use std::sync::Arc;

use tokio::sync::Mutex;
use uhlm_law::cancel::Cancel;
use uhlm_law::protocol::{Digest, InvalidDigest};
use uhlm_models::{DownloadError, InvalidSource, Source, StoreError};
use uhlm_net::{BearerToken, InvalidToken};

use crate::error::{Recovery, UhlmError};
use crate::thread::on_thread;
use crate::verifier::TrustPolicy;

/// Why a model could not be had or kept. Fields as in `UhlmError`. What was loaded by then is kept and a later download
/// goes on from there, unless the variant says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
#[expect(missing_docs, reason = "the fields that all variants share are described at `UhlmError`")]
pub enum ModelStoreError {
    /// The address, the name or an option cannot be used.
    #[error("{reason}")]
    InvalidRequest { reason: String, retryable: bool, recovery: Recovery },
    /// The network is metered and the request does not allow that.
    #[error("{reason}")]
    Metered { reason: String, retryable: bool, recovery: Recovery },
    /// The same file is being downloaded already.
    #[error("{reason}")]
    AlreadyRunning { reason: String, retryable: bool, recovery: Recovery },
    /// The file system has no room, or it became full.
    #[error("{reason}")]
    DiskFull { reason: String, retryable: bool, recovery: Recovery },
    /// The file system failed.
    #[error("{reason}")]
    Storage { reason: String, retryable: bool, recovery: Recovery },
    /// No server could be reached, or all stopped in the middle.
    #[error("{reason}")]
    Network { reason: String, retryable: bool, recovery: Recovery },
    /// The server's certificate is not trusted.
    #[error("{reason}")]
    Untrusted { reason: String, retryable: bool, recovery: Recovery },
    /// The server wants a token, or does not take this one.
    #[error("{reason}")]
    Unauthorized { reason: String, retryable: bool, recovery: Recovery },
    /// There is no such file, on the server or in the store.
    #[error("{reason}")]
    NotFound { reason: String, retryable: bool, recovery: Recovery },
    /// What came is not what was asked for; it was thrown away. In the store: the file was damaged since.
    #[error("{reason}")]
    Corrupt { reason: String, retryable: bool, recovery: Recovery },
    /// The app cancelled.
    #[error("{reason}")]
    Cancelled { reason: String, retryable: bool, recovery: Recovery },
}

macro_rules! failure {
    ($variant:ident, $error:expr, $retryable:expr, $recovery:ident) => {
        ModelStoreError::$variant { reason: $error.to_string(), retryable: $retryable, recovery: Recovery::$recovery }
    };
}

impl From<DownloadError> for ModelStoreError {
    fn from(error: DownloadError) -> Self {
        use DownloadError as E;
        match &error {
            E::InvalidSource(_) | E::InvalidName { .. } | E::NameTaken { .. } | E::NoChecksum { .. } => {
                failure!(InvalidRequest, error, false, FixOptions)
            }
            E::Metered => failure!(Metered, error, false, WaitForNetwork),
            E::AlreadyRunning => failure!(AlreadyRunning, error, true, TryAgain),
            E::NotEnoughSpace { .. } | E::DiskFull { .. } => failure!(DiskFull, error, false, FreeStorage),
            E::Storage { .. } | E::Start { .. } => failure!(Storage, error, false, FreeStorage),
            E::Unreachable { .. } | E::Interrupted { .. } | E::Stalled { .. } | E::Busy { .. } => {
                failure!(Network, error, true, WaitForNetwork)
            }
            E::Untrusted { .. } => failure!(Untrusted, error, false, CheckEndpoint),
            E::Unauthorized => failure!(Unauthorized, error, false, SignIn),
            E::NotFound => failure!(NotFound, error, false, ChooseAnotherModel),
            E::Refused { .. } | E::Redirect { .. } | E::InvalidAnswer { .. } | E::NoLength { .. } => {
                failure!(Network, error, false, CheckEndpoint)
            }
            E::WrongLength { .. } | E::Changed | E::WrongHash { .. } | E::NotAModel { .. } => {
                failure!(Corrupt, error, false, DownloadAgain)
            }
            E::EverySource { last, .. } => Self::from((**last).clone()),
            E::Part { failure, .. } => Self::from((**failure).clone()),
            E::Cancelled => failure!(Cancelled, error, false, None),
        }
    }
}

impl From<StoreError> for ModelStoreError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Missing { .. } => failure!(NotFound, error, false, ProvideModel),
            StoreError::Damaged { .. } => failure!(Corrupt, error, false, DownloadAgain),
            StoreError::Cancelled => failure!(Cancelled, error, false, None),
            StoreError::Io { .. } => failure!(Storage, error, false, FreeStorage),
        }
    }
}

impl From<InvalidSource> for ModelStoreError {
    fn from(error: InvalidSource) -> Self {
        failure!(InvalidRequest, error, false, FixOptions)
    }
}

impl From<InvalidDigest> for ModelStoreError {
    fn from(error: InvalidDigest) -> Self {
        failure!(InvalidRequest, error, false, FixOptions)
    }
}

/// Settings of a model store.
#[derive(Clone, Debug, uniffi::Record)]
pub struct StoreOptions {
    /// Where the models lie; made with the first download.
    pub folder: String,
    /// A token for Hugging Face: private repositories, and those whose terms must be accepted. Never sent anywhere
    /// else.
    #[uniffi(default)]
    pub hub_token: Option<String>,
    /// Where Hugging Face repositories are asked for instead: a mirror.
    #[uniffi(default)]
    pub hub: Option<String>,
    /// Which server certificates are accepted. Left out: `BundledRoots`.
    #[uniffi(default)]
    pub trust: Option<TrustPolicy>,
}

/// Which file is wanted, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct DownloadRequest {
    /// `https://...` or `hf:owner/repo/file.gguf`; mirrors are tried in this order.
    pub sources: Vec<String>,
    /// The name to keep it under, ending in `.gguf`; none for the first source's.
    #[uniffi(default)]
    pub name: Option<String>,
    /// What it must hash to, in hex.
    #[uniffi(default)]
    pub sha256: Option<String>,
    /// How many bytes it must have.
    #[uniffi(default)]
    pub bytes: Option<u64>,
    /// Whether a metered network will do.
    #[uniffi(default)]
    pub allow_metered: bool,
}

impl DownloadRequest {
    fn into_core(self) -> Result<uhlm_models::DownloadRequest, ModelStoreError> {
        Ok(uhlm_models::DownloadRequest {
            sources: self.sources.iter().map(|source| source.parse::<Source>()).collect::<Result<_, _>>()?,
            name: self.name,
            sha256: self.sha256.map(|digest| digest.parse::<Digest>()).transpose()?,
            bytes: self.bytes,
            allow_metered: self.allow_metered,
            ..uhlm_models::DownloadRequest::default()
        })
    }
}

impl From<uhlm_models::DownloadRequest> for DownloadRequest {
    fn from(request: uhlm_models::DownloadRequest) -> Self {
        Self {
            sources: request.sources.iter().map(ToString::to_string).collect(),
            name: request.name,
            sha256: request.sha256.map(|digest| digest.to_string()),
            bytes: request.bytes,
            allow_metered: request.allow_metered,
        }
    }
}

/// A model that is there, whole.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct StoredModel {
    /// Its name in the store.
    pub name: String,
    /// Its file, to be given to `ModelOptions`.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// What it hashed to when it came; unknown for a file that was put there by other means.
    pub sha256: Option<String>,
    /// Where it came from.
    pub source: Option<String>,
}

impl From<uhlm_models::StoredModel> for StoredModel {
    fn from(model: uhlm_models::StoredModel) -> Self {
        Self {
            name: model.name,
            path: model.path.display().to_string(),
            bytes: model.bytes,
            sha256: model.sha256.map(|digest| digest.to_string()),
            source: model.source,
        }
    }
}

/// A download that has not ended; asking for the same name again goes on from there.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct UnfinishedModel {
    /// The name that it will have.
    pub name: String,
    /// Bytes that it takes.
    pub bytes: u64,
}

/// What a download is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum DownloadPhase {
    /// It waits for a server.
    Connecting,
    /// Bytes come in.
    Loading,
    /// All bytes are there and are being checked.
    Checking,
}

/// What a download tells.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum DownloadEvent {
    /// It goes on. A consumer that is behind is told the latest state only.
    Progress {
        /// What it is doing.
        phase: DownloadPhase,
        /// Bytes that are there, those of an earlier download included.
        received: u64,
        /// Bytes of the whole file, once known.
        total: Option<u64>,
    },
    /// The model is there, whole and checked.
    Finished {
        /// The model.
        model: StoredModel,
    },
}

impl From<uhlm_models::TransferEvent> for DownloadEvent {
    fn from(event: uhlm_models::TransferEvent) -> Self {
        match event {
            uhlm_models::TransferEvent::Progress(progress) => Self::Progress {
                phase: match progress.phase {
                    uhlm_models::Phase::Connecting => DownloadPhase::Connecting,
                    uhlm_models::Phase::Loading => DownloadPhase::Loading,
                    uhlm_models::Phase::Checking => DownloadPhase::Checking,
                },
                received: progress.received,
                total: progress.total,
            },
            uhlm_models::TransferEvent::Finished(model) => Self::Finished { model: model.into() },
        }
    }
}

/// A file of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct CatalogueModel {
    /// Its name for people.
    pub name: String,
    /// The file's name in a store.
    pub file: String,
    /// SPDX expression of the licence that its publisher names.
    pub licence: String,
    /// Size of the file, where known for certain.
    pub bytes: Option<u64>,
    /// A request for it; none for one that comes with the SDK's repository.
    pub request: Option<DownloadRequest>,
}

/// A draft model with a target model that share a vocabulary.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct CataloguePair {
    /// Its name in commands.
    pub id: String,
    /// What it is good for.
    pub about: String,
    /// What runs on the device.
    pub draft: CatalogueModel,
    /// What the verifier must serve.
    pub target: CatalogueModel,
    /// Whether thresholds were measured for it; else `uhlm calibrate` does that.
    pub measured: bool,
}

/// Pairs that are known to work, compiled in.
#[uniffi::export]
#[must_use]
pub fn catalogue_pairs() -> Vec<CataloguePair> {
    let catalogue = uhlm_models::catalogue::catalogue();
    let described = |id: &str| {
        let model = catalogue.model(id)?;
        Some(CatalogueModel {
            name: model.name.clone(),
            file: model.file.clone(),
            licence: model.licence.clone(),
            bytes: model.bytes,
            request: model.request().map(Into::into),
        })
    };
    let pair = |pair: &uhlm_models::catalogue::Pair| {
        Some(CataloguePair {
            id: pair.id.clone(),
            about: pair.about.clone(),
            draft: described(&pair.draft)?,
            target: described(&pair.target)?,
            measured: pair.measured.is_some(),
        })
    };
    catalogue.pairs.iter().filter_map(pair).collect()
}

/// A folder of models.
#[derive(Debug, uniffi::Object)]
pub struct UhlmModelStore {
    store: uhlm_models::ModelStore,
}

#[uniffi::export]
impl UhlmModelStore {
    /// A store in a folder.
    ///
    /// # Errors
    /// `InvalidRequest`.
    #[uniffi::constructor]
    pub fn new(options: StoreOptions) -> Result<Arc<Self>, ModelStoreError> {
        let mut config = uhlm_models::StoreConfig::new(options.folder);
        let invalid = |error: InvalidToken| failure!(InvalidRequest, error, false, FixOptions);
        config.hub_token = options.hub_token.map(|token| BearerToken::new(&token)).transpose().map_err(invalid)?;
        if let Some(hub) = options.hub {
            config.hub = hub;
        }
        if let Some(trust) = options.trust {
            config.trust =
                trust.into_core().map_err(|error: UhlmError| failure!(InvalidRequest, error, false, FixOptions))?;
        }
        Ok(Arc::new(Self { store: uhlm_models::ModelStore::new(config) }))
    }

    /// The models that are there, by name.
    ///
    /// # Errors
    /// `Storage`.
    pub fn list(&self) -> Result<Vec<StoredModel>, ModelStoreError> {
        Ok(self.store.list()?.into_iter().map(Into::into).collect())
    }

    /// Downloads that have not ended, by name.
    ///
    /// # Errors
    /// `Storage`.
    pub fn unfinished(&self) -> Result<Vec<UnfinishedModel>, ModelStoreError> {
        let unfinished = |model: uhlm_models::UnfinishedModel| UnfinishedModel { name: model.name, bytes: model.bytes };
        Ok(self.store.unfinished()?.into_iter().map(unfinished).collect())
    }

    /// Starts a download, on a thread of its own.
    ///
    /// # Errors
    /// `InvalidRequest`. Everything else comes from the download.
    pub fn download(&self, request: DownloadRequest) -> Result<Arc<UhlmDownload>, ModelStoreError> {
        let transfer = self.store.download(request.into_core()?);
        let cancel = transfer.canceller();
        Ok(Arc::new(UhlmDownload { transfer: Mutex::new(transfer), cancel }))
    }

    /// Whether the network in use is metered: downloads that do not allow that stop, and go on when asked again.
    pub fn set_metered(&self, metered: bool) {
        self.store.set_metered(metered);
    }

    /// Reads a model's file and compares its hash with the one that it came with, on a thread of its own. True where it
    /// is the same; false where there is nothing to compare with. Dropping the future ends it.
    ///
    /// # Errors
    /// `NotFound`, `Corrupt`, `Storage`.
    pub async fn verify(&self, name: String) -> Result<bool, ModelStoreError> {
        let (store, cancel) = (self.store.clone(), Cancel::new());
        let verified = on_thread("uhlm-verify", cancel.clone(), move || store.verify(&name, &cancel, |_| ())).await;
        let verification = verified.map_err(|error| failure!(Storage, error, true, FreeMemory))??;
        Ok(verification == uhlm_models::Verification::Intact)
    }

    /// Removes a model or what an unfinished download left of it; returns the bytes that were freed.
    ///
    /// # Errors
    /// `NotFound`, `Storage`.
    pub fn delete(&self, name: String) -> Result<u64, ModelStoreError> {
        Ok(self.store.delete(&name)?)
    }
}

/// One running download. Pull it until the end: `Finished`, or an error. Letting go of the last handle ends it; what
/// was loaded stays.
#[derive(Debug, uniffi::Object)]
pub struct UhlmDownload {
    transfer: Mutex<uhlm_models::Transfer>,
    cancel: Cancel,
}

#[uniffi::export]
impl UhlmDownload {
    /// How far it is; none after the end.
    ///
    /// # Errors
    /// Once, as the last item.
    pub async fn next(&self) -> Result<Option<DownloadEvent>, ModelStoreError> {
        let event = self.transfer.lock().await.next().await.transpose()?;
        Ok(event.map(Into::into))
    }

    /// Ends it within a fraction of a second, with `Cancelled`; what was loaded stays.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}
