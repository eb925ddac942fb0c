//! The engines with everything that the gateway knows of their target: its vocabulary, and its name for devices.
//!
//! Engines tell neither the bytes of tokens, which the noise goes by, nor a hash of their model. So the vocabulary
//! comes from a file, and the ids of fixed texts tell whether it is theirs.

use std::path::Path;

use sha2::{Digest as _, Sha256};
use uhlm_law::digest::Digest;
use uhlm_llama::{Lexicon, VocabularyFile};
use uhlm_net::{BearerToken, Secret, TrustPolicy};
use uhlm_upstream::{Probe, Settings, TokenSet, Upstream};

use crate::error::ServerError;
use crate::owner::Owner;
use crate::target::{TargetInfo, offered_vocabulary};
use crate::upstream::UpstreamOptions;

/// Texts whose ids are compared: words, numbers, white space, scripts, what looks like code, and characters of four
/// bytes. No names of control tokens, which some engines read as such wherever they stand, and no characters that a
/// normalisation would change, which some tokenizers make and others leave out.
const TEXTS: [&str; 7] = [
    "The quick brown fox jumps over the lazy dog, and then it sleeps for a while.",
    " leading space, trailing space ",
    "12345 3.14159 0x7f 1,000,000",
    "Grüße aus München, é à ñ ø ß",
    "\u{4f60}\u{597d}\u{ff0c}\u{4e16}\u{754c} \u{3053}\u{3093}\u{306b}\u{3061}\u{306f} \u{441}\u{43b}\u{43e}\u{432}",
    "fn main() {\n    println!(\"{}\", a + b);\n}\n\n\tif x != y { return; }",
    "\u{1f43a}\u{1f1e9}\u{1f1ea} \u{2026} \u{2713}",
];
/// Length of a context where neither the engines, nor the vocabulary's file, nor the settings say one, in tokens.
const CONTEXT: u32 = 4096;

/// The engines and their target.
#[derive(Debug)]
pub(crate) struct Engines {
    pub(crate) upstream: Upstream,
    pub(crate) lexicon: Lexicon,
    /// File with the vocabulary that is offered to devices with another one, if any is.
    pub(crate) vocabulary_file: Option<VocabularyFile>,
    pub(crate) info: TargetInfo,
    /// Largest number of questions that are asked at the same time.
    pub(crate) parallel: usize,
    /// Random key by which owners are named to engines.
    secret: [u8; 32],
}

impl Engines {
    /// Reads the vocabulary, which is offered to devices if `offers` is true, and reaches the engines. Must be called
    /// in a tokio runtime.
    pub(crate) async fn start(options: &UpstreamOptions, offers: bool) -> Result<Self, ServerError> {
        let path = options.vocabulary.clone();
        let read = tokio::task::spawn_blocking(move || {
            Lexicon::load(&path).map(|lexicon| (lexicon, offered_vocabulary(&path, offers)))
        });
        let failed =
            |error: tokio::task::JoinError| ServerError::Config(format!("reading the vocabulary failed: {error}"));
        let (lexicon, vocabulary_file) = read.await.map_err(failed)??;
        let settings = Settings {
            engines: options.engines.clone(),
            key: options.key_file.as_deref().map(key).transpose()?,
            trust: options.authority.as_deref().map_or(Ok(TrustPolicy::default()), trust)?,
            probes: probes(&lexicon),
            top: options.top,
            batch_invariant: options.batch_invariant,
        };
        let tokens = TokenSet::new(lexicon.vocabulary().size(), |id| lexicon.is_token(id));
        let upstream = Upstream::start(settings, tokens).await?;
        let info = about(&upstream, &lexicon);
        let mut secret = [0; 32];
        let random = rustls::crypto::ring::default_provider().secure_random;
        random.fill(&mut secret).map_err(|_| ServerError::Config("the system gives no random numbers".into()))?;
        let parallel = options.parallel.max(1) * options.engines.len();
        Ok(Self { upstream, lexicon, vocabulary_file, info, parallel, secret })
    }

    /// Returns the name of an owner that engines are told, so that they can keep caches apart. Nobody can guess it.
    pub(super) fn salt(&self, owner: Owner) -> String {
        let hash = Sha256::new().chain_update(self.secret).chain_update(owner.class());
        let hash = match owner {
            Owner::Token(hashed) | Owner::Device(hashed) => hash.chain_update(hashed),
            Owner::Address(address) => hash.chain_update(address.to_string()),
        };
        Digest(hash.finalize().into()).to_string()
    }
}

fn about(upstream: &Upstream, lexicon: &Lexicon) -> TargetInfo {
    let context = upstream.context().or(lexicon.context()).unwrap_or(CONTEXT);
    let model = upstream.model();
    let vocabulary = lexicon.hashes().clone();
    // No engine tells a hash of its model; the same name and vocabulary make the same target for a device.
    let hash =
        Sha256::new_with_prefix(b"uhlm/upstream").chain_update(model.as_bytes()).chain_update(vocabulary.whole.0);
    TargetInfo {
        name: if model.is_empty() { lexicon.name().to_owned() } else { model },
        fingerprint: Digest(hash.finalize().into()),
        vocabulary,
        vocabulary_size: lexicon.vocabulary().size() as u32,
        context,
        capacity: context as usize,
        batch_size: 1,
        slots: 1,
    }
}

/// Makes the texts that the vocabulary can spell, with their ids.
fn probes(lexicon: &Lexicon) -> Vec<Probe> {
    let probe = |text: &&str| Some(Probe { text: (*text).to_owned(), ids: lexicon.tokenize(text).ok()? });
    TEXTS.iter().filter_map(probe).collect()
}

/// Reads a key. Its file is named in an error, and nothing of what is in it.
fn key(path: &Path) -> Result<BearerToken, ServerError> {
    let unusable = |reason: String| ServerError::Config(format!("the key in {}: {reason}", path.display()));
    let text = std::fs::read_to_string(path).map(Secret::from).map_err(|error| unusable(error.to_string()))?;
    BearerToken::new(text.expose().trim()).map_err(|error| unusable(error.to_string()))
}

fn trust(path: &Path) -> Result<TrustPolicy, ServerError> {
    let unusable = |error: std::io::Error| ServerError::Config(format!("{}: {error}", path.display()));
    Ok(TrustPolicy::Pem(std::fs::read(path).map_err(unusable)?))
}
