//! Small loads on a real server with the bundled target: nothing is lost, whatever others do meanwhile.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use uhlm_law::sampling::SamplingParams;
use uhlm_load::arrivals::{self, Arrival};
use uhlm_load::{Arm, Attack, Behaviour, Pattern, Place, Plan, Refusals, Shape, Texts, Writing, run};
use uhlm_net::{BearerToken, TrustPolicy};
use uhlm_server::{EngineOptions, Server, ServerConfig, ServerHandle, TlsSource, Tokens};
use uhlm_testing::port::lasting_address;
use uhlm_testing::secrets::TOKEN;

/// A server in this process.
struct Fixture {
    runtime: Runtime,
    server: Option<ServerHandle>,
    place: Place,
    config: ServerConfig,
    _files: tempfile::TempDir,
}

impl Fixture {
    /// Starts a server whose passes compute `micro_batch` rows at once, 0 for all.
    fn new(micro_batch: u32) -> Self {
        let files = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let write = |name: &str, text: String| -> PathBuf {
            let path = files.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let certificate = write("cert.pem", made.cert.pem());
        let key = write("key.pem", made.signing_key.serialize_pem());
        let engine =
            EngineOptions { context: 2048, batch: 256, slots: 16, threads: 1, micro_batch, ..EngineOptions::default() };
        let config = ServerConfig {
            engine,
            listen: lasting_address(),
            tls: TlsSource::Files { certificate, key },
            tokens: Tokens::new([TOKEN]).unwrap(),
            device_labels: true,
            grace: Duration::from_millis(100),
            ..ServerConfig::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo-target.gguf"))
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = start(&runtime, &config);
        let owner = |label: &str| BearerToken::new(&format!("{TOKEN}~{label}")).unwrap();
        let place = Place {
            url: server.url().to_owned(),
            trust: TrustPolicy::Fingerprint(server.certificate().unwrap().fingerprint),
            owners: ["a", "b", "c"].map(owner).to_vec(),
            hostile: Attack::ALL.map(|attack| owner(&attack.to_string())).to_vec(),
        };
        Self { runtime, server: Some(server), place, config, _files: files }
    }

    fn texts(&self, temperature: f32) -> Arc<Texts> {
        let shapes = [Shape { prompt: 24, reply: 20 }, Shape { prompt: 40, reply: 32 }, Shape { prompt: 9, reply: 12 }];
        let sampling = SamplingParams { temperature, ..SamplingParams::default() };
        let texts = Texts::record(&self.place, &shapes, &sampling, &[], 7, &mut |_| {}).expect("the target writes");
        assert!(!texts.all.is_empty());
        Arc::new(texts)
    }

    fn load(&self, plan: &Plan, texts: &Arc<Texts>) -> Arm {
        run(&self.place, plan, texts, &mut |_| {}).expect("the load runs")
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            let _ = self.runtime.block_on(server.shutdown());
        }
    }
}

fn start(runtime: &Runtime, config: &ServerConfig) -> ServerHandle {
    let config = config.clone();
    runtime.block_on(async { Server::bind(config).await.expect("it listens").spawn() })
}

fn plan(writing: Writing, measured: f64) -> Plan {
    let behaviour = Behaviour { writing, draft: Duration::from_millis(1), ..Behaviour::default() };
    Plan {
        name: writing.to_string(),
        phones: 8,
        behaviour,
        warmup: Duration::from_millis(300),
        measured: Duration::from_secs_f64(measured),
        ..Plan::default()
    }
}

/// Every reply was served whole, without a token too few or too many.
fn assert_whole(arm: &Arm) {
    let replies = arm.replies;
    assert!(replies.whole > 0, "{}: {replies:?}", arm.name);
    assert_eq!((replies.lost_tokens, replies.unfinished, replies.failed), (0, 0, 0), "{}: {arm:?}", arm.name);
}

#[test]
fn eight_phones_get_all_replies_whole_and_are_accounted_for() {
    let fixture = Fixture::new(0);
    let texts = fixture.texts(0.0);
    for writing in [Writing::Windows, Writing::Ahead, Writing::Stream] {
        let arm = fixture.load(&plan(writing, 1.0), &texts);
        assert_whole(&arm);
        assert!(arm.verdicts_per_second > 0.0 && arm.tokens_per_second >= arm.verdicts_per_second, "{arm:?}");
        assert!(arm.each.p50 > 0.0 && arm.each.p50 <= arm.each.p99 && arm.first.count > 0, "{arm:?}");
        // On a machine at its limit a request may overtake what it builds on, is told so, and is made again.
        let is_rare = |refused: &Refusals| refused.kind == "desync" && refused.count <= arm.each.count as u64 / 20;
        assert!(arm.refusals.iter().all(is_rare), "{:?} of {}", arm.refusals, arm.each.count);
        assert!(arm.bytes.body_up > 0 && arm.bytes.wire_up > 0.0, "{:?}", arm.bytes);
        let passes = arm.passes.as_ref().expect("the server shows its counters");
        assert!(passes.passes > 0.0 && passes.decoded >= passes.passes && passes.session_passes > 0.0, "{passes:?}");
        let is_judged = writing != Writing::Stream;
        assert_eq!(passes.judged > 0.0, is_judged, "{passes:?}");
        if writing == Writing::Windows {
            let share = passes.matched / passes.judged;
            // A draft is right with probability 0.8, and after a wrong one the rest of a window is not judged.
            assert!((0.6..0.95).contains(&share), "{share}");
        }
    }
}

#[test]
fn replies_arrive_at_their_time_and_each_may_have_a_session_of_its_own() {
    let fixture = Fixture::new(0);
    let texts = fixture.texts(0.0);
    let shapes: Vec<Shape> =
        texts.all.iter().map(|text| Shape { prompt: text.prompt.len(), reply: text.reply.len() }).collect();
    let wishes = arrivals::poisson(6.0, Duration::from_secs(2), &shapes, 5);
    let arrival = |wish: &arrivals::Wish| Arrival { at: wish.at, text: texts.nearest(wish.shape) };
    let mut plan = plan(Writing::Windows, 1.7);
    plan.pattern = Pattern::Open(wishes.iter().map(arrival).collect());
    plan.behaviour.fresh_sessions = true;
    let opened = fixture.server.as_ref().unwrap().metrics().snapshot().sessions_opened;
    let arm = fixture.load(&plan, &texts);
    assert_whole(&arm);
    let Pattern::Open(arrivals) = &plan.pattern else { unreachable!("it is open") };
    let replies = arm.replies.whole + arm.replies.never_begun;
    assert!(replies.abs_diff(arrivals.len() as u64) <= 1, "{} of {}: {:?}", replies, arrivals.len(), arm.replies);
    let opened = fixture.server.as_ref().unwrap().metrics().snapshot().sessions_opened - opened;
    assert_eq!(opened, arm.replies.whole, "one session for each reply");
}

#[test]
fn phones_of_another_owner_use_the_target_and_are_not_counted() {
    let fixture = Fixture::new(0);
    let plan = Plan { phones: 1, neighbours: 3, ..plan(Writing::Windows, 1.0) };
    let arm = fixture.load(&plan, &fixture.texts(0.0));
    assert_whole(&arm);
    let passes = arm.passes.as_ref().expect("the server shows its counters");
    // Four phones alike, of which one is counted.
    assert!(passes.session_passes > 2.0 * arm.each.count as f64, "{passes:?} of {}", arm.each.count);
}

#[test]
fn whatever_hostile_phones_do_the_others_lose_no_token_and_get_the_targets_own_text() {
    let fixture = Fixture::new(1);
    let texts = fixture.texts(0.8);
    for attack in Attack::ALL {
        let attackers = if attack.is_of_sockets() { 40 } else { 1 };
        let name = attack.to_string();
        let phones = 3;
        let plan = Plan { name, phones, attack: Some(attack), attackers, ..plan(Writing::Windows, 0.7) };
        let arm = fixture.load(&plan, &texts);
        assert_whole(&arm);
        assert_eq!(arm.replies.differing, 0, "{attack}: {arm:?}");
        assert!(arm.attacks > 0, "{attack}");
    }
}

#[test]
fn a_server_that_is_killed_and_comes_back_loses_no_token_and_doubles_none() {
    let mut fixture = Fixture::new(1);
    let texts = fixture.texts(0.8);
    let (place, plan) = (fixture.place.clone(), Plan { phones: 3, ..plan(Writing::Windows, 3.0) });
    let at_work = Arc::clone(&texts);
    let load = std::thread::spawn(move || run(&place, &plan, &at_work, &mut |_| {}).expect("the load runs"));
    std::thread::sleep(Duration::from_millis(1200));
    let server = fixture.server.take().unwrap();
    fixture.runtime.block_on(server.shutdown()).expect("it stops");
    fixture.server = Some(start(&fixture.runtime, &fixture.config));
    let arm = load.join().expect("no panic");
    assert_whole(&arm);
    assert_eq!(arm.replies.differing, 0, "{arm:?}");
    assert!(!arm.refusals.is_empty(), "the phones noticed it");
}
