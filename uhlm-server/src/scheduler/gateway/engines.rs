//! What the gateway asks, engines or a chat service, with everything that it knows of the target there: its vocabulary,
//! and its name for devices.
//!
//! Engines tell neither the bytes of tokens, which the noise goes by, nor a hash of their model. So the vocabulary
//! comes from a file, and the ids of fixed texts tell whether it is theirs.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use uhlm_law::digest::Digest;
use uhlm_llama::{Lexicon, VocabularyFile};
use uhlm_net::TrustPolicy;
use uhlm_upstream::{Abilities, Probe, Settings, TokenSet, Upstream};

use super::credentials::{key, trust};
use super::hand_off::HandOff;
use super::seen::Seen;
use super::texts::TEXTS;
use crate::error::ServerError;
use crate::hand_off::HandOffOptions;
use crate::owner::Owner;
use crate::target::{TargetInfo, offered_vocabulary};
use crate::upstream::UpstreamOptions;

/// Length of a context where neither the engines, nor the vocabulary's file, nor the settings say one, in tokens.
const CONTEXT: u32 = 4096;
/// Length of a conversation with a chat service, in tokens. Nothing is kept of it here, and the service says by itself
/// what is too long.
const HANDED_CONTEXT: u32 = 131_072;

/// Who writes.
#[derive(Debug)]
pub(crate) enum Source {
    /// Engines that give rows.
    Rows(Upstream),
    /// A chat service that gives whole replies.
    Replies(HandOff),
}

/// The engines and their target.
#[derive(Debug)]
pub(crate) struct Engines {
    pub(crate) source: Source,
    pub(crate) lexicon: Arc<Lexicon>,
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
        let parallel = options.parallel.max(1) * options.engines.len();
        let source = Source::Rows(upstream);
        Ok(Self { source, lexicon: Arc::new(lexicon), vocabulary_file, info, parallel, secret: secret()? })
    }

    /// Makes the vocabulary that carries a chat service's replies, and reaches the service. Must be called in a tokio
    /// runtime.
    pub(crate) async fn hand_off(options: &HandOffOptions) -> Result<Self, ServerError> {
        let (hand_off, file) = HandOff::start(options).await?;
        let lexicon = Arc::clone(hand_off.lexicon());
        let name = hand_off.service().model().to_owned();
        let info = described(name, b"uhlm/hand-off", HANDED_CONTEXT, &lexicon);
        let (source, parallel) = (Source::Replies(hand_off), options.parallel.max(1));
        Ok(Self { source, lexicon, vocabulary_file: Some(file), info, parallel, secret: secret()? })
    }

    /// Tells whether a chat service writes whole replies.
    pub(crate) fn hands_off(&self) -> bool {
        matches!(self.source, Source::Replies(_))
    }

    /// Returns what can be asked of the engines; nothing but one token after the other of a chat service.
    pub(super) fn abilities(&self) -> Abilities {
        match &self.source {
            Source::Rows(upstream) => upstream.abilities(),
            Source::Replies(_) => Abilities {
                takes_windows: false,
                one_forward: false,
                takes_names: false,
                top: 1,
                batch_invariant: false,
            },
        }
    }

    /// Describes who is asked, for people.
    pub(crate) fn describe(&self) -> String {
        match &self.source {
            Source::Rows(upstream) => upstream.describe(),
            Source::Replies(_) => "a chat service that writes whole replies, neither drawn with the shared noise nor \
                                   judged"
                .into(),
        }
    }

    /// Returns what can be seen of everybody who is asked.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        match &self.source {
            Source::Rows(upstream) => {
                let replicas = upstream.replicas().into_iter();
                let seen = replicas.map(|replica| Seen {
                    url: replica.address.url,
                    is_up: replica.is_up,
                    requests: replica.requests,
                    failures: replica.failures,
                    under_way: replica.load,
                });
                seen.collect()
            }
            Source::Replies(hand_off) => vec![hand_off.seen()],
        }
    }

    /// Returns the number of questions that were asked again after a failure, and of those that were asked twice
    /// because the answer was late.
    pub(crate) fn asked_twice(&self) -> (u64, u64) {
        match &self.source {
            Source::Rows(upstream) => (upstream.repeats(), upstream.hedges()),
            Source::Replies(_) => (0, 0),
        }
    }

    /// Takes note that a session has ended.
    pub(super) fn forget(&self, session: u64) {
        if let Source::Replies(hand_off) = &self.source {
            hand_off.forget(session);
        }
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

fn secret() -> Result<[u8; 32], ServerError> {
    let mut secret = [0; 32];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut secret).map_err(|_| ServerError::Config("the system gives no random numbers".into()))?;
    Ok(secret)
}

fn about(upstream: &Upstream, lexicon: &Lexicon) -> TargetInfo {
    let context = upstream.context().or(lexicon.context()).unwrap_or(CONTEXT);
    described(upstream.model(), b"uhlm/upstream", context, lexicon)
}

fn described(model: String, kind: &[u8], context: u32, lexicon: &Lexicon) -> TargetInfo {
    let vocabulary = lexicon.hashes().clone();
    // Nobody tells a hash of a model here; the same name and vocabulary make the same target for a device.
    let hash = Sha256::new_with_prefix(kind).chain_update(model.as_bytes()).chain_update(vocabulary.whole.0);
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
