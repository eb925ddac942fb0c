//! `uhlm models pull`: one download after the other, each with a bar.

use clap::Args;
use uhlm_law::protocol::Digest;
use uhlm_models::catalogue::catalogue;
use uhlm_models::{DownloadRequest, ModelStore, Phase, Source, StoreConfig, StoredModel, TransferEvent};

use super::SourceArgs;
use crate::failure::Failure;
use crate::output;
use crate::report;
use crate::terminal::progress;
use crate::terminal::style::{Style, paint_stderr};

#[derive(Clone, Debug, Args)]
pub(super) struct PullArgs {
    /// A name from the catalogue (a model or a pair), `hf:owner/repo[@revision]/file.gguf`, or an https:// address
    #[arg(required = true)]
    what: Vec<String>,
    /// Keep the file under this name
    #[arg(long, value_name = "FILE")]
    name: Option<String>,
    /// What the file must hash to; without it what the catalogue or the repository says, if anything
    #[arg(long, value_name = "HEX")]
    sha256: Option<Digest>,
    /// Another source of the same file, tried when those before it fail; may be repeated
    #[arg(long, value_name = "SOURCE")]
    mirror: Vec<Source>,
    #[command(flatten)]
    sources: SourceArgs,
}

pub(super) fn run(args: &PullArgs, config: StoreConfig) -> Result<(), Failure> {
    let one = args.name.is_some() || args.sha256.is_some() || !args.mirror.is_empty();
    let requests = requests(args)?;
    if one && requests.len() > 1 {
        return Err(Failure::usage("--name, --sha256 and --mirror are about a single file"));
    }
    let store = ModelStore::new(args.sources.config(config)?);
    for request in requests {
        let model = pull(&store, request)?;
        output::line(model.path.display());
    }
    Ok(())
}

/// What the arguments name.
fn requests(args: &PullArgs) -> Result<Vec<DownloadRequest>, Failure> {
    let mut requests = Vec::new();
    for what in &args.what {
        let listed = catalogue();
        let ids = match listed.pair(what) {
            Some(pair) => vec![pair.draft.as_str(), pair.target.as_str()],
            None => vec![what.as_str()],
        };
        for id in ids {
            let request = match listed.model(id) {
                Some(model) => model.request().ok_or_else(|| {
                    Failure::usage(format!("{id} is not downloaded: it lies in the folder `models` of the repository"))
                })?,
                None => DownloadRequest::new(id.parse().map_err(|error| {
                    let failure = Failure::usage(format!("{id}: {error}"));
                    failure.hint("`uhlm models ls --catalogue` lists the names that are known")
                })?),
            };
            requests.push(adapted(request, args));
        }
    }
    Ok(requests)
}

fn adapted(mut request: DownloadRequest, args: &PullArgs) -> DownloadRequest {
    request.sources.extend(args.mirror.iter().cloned());
    DownloadRequest { name: args.name.clone().or(request.name), sha256: args.sha256.or(request.sha256), ..request }
}

fn pull(store: &ModelStore, request: DownloadRequest) -> Result<StoredModel, Failure> {
    let sources = request.sources.clone();
    let label = request.name.clone().or_else(|| sources.first()?.file_name()).unwrap_or_default();
    let bar = progress::bytes(request.bytes, &label);
    let (mut transfer, mut told, mut source) = (store.download(request), false, 0);
    let outcome = loop {
        match transfer.blocking_next() {
            Some(Ok(TransferEvent::Progress(now))) => {
                if now.resumed_from > 0 && !told {
                    told = true;
                    bar.suspend(|| say(&format!("goes on after {}", report::bytes(now.resumed_from))));
                    // The rate is that of this run.
                    bar.set_position(now.received);
                    bar.reset_eta();
                }
                if now.source != source {
                    source = now.source;
                    bar.suspend(|| say(&format!("next source: {}", sources[source])));
                }
                if let Some(total) = now.total {
                    bar.set_length(total);
                }
                bar.set_position(now.received);
                if now.phase == Phase::Checking {
                    bar.set_message(format!("checking {label}"));
                }
            }
            Some(Ok(TransferEvent::Finished(model))) => break Ok(model),
            Some(Err(error)) => break Err(error.into()),
            None => break Err(Failure::new("the download ended without a result")),
        }
    };
    bar.finish_and_clear();
    let model = outcome?;
    let hash = model.sha256.map_or_else(String::new, |hash| format!(", SHA-256 {hash}"));
    say(&format!("{}, {}{hash}", model.name, report::bytes(model.bytes)));
    Ok(model)
}

/// A remark beside the result, which is the path on stdout.
fn say(text: &str) {
    eprintln!("{}", paint_stderr(Style::Dim, text));
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: PullArgs,
    }

    fn read(line: &[&str]) -> Result<Vec<DownloadRequest>, Failure> {
        requests(&Line::try_parse_from(std::iter::once("pull").chain(line.iter().copied())).expect("flags").args)
    }

    #[test]
    fn a_pair_is_two_files_with_their_hashes() {
        let requests = read(&["qwen3-0.6b-8b"]).expect("listed");
        assert_eq!(requests.len(), 2);
        assert!(requests.iter().all(|request| request.sha256.is_some() && request.bytes.is_some()));
    }

    #[test]
    fn mirrors_come_after_the_source_and_a_hash_may_be_given() {
        let hash = "ab".repeat(32);
        let requests =
            read(&["hf:a/b/c.gguf", "--mirror", "https://host/c.gguf", "--sha256", &hash]).expect("a source");
        let [request] = &requests[..] else { panic!("one file") };
        assert_eq!(
            request.sources.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["hf:a/b/c.gguf", "https://host/c.gguf"]
        );
        assert_eq!(request.sha256.map(|hash| hash.to_string()), Some(hash));
    }

    #[test]
    fn what_cannot_be_pulled_says_why() {
        let text = |line: &[&str]| read(line).expect_err("no such thing").text();
        assert!(text(&["demo"]).contains("repository"));
        assert!(text(&["nonsense"]).contains("not a source"));
    }
}
