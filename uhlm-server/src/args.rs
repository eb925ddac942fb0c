//! The command-line flags that make the settings of a server.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use uhlm_net::Secret;

use crate::accelerator_arg::AcceleratorArg;
use crate::auth::Tokens;
use crate::config::{DEFAULT_PORT, ServerConfig};
use crate::error::ServerError;
use crate::hand_off_args::HandOffArgs;
use crate::limits::{Limits, OwnerLimits};
use crate::log_format::LogFormat;
use crate::target::EngineOptions;
use crate::tls::TlsSource;
use crate::upstream_args::UpstreamArgs;

/// Flags of `uhlm serve` and `uhlm-server`.
#[derive(Clone, Debug, clap::Args)]
pub struct ServeArgs {
    /// Target model, a GGUF file
    #[arg(
        short,
        long,
        env = "UHLM_TARGET_MODEL",
        value_name = "GGUF",
        required_unless_present_any = ["upstream_url", "hand_off_url"]
    )]
    pub model: Option<PathBuf>,
    /// Address to listen on; only loopback without a token
    #[arg(
        long,
        env = "UHLM_LISTEN",
        value_name = "ADDRESS",
        default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT))
    )]
    pub listen: SocketAddr,

    /// Offer no file with the target's vocabulary: devices whose model has another one are refused
    #[arg(long, env = "UHLM_NO_VOCABULARY")]
    pub no_vocabulary: bool,

    /// A system prompt that is no secret, a text file: what is decoded of it is shared across owners, not among the
    /// sessions of each alone. May be repeated
    #[arg(long, value_name = "FILE", conflicts_with = "upstream_url")]
    pub system_prompt: Vec<PathBuf>,

    /// Certificate with its chain, PEM; without it a self-signed one is made
    #[arg(long, env = "UHLM_TLS_CERT", value_name = "PEM", requires = "tls_key", help_heading = "TLS")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate, PEM
    #[arg(long, env = "UHLM_TLS_KEY", value_name = "PEM", requires = "tls_cert", help_heading = "TLS")]
    pub tls_key: Option<PathBuf>,
    /// Further names or addresses for the self-signed certificate
    #[arg(
        long,
        env = "UHLM_TLS_NAMES",
        value_name = "NAME",
        value_delimiter = ',',
        conflicts_with = "tls_cert",
        help_heading = "TLS"
    )]
    pub tls_name: Vec<String>,
    /// Folder in which the self-signed certificate is kept from start to start, so that phones that trust it go on
    /// doing so; made at the first start, for the names of `--tls-name`
    #[arg(
        long,
        env = "UHLM_TLS_KEEP",
        value_name = "FOLDER",
        conflicts_with_all = ["tls_cert", "no_tls"],
        help_heading = "TLS"
    )]
    pub tls_keep: Option<PathBuf>,
    /// Let in clients that have no TLS 1.3
    #[arg(long, env = "UHLM_TLS12", help_heading = "TLS")]
    pub tls12: bool,
    /// Plain HTTP on loopback, for a proxy on this host that ends TLS
    #[arg(long, env = "UHLM_NO_TLS", conflicts_with_all = ["tls_cert", "tls_name", "tls12"], help_heading = "TLS")]
    pub no_tls: bool,

    /// Bearer tokens to let in (at least 16 characters each). Other users of this host can see flags: prefer the
    /// environment or a file
    #[arg(
        long = "token",
        env = "UHLM_TOKENS",
        hide_env_values = true,
        value_name = "TOKEN",
        value_delimiter = ',',
        help_heading = "Access"
    )]
    pub tokens: Vec<Secret>,
    /// File of bearer tokens, one a line; read again when it changes, and at SIGHUP
    #[arg(long, env = "UHLM_TOKEN_FILE", value_name = "FILE", help_heading = "Access")]
    pub token_file: Option<PathBuf>,
    /// Take what follows a token and a `~` as the name of the device that uses it, each with quotas and a fair share
    /// of its own; for a token that ships in an app
    #[arg(long, env = "UHLM_DEVICE_LABELS", help_heading = "Access")]
    pub device_labels: bool,
    /// Serve everybody on an address that can be reached from elsewhere
    #[arg(long, env = "UHLM_ALLOW_ANONYMOUS", help_heading = "Access")]
    pub allow_anonymous: bool,

    /// Tokens in the cache, all sessions together; 0 for the model's context length
    #[arg(
        long,
        env = "UHLM_CACHE",
        value_name = "TOKENS",
        default_value_t = EngineOptions::default().context,
        help_heading = "Engine"
    )]
    pub cache: u32,
    /// Tokens in one forward pass
    #[arg(
        long,
        env = "UHLM_BATCH",
        value_name = "TOKENS",
        default_value_t = EngineOptions::default().batch,
        help_heading = "Engine"
    )]
    pub batch: u32,
    /// Tokens of a pass that are computed at once; 0 for all. 1 makes the text of a seed independent, to the bit,
    /// of what else the server does; a pass of n tokens then takes as long as n passes, and there are at most as many
    /// slots as whole contexts go into the cache
    #[arg(
        long,
        env = "UHLM_MICRO_BATCH",
        value_name = "TOKENS",
        default_value_t = EngineOptions::default().micro_batch,
        help_heading = "Engine"
    )]
    pub micro_batch: u32,
    /// Compute each row of a pass as if it were alone: the text of a seed is then independent, to the bit, of what else
    /// the server does, as with --micro-batch 1 but far faster. Needs a build with GGML_LLAMAFILE=OFF and
    /// GGML_CPU_TILED_MM=0 in the environment, on the CPU
    #[arg(long, env = "UHLM_BATCH_INVARIANT", help_heading = "Engine")]
    pub batch_invariant: bool,
    /// Sessions that have a cache at the same time; each 64 of them have a context and an equal part of the cache
    #[arg(
        long,
        env = "UHLM_SLOTS",
        value_name = "N",
        default_value_t = EngineOptions::default().slots,
        value_parser = clap::value_parser!(u32).range(1..=1024),
        help_heading = "Engine"
    )]
    pub slots: u32,
    /// Threads that decode; 0 chooses by the cores
    #[arg(short, long, env = "UHLM_THREADS", value_name = "N", default_value_t = 0, help_heading = "Engine")]
    pub threads: u32,
    /// Where the target computes: on a GPU if this build can use one and the system has one, on the CPU alone, or on a
    /// GPU or not at all
    #[arg(
        long,
        env = "UHLM_ACCELERATOR",
        value_name = "WHERE",
        value_enum,
        default_value_t = AcceleratorArg::Auto,
        help_heading = "Engine"
    )]
    pub accelerator: AcceleratorArg,
    /// Layers on a GPU at most; without it all of them
    #[arg(long, env = "UHLM_GPU_LAYERS", value_name = "N", help_heading = "Engine")]
    pub gpu_layers: Option<u32>,

    #[command(flatten)]
    #[allow(missing_docs, reason = "its text would become that of the whole command")]
    pub upstream: UpstreamArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "its text would become that of the whole command")]
    pub hand_off: HandOffArgs,

    /// Sessions open at the same time; at one more, one unused for 30 s or longer is evicted, the opener's own first
    #[arg(
        long,
        env = "UHLM_MAX_SESSIONS",
        value_name = "N",
        default_value_t = Limits::default().sessions,
        help_heading = "Limits"
    )]
    pub max_sessions: usize,
    /// Longest sequence of one session; 0 for what model and cache allow
    #[arg(long, env = "UHLM_MAX_CONTEXT", value_name = "TOKENS", default_value_t = 0, help_heading = "Limits")]
    pub max_context: u32,
    /// Most drafted tokens that one pass judges
    #[arg(
        long,
        env = "UHLM_MAX_DRAFT",
        value_name = "TOKENS",
        default_value_t = Limits::default().draft,
        help_heading = "Limits"
    )]
    pub max_draft: usize,
    /// Largest request body
    #[arg(
        long,
        env = "UHLM_MAX_BODY",
        value_name = "BYTES",
        default_value_t = Limits::default().body,
        help_heading = "Limits"
    )]
    pub max_body: usize,
    /// Requests whose answer may be under way
    #[arg(
        long,
        env = "UHLM_MAX_QUEUE",
        value_name = "N",
        default_value_t = Limits::default().queue,
        help_heading = "Limits"
    )]
    pub max_queue: usize,
    /// Bytes of request bodies under way
    #[arg(
        long,
        env = "UHLM_MAX_BYTES",
        value_name = "BYTES",
        default_value_t = Limits::default().bytes,
        help_heading = "Limits"
    )]
    pub max_bytes: usize,
    /// Milliseconds that a pass may take while more than one owner is at work
    #[arg(long, env = "UHLM_PASS_TARGET", value_name = "MS", default_value_t = 100, help_heading = "Limits")]
    pub pass_target: u64,
    /// Sessions of one owner (token, labelled device, or address without tokens); 0 for no limit but the server's, as
    /// for all of an owner's limits
    #[arg(
        long,
        env = "UHLM_OWNER_SESSIONS",
        value_name = "N",
        default_value_t = OwnerLimits::default().sessions,
        help_heading = "Limits"
    )]
    pub owner_sessions: usize,
    /// Slots of one owner
    #[arg(long, env = "UHLM_OWNER_SLOTS", value_name = "N", default_value_t = 0, help_heading = "Limits")]
    pub owner_slots: usize,
    /// Tokens of one owner in the cache
    #[arg(long, env = "UHLM_OWNER_CACHE", value_name = "TOKENS", default_value_t = 0, help_heading = "Limits")]
    pub owner_cache: usize,
    /// Requests of one owner whose answer may be under way
    #[arg(
        long,
        env = "UHLM_OWNER_QUEUE",
        value_name = "N",
        default_value_t = OwnerLimits::default().queue,
        help_heading = "Limits"
    )]
    pub owner_queue: usize,
    /// Bytes of one owner's request bodies under way
    #[arg(
        long,
        env = "UHLM_OWNER_BYTES",
        value_name = "BYTES",
        default_value_t = OwnerLimits::default().bytes,
        help_heading = "Limits"
    )]
    pub owner_bytes: usize,
    /// Open connections
    #[arg(
        long,
        env = "UHLM_MAX_CONNECTIONS",
        value_name = "N",
        default_value_t = Limits::default().connections,
        help_heading = "Limits"
    )]
    pub max_connections: usize,
    /// Requests a second of one token (or address, without tokens); 0 for no limit
    #[arg(long, env = "UHLM_RATE", value_name = "N", default_value_t = 0, help_heading = "Limits")]
    pub rate: u32,
    /// Requests that a client may save up; 0 for one second's
    #[arg(long, env = "UHLM_BURST", value_name = "N", default_value_t = 0, requires = "rate", help_heading = "Limits")]
    pub burst: u32,
    /// Seconds after which an unused session is closed
    #[arg(
        long,
        env = "UHLM_SESSION_IDLE",
        value_name = "SECONDS",
        default_value_t = Limits::default().session_idle.as_secs(),
        help_heading = "Limits"
    )]
    pub session_idle: u64,
    /// Connections of one address (IPv6: of a /64) that have not been let in yet
    #[arg(
        long,
        env = "UHLM_MAX_STRANGERS",
        value_name = "N",
        default_value_t = Limits::default().strangers,
        help_heading = "Limits"
    )]
    pub max_strangers: usize,
    /// Seconds that the server goes on after /readyz says that it is about to stop
    #[arg(long, env = "UHLM_NOTICE", value_name = "SECONDS", default_value_t = 0, help_heading = "Limits")]
    pub notice: u64,
    /// Seconds that answers under way may take when the server stops
    #[arg(long, env = "UHLM_GRACE", value_name = "SECONDS", default_value_t = 10, help_heading = "Limits")]
    pub grace: u64,
    /// Form of log lines; no line holds text of a user
    #[arg(long, env = "UHLM_LOG_FORMAT", value_name = "FORM", value_enum, default_value_t)]
    pub log_format: LogFormat,
}

impl ServeArgs {
    /// The settings that these flags mean.
    ///
    /// # Errors
    /// [`ServerError::Auth`] where the tokens are not usable.
    pub fn into_config(self) -> Result<ServerConfig, ServerError> {
        let tokens = Tokens::new(self.tokens.iter().map(Secret::expose))?;
        let tls = match (self.tls_cert, self.tls_key) {
            (Some(certificate), Some(key)) => TlsSource::Files { certificate, key },
            _ if self.no_tls => TlsSource::Off,
            _ => match self.tls_keep {
                Some(folder) => TlsSource::Kept { folder, names: self.tls_name },
                None => TlsSource::SelfSigned { names: self.tls_name },
            },
        };
        Ok(ServerConfig {
            upstream: self.upstream.into_options()?,
            hand_off: self.hand_off.into_options(),
            model: self.model.unwrap_or_default(),
            engine: EngineOptions {
                context: self.cache,
                batch: self.batch,
                micro_batch: self.micro_batch,
                batch_invariant: self.batch_invariant,
                slots: self.slots,
                threads: self.threads,
                accelerator: self.accelerator.into(),
                gpu_layers: self.gpu_layers,
            },
            offer_vocabulary: !self.no_vocabulary,
            system_prompts: self.system_prompt,
            listen: self.listen,
            tls,
            tls12: self.tls12,
            tokens,
            token_file: self.token_file,
            device_labels: self.device_labels,
            allow_anonymous: self.allow_anonymous,
            limits: Limits {
                sessions: self.max_sessions,
                context: self.max_context,
                body: self.max_body,
                draft: self.max_draft,
                queue: self.max_queue,
                bytes: self.max_bytes,
                pass_target: Duration::from_millis(self.pass_target),
                owner: OwnerLimits {
                    sessions: self.owner_sessions,
                    slots: self.owner_slots,
                    cache: self.owner_cache,
                    queue: self.owner_queue,
                    bytes: self.owner_bytes,
                },
                rate: self.rate,
                burst: self.burst,
                connections: self.max_connections,
                strangers: self.max_strangers,
                session_idle: Duration::from_secs(self.session_idle),
                ..Limits::default()
            },
            notice: Duration::from_secs(self.notice),
            grace: Duration::from_secs(self.grace),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::hand_off::HandOffOptions;
    use crate::upstream::EngineKind;
    use clap::{Args as _, Command, FromArgMatches as _};

    fn parse(args: &[&str]) -> Result<ServeArgs, clap::Error> {
        let command = ServeArgs::augment_args(Command::new("serve").no_binary_name(true));
        command.debug_assert();
        let command = ServeArgs::augment_args(Command::new("serve").no_binary_name(true));
        ServeArgs::from_arg_matches(&command.try_get_matches_from(args)?)
    }

    #[test]
    fn flags_default_to_a_loopback_server_with_its_own_certificate() {
        let config = parse(&["--model", "m.gguf"]).expect("parsed").into_config().expect("valid");
        let default = ServerConfig::new("m.gguf");
        assert_eq!(config.listen, default.listen);
        assert_eq!((config.tls, config.limits, config.engine), (default.tls, default.limits, default.engine));
    }

    #[test]
    fn engines_take_the_place_of_a_model_and_are_of_one_kind_or_have_one_each() {
        let options = |args: &[&str]| parse(args).expect("parsed").into_config().map(|config| config.upstream);
        let urls = ["--upstream-url", "http://a:8000/", "--upstream-url", "https://b"];
        let vocabulary = ["--upstream-vocabulary", "v.gguf"];
        let one_kind = options(&[&["--upstream", "vllm"], &urls[..], &vocabulary].concat()).expect("valid");
        let engines = one_kind.expect("engines").engines;
        assert_eq!(
            engines.iter().map(|engine| engine.url.as_str()).collect::<Vec<_>>(),
            ["http://a:8000", "https://b"]
        );
        assert!(engines.iter().all(|engine| engine.kind == EngineKind::Vllm));
        let kinds = ["--upstream", "sglang", "--upstream", "llama-server"];
        let each = options(&[&kinds[..], &urls, &vocabulary].concat()).expect("valid").expect("engines");
        assert_eq!(each.engines[1].kind, EngineKind::LlamaServer);
        assert_eq!(each.vocabulary, Path::new("v.gguf"));
        assert!(options(&[&kinds[..], &urls[..2], &vocabulary].concat()).is_err(), "two kinds and one URL");
        assert!(parse(&[&["--upstream", "vllm"], &urls[..]].concat()).is_err(), "a vocabulary is needed");
        assert!(parse(&["--upstream", "ollama", "--upstream-url", "http://a", "--upstream-vocabulary", "v"]).is_err());
        let wrong = ["--upstream", "vllm", "--upstream-url", "http://user:key@a", "--upstream-vocabulary", "v"];
        assert!(options(&wrong).is_err(), "a key belongs into a file");
        assert_eq!(options(&["--model", "m.gguf"]).expect("valid"), None);
    }

    #[test]
    fn a_chat_service_takes_the_place_of_a_model() {
        let args = ["--hand-off-url", "https://a/v1", "--hand-off-vocabulary", "v.gguf", "--hand-off-model", "m"];
        let config = parse(&args).expect("parsed").into_config().expect("valid");
        let expected = HandOffOptions { model: Some("m".into()), ..HandOffOptions::new("https://a/v1", "v.gguf") };
        assert_eq!(config.hand_off, Some(expected));
        assert!(parse(&args[..2]).is_err(), "a vocabulary is needed");
        for other in [["--model", "m.gguf"], ["--system-prompt", "s"]] {
            assert!(parse(&[&args[..], &other].concat()).is_err(), "{other:?}");
        }
    }

    #[test]
    fn flags_and_settings_show_no_token() {
        let args = parse(&["-m", "m", "--token", "quillfeather-0123,quillfeather-4567"]).expect("parsed");
        assert_eq!(args.tokens.len(), 2);
        assert!(!format!("{args:?}").contains("quillfeather"), "{args:?}");
        let config = args.into_config().expect("valid");
        assert!(!format!("{config:?}").contains("quillfeather"), "{config:?}");
    }

    #[test]
    fn contradicting_flags_and_bad_tokens_are_refused() {
        assert!(parse(&[]).is_err(), "a model is needed");
        assert!(parse(&["-m", "m", "--tls-cert", "c"]).is_err(), "a certificate needs its key");
        assert!(parse(&["-m", "m", "--no-tls", "--tls-name", "n"]).is_err());
        assert!(parse(&["-m", "m", "--slots", "1025"]).is_err());
        assert!(parse(&["-m", "m", "--token", "short"]).expect("parsed").into_config().is_err());
    }
}
