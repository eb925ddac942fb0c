//! Checks the draft model's file, its vocabulary and its calibration.

use std::path::Path;

use uhlm_core::Engine;
use uhlm_core::calibration_file::{self, CalibrationFileError};
use uhlm_law::advance::Info;
use uhlm_law::chat::{ChatTemplate as _, Message, RenderOptions};
use uhlm_law::model::LanguageModel as _;
use uhlm_llama::{Accelerator, LoadOptions};

use super::check::Report;
use crate::commands::info::architecture;
use crate::pair::calibration_beside;
use crate::report;

/// Reads the header, loads the model and renders a conversation.
pub(super) fn check(report: &mut Report, path: &Path, accelerator: Accelerator) -> Option<Engine> {
    let engine = match Engine::load(path, &LoadOptions { accelerator, ..LoadOptions::default() }) {
        Ok(engine) => engine,
        Err(error) => {
            report.failed("draft model", error);
            return None;
        }
    };
    let model = engine.model();
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    report.good(
        "draft model",
        format!(
            "{} ({}), {:.2} M parameters, {}",
            model.name(),
            architecture(&model.summary().architecture, model.summary().is_tried()),
            model.parameters() as f64 / 1e6,
            report::bytes(size),
        ),
    );
    report.good("backend", report::backend(model.backend()));
    match model.fitted_context() {
        Ok(context) => {
            report.good("context", format!("{context} tokens, trained for {}", model.trained_context()));
        }
        Err(error) => report.warning("context", error.to_string(), "close other programs, or use a smaller model"),
    }
    match model.render(&[Message::user("Hello")], &RenderOptions::default()) {
        Ok(_) => report.good("chat template", "renders a conversation"),
        Err(error) => {
            report.warning("chat template", error.to_string(), "chat will not work; `uhlm generate --raw` does");
        }
    }
    Some(engine)
}

/// Looks for the calibration and checks whether it belongs to these models.
pub(super) fn check_calibration(
    report: &mut Report,
    engine: &Engine,
    draft: &Path,
    named: Option<&Path>,
    info: Option<&Info>,
) {
    if info.is_some_and(|info| info.vocabulary != engine.model().vocabulary_hash()) {
        report.skipped("calibration", "none is made across vocabularies: a session learns from what matches");
        return;
    }
    let path = named.map_or_else(|| calibration_beside(draft), Path::to_path_buf);
    let hint = "make it with `uhlm calibrate`; until then a general one is used and adapted while generating";
    match calibration_file::load(&path) {
        Err(error @ CalibrationFileError::Missing { .. }) => report.warning("calibration", error.to_string(), hint),
        Err(error) => report.failed("calibration", error),
        Ok(calibration) => {
            let target = info.map_or(calibration.target, |info| info.fingerprint);
            if calibration.matches(&engine.fingerprint(), &target) {
                let about =
                    format!("{} labels at temperature {}", calibration.labels, calibration.sampling.temperature);
                report.good("calibration", format!("matches the pair, {about}"));
            } else {
                report.warning("calibration", format!("{} was measured on other models", path.display()), hint);
            }
        }
    }
}
