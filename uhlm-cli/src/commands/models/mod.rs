//! `uhlm models`: downloads models, lists, checks and removes them.

mod list;
mod pull;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use uhlm_law::cancel::Cancel;
use uhlm_law::digest::Digest;
use uhlm_models::{Adoption, ModelStore, StoreConfig, Verification};
use uhlm_net::{BearerToken, Secret};

use crate::failure::Failure;
use crate::output;
use crate::remote;
use crate::report;
use crate::stored;
use crate::terminal::progress;
use crate::terminal::style::{Style, paint};

const EXAMPLES: &str = "\
Examples:
  uhlm models ls --catalogue                     models and pairs that are known
  uhlm models pull qwen3-0.6b-q8                 by its name in the catalogue
  uhlm models pull qwen2.5-coder-0.5b-1.5b       a pair: draft and target
  uhlm models pull hf:owner/repo/file.gguf       any file of a Hugging Face repository
  uhlm models pull https://host/file.gguf --sha256 HEX --mirror https://other/file.gguf
  uhlm models add ~/Downloads/file.gguf          a file that is there already
  uhlm models verify                             hash everything and compare
  uhlm models rm Qwen3-0.6B-Q8_0.gguf

A download that was stopped goes on where it was. --model and --target take a pulled model's name, too.";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ModelsArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Download models
    Pull(pull::PullArgs),
    /// Move files into the folder that were downloaded by other means, each checked first
    Add {
        /// GGUF files; of a split model each part
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// SHA-256 that the file must have, for one file
        #[arg(long, value_name = "HEX")]
        sha256: Option<Digest>,
    },
    /// List what is there
    Ls(list::ListArgs),
    /// Remove a model or what an unfinished download left
    Rm {
        /// File names, as `ls` shows them
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Compare models with the hash that they came with
    Verify {
        /// File names; without them all
        names: Vec<String>,
    },
}

/// Where models are kept.
#[derive(Clone, Debug, Args)]
struct PlaceArgs {
    /// Folder of the models; without it `uhlm/models` in the user's data folder
    #[arg(long, global = true, env = "UHLM_STORE", value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl PlaceArgs {
    fn config(&self) -> Result<StoreConfig, Failure> {
        Ok(StoreConfig::new(stored::folder(self.folder.as_deref())?))
    }
}

/// Where models come from, and whom to trust.
#[derive(Clone, Debug, Args)]
struct SourceArgs {
    /// Hugging Face, or a mirror of it
    #[arg(long, env = "HF_ENDPOINT", value_name = "URL", default_value = "https://huggingface.co")]
    hub: String,
    /// Token for it. Other users of this host can see flags: prefer the variable
    #[arg(long, env = "HF_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    hub_token: Option<Secret>,
    /// Trust these authorities instead of the public ones; without it SSL_CERT_FILE and SSL_CERT_DIR count
    #[arg(long, value_name = "PEM")]
    ca: Option<PathBuf>,
}

impl SourceArgs {
    fn config(&self, config: StoreConfig) -> Result<StoreConfig, Failure> {
        let trust = remote::authorities(self.ca.as_deref())?;
        let token = self.hub_token.as_ref().map(Secret::expose).filter(|token| !token.is_empty());
        let token = token.map(BearerToken::new).transpose();
        let hub_token = token.map_err(|error| Failure::usage(error.to_string()))?;
        Ok(StoreConfig { hub: self.hub.clone(), hub_token, trust, ..config })
    }
}

pub(crate) fn run(args: &ModelsArgs) -> Result<(), Failure> {
    let config = args.place.config()?;
    match &args.what {
        What::Pull(args) => pull::run(args, config),
        What::Add { files, sha256 } => add(files, *sha256, &ModelStore::new(config)),
        What::Ls(args) => list::run(args, &ModelStore::new(config)),
        What::Rm { names } => remove(names, &ModelStore::new(config)),
        What::Verify { names } => verify(names, &ModelStore::new(config)),
    }
}

fn add(files: &[PathBuf], sha256: Option<Digest>, store: &ModelStore) -> Result<(), Failure> {
    if sha256.is_some() && files.len() > 1 {
        return Err(Failure::usage("--sha256 is that of one file"));
    }
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| Failure::usage(format!("{} has no name", file.display())))?.to_owned();
        let bar = progress::bytes(file.metadata().ok().map(|found| found.len()), &name);
        let adoption = Adoption { name, sha256, source: None };
        let model = store.adopt(file, &adoption, &Cancel::new(), |read| bar.set_position(read));
        bar.finish_and_clear();
        let model = model?;
        output::line(format_args!("added {}, {}", model.name, report::bytes(model.bytes)));
    }
    Ok(())
}

fn remove(names: &[String], store: &ModelStore) -> Result<(), Failure> {
    for name in names {
        let freed = store.delete(name)?;
        output::line(format_args!("removed {name}, {} freed", report::bytes(freed)));
    }
    Ok(())
}

fn verify(names: &[String], store: &ModelStore) -> Result<(), Failure> {
    let models = store.list()?;
    let all: Vec<String> = models.iter().map(|model| model.name.clone()).collect();
    let names = if names.is_empty() { &all[..] } else { names };
    let mut damaged = false;
    for name in names {
        let bytes = models.iter().find(|model| model.name == *name).map(|model| model.bytes);
        let bar = progress::bytes(bytes, name);
        let outcome = store.verify(name, &Cancel::new(), |read| bar.set_position(read));
        bar.finish_and_clear();
        match outcome {
            Ok(Verification::Intact) => output::line(format_args!("{} {name}", paint(Style::Good, "intact  "))),
            Ok(Verification::Unknown { sha256 }) => output::line(format_args!(
                "{} {name}: put there by other means, SHA-256 {sha256}",
                paint(Style::Warning, "unknown ")
            )),
            Err(uhlm_models::StoreError::Damaged { expected, found, .. }) => {
                damaged = true;
                output::line(format_args!(
                    "{} {name}: SHA-256 {found} instead of {expected}",
                    paint(Style::Bad, "damaged ")
                ));
            }
            Err(error) => return Err(error.into()),
        }
    }
    if damaged { Err(Failure::reported()) } else { Ok(()) }
}
