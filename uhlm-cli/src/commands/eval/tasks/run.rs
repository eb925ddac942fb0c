//! Lets several sessions answer the tasks that are left, and counts each reply as it ends.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use uhlm_core::{Consent, Engine, GenerationOptions, LinkConfig, Mode, OfflinePolicy, Prompt, Session, SessionOptions};
use uhlm_eval::tasks::mark;
use uhlm_eval::tasks::outcome::{Key, Log, Outcome};
use uhlm_eval::tasks::sandbox::Sandbox;
use uhlm_eval::tasks::set::{STOP, Task};
use uhlm_law::calibration::Calibration;
use uhlm_law::sampling::SamplingParams;
use uhlm_server::AcceleratorArg;

use super::{Method, TasksArgs};
use crate::failure::Failure;
use crate::loopback::Loopback;
use crate::options::default_goal;
use crate::pair::{calibration_beside, calibration_of};
use crate::setup;
use crate::terminal::progress;

/// Time for which a reply waits for a target that other sessions keep busy.
const PATIENCE: Duration = Duration::from_secs(300);
/// Most tokens that a prompt and its reply may take together.
const CONTEXT: u32 = 2048;

/// The models and settings that all sessions share.
struct Bench<'a> {
    args: &'a TasksArgs,
    engine: Engine,
    loopback: Loopback,
    calibration: Calibration,
    sandbox: &'a Sandbox,
}

/// Answers the tasks that the log does not have yet, method by method.
pub(super) fn all(
    args: &TasksArgs,
    draft: &Path,
    target: &Path,
    tasks: &[Task],
    sandbox: &Sandbox,
    log: &mut Log,
) -> Result<(), Failure> {
    let engine = setup::load(draft, AcceleratorArg::Auto)?;
    let loopback = Loopback::start(target, args.target_threads)?;
    let calibration = calibration(draft, &engine, &loopback, &args.methods)?;
    let bench = Bench { args, engine, loopback, calibration, sandbox };
    let known = log.keys();
    let log = Mutex::new(log);
    for &method in &args.methods {
        let left: Vec<(&Task, Key)> =
            tasks.iter().map(|task| (task, bench.key(method, task))).filter(|(_, key)| !known.contains(key)).collect();
        let bar = progress::bar(left.len(), method.name());
        let next = AtomicUsize::new(0);
        let work = || -> Result<(), Failure> {
            let session = bench.session(method)?;
            while let Some((task, key)) = left.get(next.fetch_add(1, Ordering::Relaxed)) {
                let outcome = bench.answer(&session, method, task, key.clone())?;
                let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                log.add(outcome).map_err(|error| Failure::new(format!("cannot write the replies: {error}")))?;
                bar.inc(1);
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..args.sessions.min(left.len())).map(|_| scope.spawn(work)).collect();
            let panicked = |_| Err(Failure::new("a session panicked"));
            workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(panicked))
        })?;
        bar.finish_and_clear();
    }
    Ok(())
}

/// Returns the pair's own calibration, without which the opportunistic mode has no goal to be measured at.
fn calibration(draft: &Path, engine: &Engine, loopback: &Loopback, methods: &[Method]) -> Result<Calibration, Failure> {
    match calibration_of(draft, engine, &loopback.info.fingerprint) {
        Ok(Some(found)) => Ok(found),
        _ if !methods.contains(&Method::Opportunistic) => Ok(Calibration::generic()),
        Ok(None) => {
            let path = calibration_beside(draft);
            Err(Failure::new(format!("{} was measured on other models", path.display()))
                .hint("run `uhlm calibrate` on this pair"))
        }
        Err(error) => Err(Failure::from(error).hint("run `uhlm calibrate` on this pair")),
    }
}

impl Bench<'_> {
    fn key(&self, method: Method, task: &Task) -> Key {
        Key {
            method: method.name().into(),
            set: task.set.name().into(),
            task: task.id.clone(),
            temperature_hundredths: (self.args.temperature * 100.0).round() as u32,
        }
    }

    fn session(&self, method: Method) -> Result<Session, Failure> {
        let mode = method.mode();
        let options = SessionOptions {
            mode,
            sampling: SamplingParams { temperature: self.args.temperature, ..SamplingParams::default() },
            estimator: self.calibration.estimator,
            goal: default_goal(&self.calibration),
            calibration: self.calibration.clone(),
            context: CONTEXT.into(),
            threads: self.args.draft_threads,
            // The tasks come from files that were named for this purpose.
            consent: Consent::Conversation,
            offline: OfflinePolicy::Wait(PATIENCE),
            link: LinkConfig { min_deadline: PATIENCE, max_deadline: PATIENCE, ..LinkConfig::default() },
            ..SessionOptions::default()
        };
        let verifier = (mode != Mode::DeviceOnly).then(|| Arc::clone(&self.loopback.verifier));
        Ok(self.engine.session(verifier, options)?)
    }

    fn answer(&self, session: &Session, method: Method, task: &Task, key: Key) -> Result<Outcome, Failure> {
        session.reset()?;
        let options = GenerationOptions {
            max_tokens: self.args.max_tokens,
            stop: vec![STOP.into()],
            collect_labels: method == Method::Opportunistic,
            seed: Some(self.args.seed),
            ..GenerationOptions::default()
        };
        let (reply, statistics) = session.generate(Prompt::Chat(task.prompt.clone()), options)?.blocking_finish()?;
        let right = mark::is_right(task, &reply, self.sandbox).map_err(|error| Failure::new(error.to_string()))?;
        Ok(Outcome::new(key, right, &statistics))
    }
}
