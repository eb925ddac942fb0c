//! Generates in the mode that is named, in a process that the kernel ends (SIGSYS) if it creates a network socket:
//! `alone MODE URL`, where URL is a verifier that listens. Exit code 0 if a reply was written.
#![allow(clippy::print_stdout, reason = "a command")]

use std::process::ExitCode;
use std::sync::Arc;

use uhlm_core::verifier::http::{HttpConfig, HttpVerifier};
use uhlm_core::{Consent, GenerationOptions, Mode, OfflinePolicy, Prompt, SessionOptions};
use uhlm_testing::pair;

/// Whoever creates a socket of the Internet families is killed, on every thread.
#[cfg(target_os = "linux")]
fn forbid_sockets() {
    use std::collections::BTreeMap;

    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    };
    let family = |family: i32| {
        let condition = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, family as u64);
        SeccompRule::new(vec![condition.expect("a valid condition")]).expect("a valid rule")
    };
    let rules = BTreeMap::from([(libc::SYS_socket, vec![family(libc::AF_INET), family(libc::AF_INET6)])]);
    let architecture = std::env::consts::ARCH.try_into().expect("an architecture with seccomp");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::KillProcess, architecture);
    let program: BpfProgram = filter.expect("a valid filter").try_into().expect("a program");
    seccompiler::apply_filter_all_threads(&program).expect("the kernel takes it");
}

#[cfg(not(target_os = "linux"))]
fn forbid_sockets() {}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, url] = &arguments[..] else { return ExitCode::from(2) };
    let mode = if mode == "device_only" { Mode::DeviceOnly } else { Mode::Exact };
    forbid_sockets();
    // Everything from here on is watched: making the client, the session, and the reply.
    let verifier = HttpVerifier::new(HttpConfig::new(url)).expect("a client");
    // Consent is given, so that it is the mode and nothing else that keeps the device silent.
    let options = SessionOptions {
        mode,
        consent: Consent::Conversation,
        offline: OfflinePolicy::Fail,
        threads: 1,
        ..SessionOptions::default()
    };
    let session = pair::draft().session(Some(Arc::new(verifier)), options).expect("a session");
    let options = GenerationOptions { max_tokens: 24, ..GenerationOptions::default() };
    let generation = session.generate(Prompt::Chat("What is 17 + 25?".into()), options).expect("idle");
    match generation.blocking_finish() {
        Ok((text, statistics)) if statistics.tokens() > 0 => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        _ => ExitCode::FAILURE,
    }
}
