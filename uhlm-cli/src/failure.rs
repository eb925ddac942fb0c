//! What went wrong, in one line, and what to do about it.

use std::process::ExitCode;

use uhlm_core::calibration::CalibrationError;
use uhlm_core::error::GenerationError;
use uhlm_core::llama::LoadError;
use uhlm_core::sampling::SamplingError;
use uhlm_core::verifier::VerifierError;
use uhlm_eval::error::EvalError;

use crate::terminal::style::{Style, paint_stderr};

/// Why a command ends without success.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    hint: Option<String>,
    code: u8,
}

impl Failure {
    /// A failure at run time.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: None, code: 1 }
    }

    /// The arguments make no sense.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self { code: 2, ..Self::new(what) }
    }

    /// What the person can do about it.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The command has said on stdout what failed; nothing more is printed.
    pub(crate) fn reported() -> Self {
        Self::new(String::new())
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }

    /// Writes the failure to stderr.
    pub(crate) fn print(&self) {
        if self.what.is_empty() {
            return;
        }
        eprintln!("{} {}", paint_stderr(Style::Bad, "error:"), self.what);
        if let Some(hint) = &self.hint {
            eprintln!("{} {hint}", paint_stderr(Style::Heading, " hint:"));
        }
    }

    /// The failure and its hint on one line.
    pub(crate) fn text(&self) -> String {
        self.what.clone()
    }

    pub(crate) fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        let hint = match &error {
            LoadError::Missing { .. } => "give the path of a GGUF file with --model",
            LoadError::Unreadable { .. } => "check the file's permissions",
            LoadError::NotGguf { .. } => "convert the model with llama.cpp's convert_hf_to_gguf.py",
            LoadError::Truncated { .. } | LoadError::Damaged { .. } => "download or copy the file again",
            LoadError::Unsupported { .. } => {
                "use a decoder-only model of an architecture that this version of llama.cpp knows"
            }
            LoadError::Cancelled => return Self::new(error.to_string()),
        };
        Self::new(error.to_string()).hint(hint)
    }
}

/// What to do about a verifier that gave no answer.
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

impl From<VerifierError> for Failure {
    fn from(error: VerifierError) -> Self {
        Self { hint: verifier_hint(&error).map(str::to_owned), ..Self::new(error.to_string()) }
    }
}

impl From<GenerationError> for Failure {
    fn from(error: GenerationError) -> Self {
        let hint = match &error {
            GenerationError::NoVerifier => Some("give --server URL, or use --mode device-only"),
            GenerationError::PromptTooLong { .. } => Some("shorten the prompt or raise --context"),
            GenerationError::VocabularyMismatch { .. } => {
                Some("use a draft model of the target's family: both must have the same tokenizer")
            }
            GenerationError::Template(_) => Some("this model cannot chat; `uhlm generate --raw` continues plain text"),
            GenerationError::Unauthorized => verifier_hint(&VerifierError::Unauthorized),
            GenerationError::Untrusted { reason } => {
                verifier_hint(&VerifierError::Untrusted { reason: reason.clone() })
            }
            GenerationError::Offline { cause } => verifier_hint(cause),
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
            CalibrationError::Missing { .. }
            | CalibrationError::Damaged { .. }
            | CalibrationError::WrongVersion { .. } => "make it anew with `uhlm calibrate`",
            CalibrationError::Io { source, .. } => return Self::new(format!("{error}: {source}")),
            CalibrationError::InvalidLabel { .. } => return Self::new(error.to_string()),
        };
        Self::new(error.to_string()).hint(hint)
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
