//! Checks the way to the server and the server's answers.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use uhlm_core::verifier::http::HttpConfig;
use uhlm_core::verifier::{Verifier, VerifierError};
use uhlm_core::{
    CloseRule, Consent, DraftAhead, Engine, GenerationOptions, Mode, OfflinePolicy, Prompt, SessionOptions, Statistics,
};
use uhlm_law::advance::{Info, PROTOCOL};
use uhlm_law::sampling::SamplingParams;

use super::check::Report;
use crate::failure::Failure;
use crate::remote;
use crate::report::{self, Quantiles, significant};

/// Longest time for a TCP connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest time in which a server may answer the first windows.
const PATIENCE: Duration = Duration::from_secs(20);
/// Number of round trips that the latency is measured by.
const ROUND_TRIPS: usize = 10;
/// Prompts of the replies by which a pair with different vocabularies is tried, most tokens of each, and tokens that
/// are judged together: few, because nothing is learnt of what follows a rejected one.
const TRIAL_PROMPTS: [&str; 3] =
    ["Tell me a short story about a wolf.", "How do I boil an egg?", "Write a function that adds two numbers."];
const TRIAL_TOKENS: usize = 48;
const TRIAL_WINDOW: usize = 3;
/// Median round trip from which hiding it no longer works well, in milliseconds.
const SLOW_MS: f64 = 300.0;

/// Checks the name and the TCP connection; makes the client.
pub(super) fn reach(report: &mut Report, config: HttpConfig) -> Option<Arc<dyn Verifier>> {
    let place = authority(&config.endpoint);
    let verifier = match remote::connect(config) {
        Ok(verifier) => verifier,
        Err(failure) => {
            report.failed("server", failure.hint("an address looks like https://host:8443"));
            return None;
        }
    };
    let (host, port) = place?;
    let addresses: Vec<_> = match (host.as_str(), port).to_socket_addrs() {
        Ok(addresses) => addresses.collect(),
        Err(error) => {
            let failure = Failure::new(format!("{host} has no address: {error}"));
            report.failed("name", failure.hint("check the spelling of --server and this machine's network"));
            return None;
        }
    };
    let began = Instant::now();
    let connected = addresses.iter().find(|address| TcpStream::connect_timeout(address, CONNECT).is_ok());
    match connected {
        Some(address) => {
            let took = began.elapsed().as_secs_f64() * 1e3;
            report.good("connection", format!("TCP to {address} in {} ms", significant(took)));
            Some(verifier)
        }
        None => {
            let failure = Failure::new(format!("nothing answers at {host} port {port}"));
            report.failed("connection", failure.hint("is `uhlm serve` running there, and is the port open?"));
            None
        }
    }
}

/// Returns the host and the port of an address.
fn authority(url: &str) -> Option<(String, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let default = if scheme == "http" { 80 } else { 443 };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (authority, default),
    };
    Some((host.trim_matches(['[', ']']).to_owned(), port))
}

/// Checks TLS, certificate, credentials and protocol, all by asking what the server serves.
pub(super) fn identify(report: &mut Report, verifier: &dyn Verifier, has_token: bool) -> Option<Info> {
    let answer = match remote::info(verifier) {
        Ok(answer) => answer,
        Err(error) => {
            let name = match &error {
                VerifierError::Untrusted { .. } => "certificate",
                VerifierError::Unauthorized => "token",
                VerifierError::Refused(_) | VerifierError::InvalidAnswer { .. } => "protocol",
                _ => "TLS and HTTP/2",
            };
            report.failed(name, explained(error));
            return None;
        }
    };
    report.good("TLS and HTTP/2", "connected, certificate trusted");
    report.good("token", if has_token { "accepted" } else { "none needed" });
    let info = answer.value;
    if info.protocol == PROTOCOL {
        report.good("protocol", format!("{PROTOCOL}, target {}, context {}", info.model, info.limits.context));
    } else {
        let failure = Failure::new(format!("the server speaks {}, this program {PROTOCOL}", info.protocol));
        report.failed("protocol", failure.hint("bring both to the same version"));
    }
    Some(info)
}

/// Returns a failure whose hint follows from TLS's error.
fn explained(error: VerifierError) -> Failure {
    let VerifierError::Untrusted { reason } = &error else { return error.into() };
    let said = reason.to_lowercase();
    let hint = if said.contains("expired") {
        "the certificate has expired: renew it on the server, and check this machine's clock"
    } else if said.contains("name") || said.contains("host") {
        "the certificate is for another host: use a name that it is valid for in --server"
    } else if said.contains("issuer") || said.contains("unknown") || said.contains("ca used") {
        "the certificate's authority is not known: give it with --ca, or pin the certificate with --fingerprint"
    } else if said.contains("pin") || said.contains("fingerprint") {
        "the server has another certificate than the one pinned: take the new value from `uhlm serve` if that is right"
    } else {
        "pin the server's certificate with --fingerprint (uhlm serve prints it), or name its authority with --ca"
    };
    Failure::from(error.clone()).hint(hint)
}

/// Measures the round trips of the smallest request.
pub(super) fn measure(report: &mut Report, verifier: &dyn Verifier) {
    let times: Result<Vec<f64>, VerifierError> = (0..ROUND_TRIPS)
        .map(|_| {
            let began = Instant::now();
            remote::info(verifier).map(|_| began.elapsed().as_secs_f64() * 1e3)
        })
        .collect();
    match times.map(|times| Quantiles::of(&times)) {
        Ok(Some(Quantiles { p50, p99 })) => {
            let text = format!("{ROUND_TRIPS} round trips, p50 {} ms, p99 {} ms", significant(p50), significant(p99));
            if p50 > SLOW_MS {
                report.warning("latency", text, "a server nearer by makes judged answers faster");
            } else {
                report.good("latency", text);
            }
        }
        Ok(None) => {}
        Err(error) => report.failed("latency", error),
    }
}

/// Says whether a pair of models with different vocabularies is worth it, by a few replies.
fn try_pair(report: &mut Report, engine: &Engine, verifier: &Arc<dyn Verifier>) {
    let options =
        SessionOptions { close: CloseRule::Fixed(TRIAL_WINDOW), draft_ahead: DraftAhead::Off, ..trial_options() };
    let mut all = Statistics::default();
    let outcome = engine.session(Some(Arc::clone(verifier)), options).map_err(Failure::from).and_then(|session| {
        for prompt in TRIAL_PROMPTS {
            session.reset()?;
            let options = GenerationOptions { max_tokens: TRIAL_TOKENS, ..GenerationOptions::default() };
            all.add(&session.generate(Prompt::Chat(prompt.into()), options)?.blocking_finish()?.1);
        }
        Ok(())
    });
    match (outcome, report::worth(&all)) {
        // A target without a chat template is no failure of the way to it.
        (Err(failure), _) => report.skipped("pair", failure.text()),
        (Ok(()), Some((text, true))) => report.good("pair", text),
        (Ok(()), Some((text, false))) => {
            report.warning("pair", text, "the pace turns drafting off where it does not pay; another draft model may");
        }
        (Ok(()), None) => report.skipped("pair", "no token was judged"),
    }
}

/// Options of a generation that tries the verifier, in which every token is judged.
fn trial_options() -> SessionOptions {
    SessionOptions {
        mode: Mode::Exact,
        sampling: SamplingParams::greedy(),
        // A server that has just started may miss the first deadline.
        offline: OfflinePolicy::Wait(PATIENCE),
        seed: Some(1),
        // The prompt is this program's own, so no person has to consent.
        consent: Consent::Conversation,
        ..SessionOptions::default()
    }
}

/// Runs a short generation in which every token is judged.
pub(super) fn try_verdict(report: &mut Report, engine: &Engine, verifier: &Arc<dyn Verifier>) {
    let session = engine.session(Some(Arc::clone(verifier)), trial_options());
    let outcome = session.map_err(Failure::from).and_then(|session| {
        let options = GenerationOptions { max_tokens: 8, ..GenerationOptions::default() };
        Ok(session.generate(Prompt::Raw("Hello".into()), options)?.blocking_finish()?)
    });
    match outcome {
        Ok((_, statistics)) if statistics.verdicts > 0 => {
            let text = format!("{} verdicts on {} tokens", statistics.verdicts, statistics.judged);
            report.good("test verdict", text);
            if statistics.bridged {
                try_pair(report, engine, verifier);
            }
        }
        Ok(_) => report.failed("test verdict", Failure::new("the generation ended without a verdict")),
        Err(failure) => report.failed("test verdict", failure),
    }
}

/// Runs a short generation that a chat service writes.
pub(super) fn try_reply(report: &mut Report, engine: &Engine, verifier: &Arc<dyn Verifier>) {
    let options = SessionOptions { mode: Mode::RemoteOnly, ..trial_options() };
    let outcome = engine.session(Some(Arc::clone(verifier)), options).map_err(Failure::from).and_then(|session| {
        let options = GenerationOptions { max_tokens: 8, ..GenerationOptions::default() };
        Ok(session.generate(Prompt::Chat("Say hello.".into()), options)?.blocking_finish()?)
    });
    match outcome {
        Ok((_, statistics)) => {
            let text = format!("{} tokens of a chat service, by which nothing can be judged", statistics.tokens());
            report.warning("test reply", text, "use it with --mode remote-only");
        }
        Err(failure) => report.failed("test reply", failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_read_from_an_address() {
        let of = |url: &str| authority(url).map(|(host, port)| format!("{host} {port}"));
        assert_eq!(of("https://host:8443/path").as_deref(), Some("host 8443"));
        assert_eq!(of("https://host").as_deref(), Some("host 443"));
        assert_eq!(of("https://[::1]:8443").as_deref(), Some("::1 8443"));
        assert_eq!(of("https://[::1]").as_deref(), Some("::1 443"));
        assert_eq!(of("host:1"), None);
    }

    #[test]
    fn the_hint_follows_from_what_tls_said() {
        let hint = |reason: &str| {
            let failure = explained(VerifierError::Untrusted { reason: reason.into() });
            failure.hint_text().expect("there is one").to_owned()
        };
        assert!(hint("invalid peer certificate: Expired").contains("renew"));
        assert!(hint("invalid peer certificate: NotValidForName").contains("another host"));
        assert!(hint("invalid peer certificate: UnknownIssuer").contains("--ca"));
    }
}
