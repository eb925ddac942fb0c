//! `uhlm models pull`: one download after the other, each with a bar.

use std::io::IsTerminal as _;

use clap::Args;
use uhlm_law::digest::Digest;
use uhlm_llama::split;
use uhlm_models::catalogue::catalogue;
use uhlm_models::{DownloadError, DownloadRequest, ModelStore, Phase, Source, StoreConfig, StoredModel, TransferEvent};

use super::SourceArgs;
use crate::failure::Failure;
use crate::output;
use crate::report;
use crate::terminal::style::{Style, paint_stderr};
use crate::terminal::{border, progress};

#[derive(Clone, Debug, Args)]
pub(super) struct PullArgs {
    /// A name from the catalogue (a model or a pair), `hf:owner/repo[@revision]/file.gguf`, or an https:// address. Of
    /// a split model any part: all are pulled
    #[arg(required = true)]
    what: Vec<String>,
    /// Keep the file under this name
    #[arg(long, value_name = "FILE")]
    name: Option<String>,
    /// SHA-256 that the file must have; without it, the one that the catalogue or the repository states. Once for each
    /// part of a split model, in order
    #[arg(long, value_name = "HEX")]
    sha256: Vec<Digest>,
    /// Believe what the server sends where nobody says what it must hash to
    #[arg(long, conflicts_with = "sha256")]
    no_checksum: bool,
    /// Another source of the same file, tried when those before it fail; may be repeated
    #[arg(long, value_name = "SOURCE")]
    mirror: Vec<Source>,
    /// Most gigabytes to take of a file whose length the server does not say
    #[arg(long, value_name = "GB", default_value_t = 16)]
    max_size: u64,
    #[command(flatten)]
    sources: SourceArgs,
}

pub(super) fn run(args: &PullArgs, config: StoreConfig) -> Result<(), Failure> {
    let one = args.name.is_some() || !args.sha256.is_empty() || !args.mirror.is_empty();
    let requests = requests(args)?;
    if one && requests.len() > 1 {
        return Err(Failure::usage("--name, --sha256 and --mirror are about a single file"));
    }
    let max_unknown_length = args.max_size.saturating_mul(1_000_000_000);
    let store = ModelStore::new(StoreConfig { max_unknown_length, ..args.sources.config(config)? });
    for request in requests {
        let model = match pull(&store, request.clone()) {
            Err(error) if error.lacks_checksum() => {
                confirm(&request, &error)?;
                pull(&store, DownloadRequest { require_sha256: false, ..request })?
            }
            outcome => outcome?,
        };
        report_on(&model);
        output::line(model.path.display());
    }
    Ok(())
}

/// Asks whether a file that nobody vouches for is wanted. If nobody can answer, it is not.
fn confirm(request: &DownloadRequest, error: &DownloadError) -> Result<(), Failure> {
    let source = request.sources.first().map(ToString::to_string).unwrap_or_default();
    let size = match error {
        DownloadError::NoChecksum { bytes: Some(bytes) } => format!(" ({})", report::bytes(*bytes)),
        _ => String::new(),
    };
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        let failure = Failure::new(format!("nobody says what {source} must hash to"));
        return Err(failure.hint("give its hash with --sha256, or --no-checksum to believe what the server sends"));
    }
    output::note(format_args!(
        "Nobody says what {source}{size} must hash to: what the server sends would be believed."
    ));
    output::ask("Download it all the same? [y/N] ");
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    let yes = read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes");
    if yes { Ok(()) } else { Err(Failure::new("not downloaded").hint("give the file's hash with --sha256")) }
}

/// Says which model came, and whether it can be run.
fn report_on(model: &StoredModel) {
    let hash = match (model.sha256, model.further_parts.len()) {
        (Some(hash), 0) => format!(", SHA-256 {hash}"),
        (_, parts) if parts > 0 => format!(" in {} parts", parts + 1),
        _ => String::new(),
    };
    say(&format!("{}, {}{hash}", model.name, report::bytes(model.bytes)));
    if let Err(error) = split::read(&model.path) {
        output::note(format_args!(
            "{} it is the file that was asked for, but this version cannot run it: {error}",
            paint_stderr(Style::Warning, "warning:")
        ));
    }
}

/// Returns the downloads that the arguments name.
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
    let (first, further) = args.sha256.split_first().map_or((None, &[][..]), |(first, rest)| (Some(*first), rest));
    DownloadRequest {
        // The catalogue's name is not taken: a file of that name from elsewhere may be there already.
        name: args.name.clone(),
        sha256: first.or(request.sha256),
        further_sha256: further.to_vec(),
        require_sha256: !args.no_checksum,
        ..request
    }
}

fn pull(store: &ModelStore, request: DownloadRequest) -> Result<StoredModel, DownloadError> {
    let sources = request.sources.clone();
    let label = request.name.clone().or_else(|| sources.first()?.file_name()).unwrap_or_default();
    let bar = progress::bytes(request.bytes, &label);
    let label = border::shown(&label);
    let (mut transfer, mut told, mut source) = (store.download(request), false, 0);
    let outcome = loop {
        match transfer.blocking_next() {
            Some(Ok(TransferEvent::Progress(now))) => {
                if now.resumed_from > 0 && !told {
                    told = true;
                    bar.suspend(|| say(&format!("goes on after {}", report::bytes(now.resumed_from))));
                    // The shown rate is that of this run alone.
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
                let part = if now.parts > 1 { format!("{}/{} of ", now.part, now.parts) } else { String::new() };
                match now.phase {
                    Phase::Checking => bar.set_message(format!("checking {part}{label}")),
                    _ if now.parts > 1 => bar.set_message(format!("{part}{label}")),
                    _ => {}
                }
            }
            Some(Ok(TransferEvent::Finished(model))) => break Ok(model),
            Some(Err(error)) => break Err(error),
            None => break Err(DownloadError::Start { reason: "it ended without a result".into() }),
        }
    };
    bar.finish_and_clear();
    outcome
}

/// Writes a remark beside the result, which is the path on stdout.
fn say(text: &str) {
    output::note(paint_stderr(Style::Dim, text));
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
    fn a_file_needs_a_hash_unless_that_is_waived() {
        let required = |line: &[&str]| read(line).expect("a source")[0].require_sha256;
        assert!(required(&["https://host/c.gguf"]) && required(&["hf:a/b/c.gguf"]));
        assert!(!required(&["https://host/c.gguf", "--no-checksum"]));
    }

    #[test]
    fn the_parts_of_a_split_model_have_a_hash_each() {
        let (first, second) = ("ab".repeat(32), "cd".repeat(32));
        let line = ["hf:a/b/c-00001-of-00002.gguf", "--sha256", &first, "--sha256", &second];
        let request = read(&line).expect("a source").remove(0);
        assert_eq!(request.sha256.map(|hash| hash.to_string()), Some(first.clone()));
        assert_eq!(
            request.further_sha256.iter().map(ToString::to_string).collect::<Vec<_>>(),
            std::slice::from_ref(&second)
        );
    }

    #[test]
    fn what_cannot_be_pulled_says_why() {
        let text = |line: &[&str]| read(line).expect_err("no such thing").text().to_owned();
        assert!(text(&["demo"]).contains("repository"));
        assert!(text(&["nonsense"]).contains("not a source"));
    }
}
