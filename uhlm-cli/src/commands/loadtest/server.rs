//! The server that is loaded: one that was named, or one that is started in this process for the test.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use clap::Args;
use uhlm_law::model::{LanguageModel as _, Special};
use uhlm_law::sampling::TokenId;
use uhlm_llama::{LoadOptions, Model};
use uhlm_load::{Attack, Place};
use uhlm_net::{BearerToken, Secret, TrustPolicy};
use uhlm_server::{EngineOptions, Limits, ServerConfig, Tokens};

use super::LoadtestArgs;
use crate::failure::Failure;
use crate::loopback::Loopback;
use crate::pair::Pair;
use crate::prompts::PromptArgs;
use crate::stored::located;
use crate::terminal::progress;

/// The engine of a server that is started for the test.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Server in this process")]
pub(super) struct EngineArgs {
    /// Threads that decode; 0 chooses by the cores
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: u32,
    /// Sessions that have a cache at the same time
    #[arg(long, value_name = "N", default_value_t = EngineOptions::default().slots)]
    slots: u32,
    /// Tokens in the cache, all sessions together; 0 for the model's context length
    #[arg(long, value_name = "TOKENS", default_value_t = EngineOptions::default().context)]
    cache: u32,
    /// Tokens in one forward pass
    #[arg(long, value_name = "TOKENS", default_value_t = EngineOptions::default().batch)]
    batch: u32,
    /// Tokens of a pass that are computed at once; 0 for all
    #[arg(long, value_name = "TOKENS", default_value_t = EngineOptions::default().micro_batch)]
    micro_batch: u32,
    /// Sessions open at the same time
    #[arg(long, value_name = "N", default_value_t = Limits::default().sessions)]
    max_sessions: usize,
}

impl EngineArgs {
    fn config(&self, model: &Path, token: &str) -> Result<ServerConfig, Failure> {
        let defaults = EngineOptions::default();
        Ok(ServerConfig {
            engine: EngineOptions {
                threads: self.threads,
                slots: self.slots,
                context: self.cache,
                batch: self.batch,
                micro_batch: self.micro_batch,
                ..defaults
            },
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tokens: Tokens::new([token]).map_err(|error| Failure::new(error.to_string()))?,
            device_labels: true,
            limits: Limits { sessions: self.max_sessions, ..Limits::default() },
            ..ServerConfig::new(model)
        })
    }
}

/// The server that is loaded.
pub(super) struct Target {
    pub(super) place: Place,
    /// Tokens of natural text, out of which prompts are cut; empty where the target's vocabulary is not at hand.
    pub(super) source: Vec<TokenId>,
    /// Server in this process, which stops when this is dropped.
    loopback: Option<Loopback>,
}

impl Target {
    /// Returns the server that was named, or starts one.
    pub(super) fn open(args: &LoadtestArgs) -> Result<Self, Failure> {
        if let Some(url) = &args.remote.server {
            let trust = args.remote.config()?.map(|config| config.trust).unwrap_or_default();
            let place = place(args, url.clone(), trust, args.remote.token.as_ref().map(Secret::expose))?;
            return Ok(Self { place, source: Vec::new(), loopback: None });
        }
        let path = match &args.target {
            Some(path) => located(path)?,
            None => Pair::find()?.target(),
        };
        let spinner = progress::spinner("loading the target model");
        let source = source(&path, &args.prompts)?;
        let token = fresh_token();
        let loopback = Loopback::start_with(args.engine.config(&path, &token)?)?;
        spinner.finish_and_clear();
        let place = place(args, loopback.url.clone(), loopback.trust.clone(), Some(&token))?;
        Ok(Self { place, source, loopback: Some(loopback) })
    }

    /// Tells whether the server runs in this process.
    pub(super) fn is_here(&self) -> bool {
        self.loopback.is_some()
    }
}

fn bearer(token: &str) -> Result<BearerToken, Failure> {
    BearerToken::new(token).map_err(|error| Failure::usage(error.to_string()))
}

fn place(args: &LoadtestArgs, url: String, trust: TrustPolicy, token: Option<&str>) -> Result<Place, Failure> {
    let owners = match (token, args.owners) {
        (Some(token), 1) => vec![bearer(token)?],
        (Some(token), count) => {
            (0..count).map(|owner| bearer(&format!("{token}~owner-{owner}"))).collect::<Result<_, _>>()?
        }
        (None, 1) => Vec::new(),
        (None, _) => return Err(Failure::usage("without a token all phones of one address are one owner")),
    };
    let hostile = match (&args.hostile_token, token) {
        (Some(token), _) => vec![bearer(token.expose())?],
        (None, Some(token)) => {
            Attack::ALL.iter().map(|attack| bearer(&format!("{token}~{attack}"))).collect::<Result<_, _>>()?
        }
        (None, None) => Vec::new(),
    };
    Ok(Place { url, trust, owners, hostile })
}

/// Makes a token that nobody else on this machine knows.
fn fresh_token() -> String {
    let random = RandomState::new();
    format!("load-{:016x}{:016x}", random.hash_one(1), random.hash_one(2))
}

/// Returns the tokens of the prompts, one after the other.
fn source(target: &Path, prompts: &PromptArgs) -> Result<Vec<TokenId>, Failure> {
    let model = Model::load(target, &LoadOptions::default())?;
    let mut source = Vec::new();
    for prompt in prompts.read()? {
        source.extend(model.tokenize(&prompt.question, Special::Plain)?);
    }
    Ok(source)
}
