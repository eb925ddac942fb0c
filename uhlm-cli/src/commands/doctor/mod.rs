//! `uhlm doctor`: checks a device's setup step by step, says what is wrong and how to mend it.

mod check;
mod link;
mod model;
mod vocabulary;

use clap::Args;

use crate::failure::Failure;
use crate::loopback::Loopback;
use crate::output;
use crate::setup::ModelArgs;
use check::Report;

const EXAMPLES: &str = "\
Examples:
  uhlm doctor                                    the bundled pair
  uhlm doctor --model draft.gguf --server https://host:8443 --fingerprint HEX
  uhlm doctor --model draft.gguf --server https://host:8443 --json
  uhlm doctor --model draft.gguf --compare target.gguf   which tokens differ

Exit code 0 if nothing failed; warnings do not count.";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    models: ModelArgs,
    /// Calibration file; without it the one beside the model
    #[arg(long, value_name = "FILE")]
    calibration: Option<std::path::PathBuf>,
    /// Another model, whose tokens are compared with the draft model's one by one
    #[arg(long, value_name = "GGUF")]
    compare: Option<std::path::PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &DoctorArgs) -> Result<(), Failure> {
    let (draft, pair) = args.models.draft()?;
    let mut report = Report::new(!args.json);
    let engine = model::check(&mut report, &draft, args.models.accelerator.into());

    if let (Some(engine), Some(other)) = (&engine, &args.compare) {
        vocabulary::check_file(&mut report, engine, other);
    }

    let target = args.models.target()?.or_else(|| pair.map(|pair| pair.target()));
    let config = args.models.remote.config()?;
    let loopback = match (&config, &target) {
        (None, Some(target)) => match Loopback::start(target, 0) {
            Ok(loopback) => {
                report.good("target", format!("{} served in this process at {}", loopback.info.model, loopback.url));
                Some(loopback)
            }
            Err(failure) => {
                report.failed("target", failure);
                None
            }
        },
        _ => None,
    };
    let verifier = match (config, &loopback) {
        (Some(config), _) => link::reach(&mut report, config),
        (None, Some(loopback)) => Some(std::sync::Arc::clone(&loopback.verifier)),
        (None, None) => {
            report.skipped("server", "no --server given: only --mode device-only works");
            None
        }
    };
    let info = verifier
        .as_deref()
        .and_then(|verifier| link::identify(&mut report, verifier, args.models.remote.token.is_some()));
    if let (Some(engine), Some(info)) = (&engine, &info) {
        let target = target.as_deref().filter(|_| loopback.is_some());
        vocabulary::check_server(&mut report, engine, info, target);
    }
    if let Some(engine) = &engine {
        model::check_calibration(&mut report, engine, &draft, args.calibration.as_deref(), info.as_ref());
    }
    if let (Some(verifier), Some(info)) = (&verifier, &info) {
        link::measure(&mut report, verifier.as_ref());
        match &engine {
            Some(engine) if info.hands_off => link::try_reply(&mut report, engine, verifier),
            Some(engine) => link::try_verdict(&mut report, engine, verifier),
            None => {}
        }
    }
    if args.json {
        output::json(&report)?;
    }
    report.outcome()
}
