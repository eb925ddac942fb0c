//! Says in one line why a command failed, and what to do about it.

use std::io::ErrorKind;
use std::process::ExitCode;

use uhlm_core::GenerationError;
use uhlm_core::calibration_file::CalibrationFileError;
use uhlm_core::verifier::VerifierError;
use uhlm_eval::error::EvalError;
use uhlm_law::calibration::CalibrationError;
use uhlm_law::model::ModelError;
use uhlm_law::sampling::SamplingError;
use uhlm_llama::LoadError;
use uhlm_models::{DownloadError, StoreError};
use uhlm_server::ServerError;

/// The reason why a command ends without success.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    hint: Option<String>,
    code: u8,
}

impl Failure {
    /// Makes a failure at run time.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: None, code: 1 }
    }

    /// Makes a failure of wrong usage: the arguments make no sense.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self { code: 2, ..Self::new(what) }
    }

    /// Adds a hint: what the person can do about the failure.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Makes a failure that prints nothing, because the command has said on stdout what failed.
    pub(crate) fn reported() -> Self {
        Self::new(String::new())
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }

    /// Returns the description of the failure; empty where the command has printed it itself.
    pub(crate) fn text(&self) -> &str {
        &self.what
    }

    pub(crate) fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        let hint = match &error {
            LoadError::Missing { .. } => "give the path of a GGUF file; `uhlm models ls` lists what was pulled",
            LoadError::Unreadable { source, .. } if source.kind() == ErrorKind::IsADirectory => {
                "give the path of a GGUF file in that folder"
            }
            LoadError::Unreadable { .. } => "check the file's permissions",
            LoadError::NotGguf { .. } => "convert the model with llama.cpp's convert_hf_to_gguf.py",
            LoadError::Truncated { .. } | LoadError::Damaged { .. } => "download or copy the file again",
            LoadError::MissingPart { .. } => {
                "all parts of a split model lie in one folder: `uhlm models pull` brings them"
            }
            LoadError::Unsupported { .. } => {
                "use a decoder-only model of an architecture that this version of llama.cpp knows"
            }
            LoadError::NotInvariant(_) => {
                "docs/results.md says what it takes; --micro-batch 1 has the same effect anywhere"
            }
            LoadError::NoGpu(_) => "give --accelerator auto or cpu; docs/device.md says how a GPU comes into the build",
            LoadError::Memory(_) => "choose a shorter context with --context, or a smaller model",
            LoadError::Cancelled | LoadError::Callback { .. } => return Self::new(error.to_string()),
        };
        Self::new(error.to_string()).hint(hint)
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        match error {
            ServerError::Model(error) => error.into(),
            ServerError::Listen { .. } => {
                Self::new(error.to_string()).hint("another program may listen there: choose another --listen")
            }
            error => Self::new(error.to_string()),
        }
    }
}

/// Returns what to do about a verifier that gave no answer; `None` without advice.
fn verifier_hint(error: &VerifierError) -> Option<&'static str> {
    Some(match error {
        VerifierError::Unreachable { .. } | VerifierError::DeadlineExceeded { .. } => {
            "check --server and that `uhlm serve` runs there; `uhlm doctor` looks step by step"
        }
        VerifierError::Untrusted { .. } => {
            "pin the server's certificate with --fingerprint (uhlm serve prints it), or name its authority with --ca"
        }
        VerifierError::Unauthorized => "give the server's token with --token or UHLM_TOKEN",
        VerifierError::Busy { .. } => "try again later",
        VerifierError::InvalidAnswer { .. } => "device and server may be of different versions",
        _ => return None,
    })
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        GenerationError::from(error).into()
    }
}

impl From<VerifierError> for Failure {
    fn from(error: VerifierError) -> Self {
        Self { hint: verifier_hint(&error).map(str::to_owned), ..Self::new(error.to_string()) }
    }
}

impl From<GenerationError> for Failure {
    fn from(error: GenerationError) -> Self {
        let hint = match &error {
            GenerationError::NoVerifier => Some("give --server URL, or use --mode device-only"),
            GenerationError::PromptTooLong { .. } => Some(
                "shorten the prompt, raise --context, or let the oldest turns go with --overflow drop-oldest:TOKENS",
            ),
            GenerationError::VocabularyMismatch { .. } => {
                Some("use a draft model of the target's family, or a server that offers its vocabulary")
            }
            GenerationError::Template(_) => Some("this model cannot chat; `uhlm generate --raw` continues plain text"),
            GenerationError::Unauthorized => verifier_hint(&VerifierError::Unauthorized),
            GenerationError::Untrusted { reason } => {
                verifier_hint(&VerifierError::Untrusted { reason: reason.clone() })
            }
            GenerationError::Offline { cause } => verifier_hint(cause),
            GenerationError::Incomplete { .. } => Some("raise --max-tokens, or ask for a shorter form"),
            GenerationError::Model(ModelError::Text { .. }) => Some("break the text into lines"),
            GenerationError::Model(ModelError::NotEnoughMemory { .. }) => {
                Some("choose a shorter context with --context, or a smaller model")
            }
            _ => None,
        };
        Self { hint: hint.map(str::to_owned), ..Self::new(error.to_string()) }
    }
}

/// Returns what to do about a download that failed; `None` without advice.
fn download_hint(error: &DownloadError) -> Option<&'static str> {
    Some(match error {
        DownloadError::InvalidSource(_) => {
            "give an https:// address, hf:owner/repo/file.gguf or a name from the catalogue"
        }
        DownloadError::InvalidName { .. } => "give a file name that ends in .gguf with --name",
        DownloadError::NotEnoughSpace { .. } | DownloadError::DiskFull { .. } => {
            "free some space (`uhlm models ls`, `uhlm models rm`), or choose another disk with --folder"
        }
        DownloadError::Unreachable { .. } => {
            "check the address and this machine's network; run again, the download goes on where it stopped"
        }
        DownloadError::Interrupted { .. } | DownloadError::Stalled { .. } => {
            "run the command again: it goes on where it stopped"
        }
        DownloadError::Storage { .. } => "check the folder's permissions, or choose another one with --folder",
        DownloadError::Untrusted { .. } => "name the server's authority with --ca",
        DownloadError::Unauthorized => {
            "give a token with HF_TOKEN, and accept the model's terms on its page if it has some"
        }
        DownloadError::NotFound => "check the spelling of owner, repository and file",
        DownloadError::AlreadyRunning => "wait for the other download, or end it",
        DownloadError::WrongHash { .. } => {
            "the file was changed on the server or on its way: check --sha256, try another source"
        }
        DownloadError::NotAModel { .. } => {
            "check the address; a network that asks for a login answers with its own page"
        }
        DownloadError::NameTaken { .. } => {
            "give another --name, or remove the other model (`uhlm models ls`, `uhlm models rm`)"
        }
        DownloadError::NoChecksum { .. } => {
            "give the file's hash with --sha256, or --no-checksum to believe what the server sends"
        }
        DownloadError::NoLength { .. } => "give another source with --mirror, or more with --max-size",
        DownloadError::Part { failure, .. } => return download_hint(failure),
        DownloadError::EverySource { last, .. } => return download_hint(last),
        _ => return None,
    })
}

impl From<DownloadError> for Failure {
    fn from(error: DownloadError) -> Self {
        Self { hint: download_hint(&error).map(str::to_owned), ..Self::new(error.to_string()) }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let hint = match &error {
            StoreError::Missing { .. } => Some("`uhlm models ls` lists what is there"),
            StoreError::Io { .. } => Some("check the folder's permissions, or choose another one with --folder"),
            StoreError::Damaged { .. } => Some("remove it with `uhlm models rm` and pull it again"),
            _ => None,
        };
        Self { hint: hint.map(str::to_owned), ..Self::new(error.to_string()) }
    }
}

impl From<SamplingError> for Failure {
    fn from(error: SamplingError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<CalibrationError> for Failure {
    fn from(error: CalibrationError) -> Self {
        let hint = match &error {
            CalibrationError::TooFewLabels { .. } => "give more prompts or raise --max-tokens",
            CalibrationError::NotIncreasing { .. } => "try another --estimator, or a higher --temperature",
            CalibrationError::InvalidLabel { .. } => return Self::new(error.to_string()),
        };
        Self::new(error.to_string()).hint(hint)
    }
}

impl From<CalibrationFileError> for Failure {
    fn from(error: CalibrationFileError) -> Self {
        match &error {
            CalibrationFileError::Io { source, .. } => Self::new(format!("{error}: {source}")),
            _ => Self::new(error.to_string()).hint("make it anew with `uhlm calibrate`"),
        }
    }
}

impl From<EvalError> for Failure {
    fn from(error: EvalError) -> Self {
        match error {
            EvalError::Load(error) => error.into(),
            EvalError::Generation(error) => error.into(),
            EvalError::Sampling(error) => error.into(),
            EvalError::Calibration(error) => error.into(),
            EvalError::Vocabularies => Self::new(EvalError::Vocabularies.to_string())
                .hint("use a draft model of the target's family: both must have the same tokenizer"),
            error => Self::new(error.to_string()),
        }
    }
}
