//! Runs every part of an evaluation and makes its record.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use uhlm_law::sampling::SamplingParams;

use crate::channel::Channel;
use crate::error::EvalError;
use crate::lab::{Lab, SAMPLED, Setting, observe};
use crate::law::report::LawReport;
use crate::law::{self, Observation};
use crate::method::{Method, Runner};
use crate::oracle::Oracle;
use crate::pair::{ComputeTimes, Pair};
use crate::quality::Quality;
use crate::questions::{self, Question};
use crate::record::{About, Against, Chapter, KindRecord, Record, Row, SettingRecord};
use crate::reply::Reply;
use crate::settings;
use crate::stream::{Numbered, Run};
use crate::summary::{Estimate, Summary, bootstrap_of};

/// The files of the models and the prompts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// File of the draft model.
    pub draft: PathBuf,
    /// File of the target model.
    pub target: PathBuf,
    /// Questions with right answers that neither training nor calibration saw; `None` where the pair has no such file.
    pub held_out: Option<PathBuf>,
    /// Prompts without right answers.
    pub free: PathBuf,
    /// Questions to calibrate on.
    pub calibration: PathBuf,
    /// File of a [memory](crate::memory) of the pair, made where there is none; `None` asks the models each time.
    pub memory: Option<PathBuf>,
}

/// The amount of measuring: prompts, temperatures, links and seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Numbers of held-out questions and free prompts whose replies speed is measured on.
    pub speed: (usize, usize),
    /// Number of held-out questions that quality is measured on; 0 leaves quality out.
    pub quality: usize,
    /// Numbers of questions and free prompts to calibrate on. Free prompts are those that speed is not measured on.
    pub calibration: (usize, usize),
    /// Temperatures of sampling; the first is measured most fully.
    pub temperatures: Vec<f32>,
    /// Links of every temperature; `None` for all links at the first temperature and a few at the others.
    pub settings: Option<Vec<Setting>>,
    /// Whether the law between uncertainty and rejection is measured, at the first temperature.
    pub law: bool,
    /// Time of the models' passes.
    pub times: ComputeTimes,
    /// Greatest length of a reply, in tokens.
    pub max_tokens: usize,
    /// Context of either model, in tokens; prompts that leave no room for a reply in it are passed over.
    pub context: u32,
    /// Number of free prompts of each kind whose replies speed is measured on, in place of `speed`; results are then
    /// told by kind as well.
    pub of_each_kind: Option<usize>,
    /// Seed of every random choice.
    pub seed: u64,
}

impl Plan {
    /// Returns the plan whose results the documentation shows.
    #[must_use]
    pub fn full(seed: u64) -> Self {
        Self {
            speed: (40, 40),
            quality: 400,
            calibration: (180, 20),
            temperatures: vec![1.0, 0.7, 0.0],
            settings: None,
            law: true,
            times: ComputeTimes::PAPER,
            max_tokens: 150,
            context: 512,
            of_each_kind: None,
            seed,
        }
    }

    /// Returns a plan that takes about a minute: small samples, wide intervals, every part.
    #[must_use]
    pub fn quick(seed: u64) -> Self {
        Self {
            speed: (20, 20),
            quality: 20,
            calibration: (60, 20),
            temperatures: vec![1.0],
            settings: Some(vec![settings::paper(), settings::steady(50, false), settings::steady(50, true)]),
            ..Self::full(seed)
        }
    }
}

/// Prompts by use, each with a number that is its own.
struct Prompts {
    speed: Vec<Numbered>,
    quality: Vec<Numbered>,
    calibration: Vec<Numbered>,
}

impl Prompts {
    fn read(files: &Files, plan: &Plan, pair: &Pair) -> Result<Self, EvalError> {
        let room = (plan.context as usize).saturating_sub(plan.max_tokens + 1);
        let fitting = |path: &Path| pair.fitting(&questions::read(path)?, room);
        let held_out = files.held_out.as_deref().map(fitting).transpose()?.unwrap_or_default();
        let free = fitting(&files.free)?;
        let (first, rest) = match plan.of_each_kind {
            None => free.split_at(plan.speed.1.min(free.len())),
            Some(count) => (&questions::of_each_kind(&free, count)[..], &[][..]),
        };
        // No prompt is both calibrated on and measured on, should one file serve as both.
        let learn: Vec<_> = fitting(&files.calibration)?.into_iter().filter(|prompt| !first.contains(prompt)).collect();
        let number = |first: u64, questions: Vec<Question>| -> Vec<Numbered> {
            (first..).zip(questions).map(|(index, question)| Numbered { index, question }).collect()
        };
        let with = |mut tasks: Vec<Question>, free: &[Question]| {
            tasks.extend_from_slice(free);
            tasks
        };
        Ok(Self {
            speed: number(0, with(questions::spread(&held_out, plan.speed.0), first)),
            quality: number(10_000, questions::spread(&held_out, plan.quality)),
            calibration: number(
                20_000,
                with(questions::spread(&learn, plan.calibration.0), &rest[..plan.calibration.1.min(rest.len())]),
            ),
        })
    }
}

fn load(files: &Files, plan: &Plan) -> Result<Pair, EvalError> {
    let pair = Pair::load(&files.draft, &files.target)?.with_context(plan.context);
    match &files.memory {
        Some(memory) => pair.remembering(memory),
        None => Ok(pair),
    }
}

/// Runs a plan. `progress` is told each step that begins.
///
/// # Errors
/// [`EvalError`].
pub fn run(files: &Files, plan: &Plan, progress: &dyn Fn(&str)) -> Result<Record, EvalError> {
    let pair = load(files, plan)?;
    let prompts = Prompts::read(files, plan, &pair)?;
    let about = About {
        draft: (pair.draft.name().to_owned(), pair.draft.parameters()),
        target: (pair.target.name().to_owned(), pair.target.parameters()),
        vocabulary: pair.vocabulary_size(),
        times: plan.times,
        speed_prompts: prompts.speed.len(),
        quality_prompts: prompts.quality.len(),
        calibration_prompts: prompts.calibration.len(),
        max_tokens: plan.max_tokens,
        seed: plan.seed,
    };
    let mut chapters = Vec::new();
    for (i, &temperature) in plan.temperatures.iter().enumerate() {
        chapters.push(chapter(&pair, &prompts, plan, temperature, i == 0, progress)?);
    }
    Ok(Record { about, chapters })
}

fn chapter(
    pair: &Pair,
    prompts: &Prompts,
    plan: &Plan,
    temperature: f32,
    first: bool,
    progress: &dyn Fn(&str),
) -> Result<Chapter, EvalError> {
    let run = |prompts| run_of(pair, prompts, plan, temperature);
    progress(&format!("temperature {temperature}: calibration and baselines"));
    let (speed, calibration) = (run(&prompts.speed), run(&prompts.calibration));
    let lab = Lab::prepare(speed, &calibration)?;
    let settings = match &plan.settings {
        Some(settings) => settings.clone(),
        None if first => settings::all(pair.vocabulary_size()),
        None => settings::few(),
    };
    let mut known = Known::new();
    let settings = settings
        .into_iter()
        .map(|setting| {
            progress(&format!("temperature {temperature}: {}", setting.name));
            measure(&lab, setting, plan.of_each_kind.is_some(), &mut known)
        })
        .collect::<Result<_, EvalError>>()?;
    // Quality is measured at the ends: sampled at the first temperature, and greedy.
    let greedy = temperature == 0.0;
    let quality = if plan.quality == 0 || !(first || greedy) {
        Vec::new()
    } else {
        progress(&format!("temperature {temperature}: quality"));
        if prompts.quality.is_empty() {
            quality(&lab, &mut known)?
        } else {
            quality(&Lab::with_calibration_of(&lab, run(&prompts.quality))?, &mut Known::new())?
        }
    };
    if !greedy {
        progress(&format!("temperature {temperature}: distance from the target's law"));
    }
    let divergences = if greedy { Vec::new() } else { lab.divergences()? };
    let uncertainty = (first && plan.law)
        .then(|| {
            progress(&format!("temperature {temperature}: the law"));
            let held_out = if prompts.quality.is_empty() {
                observe(lab.run())?
            } else {
                [observe(lab.run())?, observe(&run(&prompts.quality))?].concat()
            };
            law_report(lab.run(), lab.calibrated_on(), &held_out)
        })
        .transpose()?;
    let calibration = lab.calibration();
    Ok(Chapter {
        temperature,
        law: (calibration.law.a, calibration.law.b, calibration.delta),
        thresholds: *lab.thresholds(),
        settings,
        quality,
        divergences,
        uncertainty,
    })
}

/// Runs only the part of a plan that is about the law: no method is compared, no link modelled.
///
/// # Errors
/// [`EvalError`].
pub fn law(files: &Files, plan: &Plan, temperature: f32, progress: &dyn Fn(&str)) -> Result<LawReport, EvalError> {
    let pair = load(files, plan)?;
    let prompts = Prompts::read(files, plan, &pair)?;
    let run = |prompts| run_of(&pair, prompts, plan, temperature);
    progress("calibration prompts");
    let fitted = observe(&run(&prompts.calibration))?;
    progress("held-out prompts");
    let held_out = [observe(&run(&prompts.speed))?, observe(&run(&prompts.quality))?].concat();
    law_report(&run(&prompts.speed), &fitted, &held_out)
}

fn run_of<'a>(pair: &'a Pair, prompts: &'a [Numbered], plan: &Plan, temperature: f32) -> Run<'a> {
    Run {
        pair,
        prompts,
        sampling: SamplingParams { temperature, ..SamplingParams::default() },
        times: plan.times,
        max_tokens: plan.max_tokens,
        seed: plan.seed,
    }
}

fn law_report(run: &Run<'_>, fitted: &[Observation], held_out: &[Observation]) -> Result<LawReport, EvalError> {
    let paper = law::calibration(run, fitted, SAMPLED)?;
    let own = law::calibration(run, fitted, 0)?;
    Ok(LawReport::new(fitted, held_out, &paper, &own, SAMPLED, run.seed))
}

/// Replies of this SDK by method and link. It sends no distributions, so its replies stay the same where only the
/// billing of distributions differs.
type Known = BTreeMap<(Method, String), Vec<Reply>>;

/// Returns a method's replies, from memory where nothing about them can have changed.
fn replies(lab: &Lab<'_>, method: Method, setting: &Setting, known: &mut Known) -> Result<Vec<Reply>, EvalError> {
    if let Runner::Baseline(_) = method.runner(lab.thresholds()) {
        return lab.replies(method, setting);
    }
    let key = (method, format!("{:?} {}", setting.channel, setting.billing.vocabulary));
    if let Some(replies) = known.get(&key) {
        return Ok(replies.clone());
    }
    let replies = lab.replies(method, setting)?;
    known.insert(key, replies.clone());
    Ok(replies)
}

fn measure(lab: &Lab<'_>, setting: Setting, by_kind: bool, known: &mut Known) -> Result<SettingRecord, EvalError> {
    let seed = lab.run().seed;
    let mut all: BTreeMap<Method, Vec<Reply>> = BTreeMap::new();
    for method in Method::ALL {
        all.insert(method, replies(lab, method, &setting, known)?);
    }
    let against = |replies: &[Reply], other: Method| ratio(replies, all.get(&other).map_or(&[], Vec::as_slice), seed);
    let row = |method: Method| {
        let replies = all.get(&method).map_or(&[][..], Vec::as_slice);
        let against = Against {
            hlm: against(replies, Method::Hlm),
            u_hlm: against(replies, Method::UHlmRiskProne),
            llm: against(replies, Method::LlmOnly),
        };
        Row { method, summary: Summary::of(replies, seed), against }
    };
    let rows = Method::ALL.map(row).to_vec();
    let oracle = match &setting.channel {
        Channel::Packet(packet) if packet.jitter_ms == 0.0 && packet.loss == 0.0 => {
            let speed = |draft_ahead| {
                let oracle = Oracle { times: lab.run().times, round_trip: packet.rtt_ms / 1e3, draft_ahead };
                let (tokens, seconds) = lab.judged().iter().fold((0, 0.0), |sum, traces| {
                    let tokens: usize = traces.iter().map(|trace| trace.tokens.len()).sum();
                    (sum.0 + tokens, sum.1 + oracle.seconds(traces))
                });
                tokens as f64 / seconds
            };
            Some((speed(false), speed(true)))
        }
        _ => None,
    };
    let kinds = if by_kind { kinds(lab.run(), &all) } else { Vec::new() };
    Ok(SettingRecord { setting, rows, kinds, oracle })
}

/// Sums up every method's replies to each kind of prompt, in the order in which the kinds occur.
fn kinds(run: &Run<'_>, all: &BTreeMap<Method, Vec<Reply>>) -> Vec<KindRecord> {
    let kind = |prompt: &Numbered| prompt.question.kind().unwrap_or_default().to_owned();
    let mut names: Vec<String> = Vec::new();
    for prompt in run.prompts {
        if !names.contains(&kind(prompt)) {
            names.push(kind(prompt));
        }
    }
    let of = |name: &String, method: Method| {
        let replies = all.get(&method).map_or(&[][..], Vec::as_slice);
        let own = run.prompts.iter().zip(replies).filter(|(prompt, _)| kind(prompt) == *name);
        (method, Summary::of(&own.map(|(_, reply)| reply.clone()).collect::<Vec<_>>(), run.seed))
    };
    let rows = |name: &String| Method::ALL.map(|method| of(name, method)).to_vec();
    names.iter().map(|name| KindRecord { kind: name.clone(), rows: rows(name) }).collect()
}

/// Returns the ratio of two methods' speeds over the same prompts.
fn ratio(one: &[Reply], other: &[Reply], seed: u64) -> Estimate {
    let terms: Vec<[f64; 4]> = one
        .iter()
        .zip(other)
        .map(|(a, b)| [a.tokens.len() as f64, a.elapsed.as_secs_f64(), b.tokens.len() as f64, b.elapsed.as_secs_f64()])
        .collect();
    bootstrap_of(&terms, seed, |[a, s, b, t]| if *s > 0.0 && *b > 0.0 { (a / s) / (b / t) } else { 0.0 })
}

fn quality(lab: &Lab<'_>, known: &mut Known) -> Result<Vec<(Method, Quality, Summary)>, EvalError> {
    let setting = settings::steady(50, false);
    Method::ALL
        .into_iter()
        .map(|method| {
            let replies = replies(lab, method, &setting, known)?;
            Ok((method, Quality::of(lab.run(), &replies)?, Summary::of(&replies, lab.run().seed)))
        })
        .collect()
}
