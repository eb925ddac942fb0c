//! The surroundings of the Kotlin and Swift suites: models in files, verifiers over HTTPS on loopback, a link with
//! weather.
//!
//! Prints one line of JSON when everything is up, then answers each command line on standard input with one line of
//! JSON; ends when standard input does. `tests/conformance.md` names the behaviours, the suites know the fields.

#![allow(clippy::print_stdout, reason = "standard output is the interface")]

use std::io::BufRead as _;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};
use uhlm_server::{EngineOptions, ServerConfig, Tokens};
use uhlm_testing::model_server::ModelServer;
use uhlm_testing::proxy::{Proxy, Weather};
use uhlm_testing::secrets::TOKEN;
use uhlm_testing::served::Served;
use uhlm_testing::{pair, parrot};

/// Emoji of several code points, CJK, and letters of two bytes.
const PARROT_TEXT: &str = "Grüße! 🎉🚀 漢字かな交じり文、한국어 — naïve 👩‍👩‍👧 fin.";

/// The first line.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ready<'a> {
    draft: &'a Path,
    damaged: &'a Path,
    missing: &'a Path,
    parrot: &'a Path,
    parrot_text: &'a str,
    /// A model that calls the tool `get_weather` in every reply.
    caller: &'a Path,
    heavy: &'a Path,
    calibration: &'a Path,
    questions: Vec<String>,
    server: Value,
    guarded: Value,
    parrot_server: Value,
    /// Computes one row of a pass at a time: its logits do not depend on what shares a batch.
    steady: Value,
    weather: Value,
    /// Models to download, and the endpoint of a verifier that is always busy.
    models: Value,
}

fn main() -> std::io::Result<()> {
    let files = tempfile::tempdir()?;
    let file = |name: &str| files.path().join(name);
    let draft = pair::file("demo-draft.gguf");
    let whole = std::fs::read(&draft)?;
    std::fs::write(file("damaged.gguf"), &whole[..whole.len() / 2])?;
    parrot::write_parrot(&file("parrot.gguf"), PARROT_TEXT)?;
    parrot::write_parrot(&file("caller.gguf"), parrot::CALL)?;
    parrot::write_heavy(&file("heavy.gguf"))?;

    let server = Served::start();
    let tokens = Tokens::new([TOKEN]).map_err(std::io::Error::other)?;
    let guarded = Served::start_with(|config| ServerConfig { tokens, ..config });
    let parrot_server = Served::start_with(|config| {
        // Without its vocabulary, devices that have another one are refused.
        ServerConfig { model: file("parrot.gguf"), offer_vocabulary: false, ..config }
    });
    let steady = Served::start_with(|config| {
        let engine = EngineOptions { micro_batch: 1, ..config.engine.clone() };
        ServerConfig { engine, ..config }
    });
    let proxy = Proxy::start(server.address());
    let at = |served: &Served, url: String| json!({ "url": url, "fingerprint": served.fingerprint().to_string() });
    let mut at_guarded = at(&guarded, guarded.url());
    at_guarded["token"] = TOKEN.into();

    let models = ModelServer::start();
    let digests = models.split_sha256().iter().map(ToString::to_string).collect::<Vec<_>>();
    let at_models = json!({
        "roots": models.authority(),
        "whole": models.whole(),
        "wholeSha256": models.whole_sha256().to_string(),
        "split": models.split(),
        "splitSha256": digests,
        "busyVerifier": models.busy_verifier(),
    });

    let ready = Ready {
        draft: &draft.canonicalize()?,
        damaged: &file("damaged.gguf"),
        missing: &file("missing.gguf"),
        parrot: &file("parrot.gguf"),
        parrot_text: PARROT_TEXT,
        caller: &file("caller.gguf"),
        heavy: &file("heavy.gguf"),
        calibration: &pair::file("demo.calibration.json").canonicalize()?,
        questions: pair::questions("heldout").into_iter().step_by(16).take(24).collect(),
        server: at(&server, server.url()),
        guarded: at_guarded,
        parrot_server: at(&parrot_server, parrot_server.url()),
        steady: at(&steady, steady.url()),
        weather: at(&server, format!("https://{}", proxy.address())),
        models: at_models,
    };
    println!("{}", serde_json::to_string(&ready)?);
    for line in std::io::stdin().lock().lines() {
        println!("{}", answer(&line?, &server, &proxy));
    }
    Ok(())
}

fn answer(command: &str, server: &Served, proxy: &Proxy) -> Value {
    let weather = match command.trim() {
        "weather clear" => Weather::Clear,
        "weather resets" => Weather::Resets,
        "weather blackhole" => Weather::BlackHole,
        "weather stall" => Weather::Stall,
        "metrics" => {
            let now = server.metrics().snapshot();
            return json!({
                "sessions": now.sessions_open,
                "sequences": now.slots_used,
                "queued": now.requests_waiting,
            });
        }
        _ => return json!({ "error": "commands: weather clear|resets|blackhole|stall, metrics" }),
    };
    proxy.set(weather);
    json!({ "ok": true })
}
