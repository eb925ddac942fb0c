//! Makes a loaded draft model, a verifier and a calibration from flags.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use uhlm_core::calibration_file::{self, CalibrationFileError};
use uhlm_core::verifier::Verifier;
use uhlm_core::{Engine, Mode, Session};
use uhlm_law::advance::Info;
use uhlm_law::calibration::Calibration;
use uhlm_llama::LoadOptions;
use uhlm_server::AcceleratorArg;

use crate::failure::Failure;
use crate::loopback::Loopback;
use crate::options::SessionArgs;
use crate::output;
use crate::pair::{Pair, calibration_beside};
use crate::remote::{self, RemoteArgs};
use crate::stored::located;
use crate::terminal::progress;
use crate::terminal::style::{Style, paint_stderr};

/// Which models work together.
#[derive(Clone, Debug, Args)]
pub(crate) struct ModelArgs {
    /// Draft model: a GGUF file, or the name of a pulled model; without it the bundled demo pair
    #[arg(short, long, env = "UHLM_MODEL", value_name = "GGUF")]
    pub(crate) model: Option<PathBuf>,
    /// Target model to serve in this process instead of a server, named likewise
    #[arg(long, value_name = "GGUF", conflicts_with = "server")]
    pub(crate) target: Option<PathBuf>,
    /// Where the draft model computes: on a GPU if this build can use one and the system has one, on the CPU alone, or
    /// on a GPU or not at all
    #[arg(long, env = "UHLM_ACCELERATOR", value_name = "WHERE", value_enum, default_value_t)]
    pub(crate) accelerator: AcceleratorArg,
    /// Chat template in place of the draft model's own, a Jinja file
    #[arg(long, value_name = "FILE")]
    pub(crate) chat_template: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

/// The parts that a session is opened with.
pub(crate) struct Setup {
    pub(crate) engine: Engine,
    pub(crate) verifier: Option<Arc<dyn Verifier>>,
    /// Information about what the verifier serves; `None` where it did not answer or there is none.
    pub(crate) info: Option<Info>,
    pub(crate) calibration: Calibration,
    /// Server in this process, which stops when this is dropped.
    pub(crate) loopback: Option<Loopback>,
    pub(crate) draft: PathBuf,
}

/// Loads a draft model, with a progress bar for large ones.
pub(crate) fn load(path: &Path, accelerator: AcceleratorArg) -> Result<Engine, Failure> {
    load_with(path, accelerator, None)
}

/// Loads a draft model as [`load`] does, with another chat template than its own if one is named.
fn load_with(path: &Path, accelerator: AcceleratorArg, chat_template: Option<&Path>) -> Result<Engine, Failure> {
    let chat_template = chat_template.map(template).transpose()?;
    let bar = progress::bar(100, "loading the draft model");
    let (accelerator, progress) = (accelerator.into(), Some(progress::share(&bar)));
    let options = LoadOptions { accelerator, chat_template, progress, ..LoadOptions::default() };
    let engine = Engine::load(path, &options);
    bar.finish_and_clear();
    Ok(engine?)
}

fn template(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path);
    text.map_err(|error| Failure::usage(format!("cannot read the chat template {}: {error}", path.display())))
}

impl ModelArgs {
    /// Returns the draft model's file, with the bundled pair if it is that pair's.
    pub(crate) fn draft(&self) -> Result<(PathBuf, Option<Pair>), Failure> {
        match &self.model {
            Some(path) => Ok((located(path)?, None)),
            None => {
                let pair = Pair::find()?;
                Ok((pair.draft(), Some(pair)))
            }
        }
    }

    /// Returns the target model's file, if one was named.
    pub(crate) fn target(&self) -> Result<Option<PathBuf>, Failure> {
        self.target.as_deref().map(located).transpose()
    }

    /// Loads the models, starts a server if the target is in this process, and finds the calibration. `mode` decides
    /// whether a verifier is needed at all.
    pub(crate) fn open(&self, mode: Mode, calibration: Option<&Path>) -> Result<Setup, Failure> {
        let mut setup = self.open_uncalibrated(mode)?;
        setup.calibration = setup.find_calibration(calibration)?;
        Ok(setup)
    }

    /// Opens the models as [`Self::open`] does, with the calibration that holds for no pair in particular.
    pub(crate) fn open_uncalibrated(&self, mode: Mode) -> Result<Setup, Failure> {
        let (draft, pair) = self.draft()?;
        let engine = load_with(&draft, self.accelerator, self.chat_template.as_deref())?;
        let mut setup =
            Setup { engine, verifier: None, info: None, calibration: Calibration::generic(), loopback: None, draft };
        let target = self.target()?.or_else(|| pair.filter(|_| self.remote.server.is_none()).map(|p| p.target()));
        match (self.remote.config()?, target) {
            (Some(config), _) => {
                let verifier = remote::connect(config)?;
                // A server that is out of reach is a state that the session handles, not an error of the setup.
                setup.info = remote::info(verifier.as_ref()).ok().map(|answer| answer.value);
                setup.verifier = Some(verifier);
            }
            (None, Some(target)) => {
                let loopback = Loopback::start(&target, 0)?;
                setup.verifier = Some(Arc::clone(&loopback.verifier));
                setup.info = Some(loopback.info.clone());
                setup.loopback = Some(loopback);
            }
            (None, None) if mode != Mode::DeviceOnly => {
                return Err(Failure::usage(format!("mode {} needs a target model", crate::options::mode_name(mode)))
                    .hint("give --server URL, or --target GGUF, or --mode device-only"));
            }
            (None, None) => {}
        }
        Ok(setup)
    }
}

impl Setup {
    /// Returns the calibration that was named, or the one beside the model, or the generic one that holds for no pair
    /// in particular. A calibration that was measured on other models is not used, and a warning says so.
    fn find_calibration(&self, named: Option<&Path>) -> Result<Calibration, Failure> {
        let path = named.map_or_else(|| calibration_beside(&self.draft), Path::to_path_buf);
        let calibration = match calibration_file::load(&path) {
            Ok(calibration) => calibration,
            Err(CalibrationFileError::Missing { .. }) if named.is_none() => return Ok(Calibration::generic()),
            Err(error) => return Err(error.into()),
        };
        let target = self.info.as_ref().map_or(calibration.target, |info| info.fingerprint);
        if calibration.matches(&self.engine.fingerprint(), &target) {
            return Ok(calibration);
        }
        output::note(format_args!(
            "{} {} was measured on other models and is not used; run `uhlm calibrate`",
            paint_stderr(Style::Warning, "warning:"),
            path.display()
        ));
        Ok(Calibration::generic())
    }

    /// Opens a session.
    pub(crate) fn session(&self, args: &SessionArgs) -> Result<Session, Failure> {
        Ok(self.engine.session(self.verifier.clone(), args.options(self.calibration.clone()))?)
    }

    /// Returns the names of the draft model and, if it is known, of the target model.
    pub(crate) fn names(&self) -> (String, Option<String>) {
        (self.engine.model().name().to_owned(), self.info.as_ref().map(|info| info.model.clone()))
    }
}
