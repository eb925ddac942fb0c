//! The texts by which a client and a server are set up: tokens, trust, times to wait, names and numbers. What is taken
//! is in range and is never shown where it is a secret.

use uhlm_law::advance::SessionId;
use uhlm_law::digest::Digest;
use uhlm_law::gate::Goal;
use uhlm_law::pace::Pace;
use uhlm_law::sampling::SamplingParams;
use uhlm_law::uncertainty::Estimator;
use uhlm_net::{BearerToken, TrustPolicy, client_config};
use uhlm_server::{MIN_TOKEN_LENGTH, Tokens};

use crate::Target;

pub(crate) const TARGET: Target = Target { name: "config", run, seeds, words: WORDS };

const WORDS: &[&str] = &[
    "-----BEGIN CERTIFICATE-----\n",
    "-----END CERTIFICATE-----\n",
    "MIIB",
    "share:",
    "risk:",
    "bytes:",
    "threshold:",
    "sampled-temperature-perturbation:",
    "4294967295",
    "NaN",
    "inf",
    "-0",
    "1e39",
    "~",
    "#",
    "\n",
    "\"temperature\":",
    "\"top_k\":",
];

fn run(data: &[u8]) {
    // Certificates are bytes, everything else is text.
    let _ = client_config(&TrustPolicy::Pem(data.to_vec()), false);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let is_visible = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if let Ok(token) = BearerToken::new(text) {
        assert!(is_visible(text));
        // What is shown for every token may be the text of one.
        let shown = "BearerToken(..)";
        assert!(format!("{token:?}") == shown || shown.contains(text), "a token is not shown");
    }
    if let Ok(tokens) = Tokens::new(text.lines()) {
        assert!(text.lines().all(|line| is_visible(line) && line.len() >= MIN_TOKEN_LENGTH));
        assert_eq!(tokens.is_empty(), text.lines().next().is_none());
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string().parse(), Ok(digest));
    }
    if let Ok(session) = text.parse::<SessionId>() {
        assert_eq!(session.to_string().parse(), Ok(session));
    }
    if let Ok(goal) = text.parse::<Goal>() {
        assert!(goal.to_string().parse::<Goal>().is_ok(), "{goal} is read as it is written");
    }
    if let Ok(estimator) = text.parse::<Estimator>() {
        assert_eq!(estimator.to_string().parse(), Ok(estimator));
    }
    let _ = text.parse::<Pace>();
    if let Ok(sampling) = serde_json::from_str::<SamplingParams>(text)
        && sampling.validate().is_ok()
    {
        assert!(sampling.temperature >= 0.0 && sampling.temperature.is_finite());
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let sampling = serde_json::to_vec(&SamplingParams::default()).unwrap_or_default();
    let digest = Digest([0xab; 32]).to_string();
    // A certificate as far as its first fields.
    let pem = "-----BEGIN CERTIFICATE-----\nMIIBdzCCAR2gAwIBAgIUAA==\n-----END CERTIFICATE-----\n";
    let texts = [
        digest.as_str(),
        &digest[..32],
        pem,
        "0123456789abcdef\nfedcba9876543210~phone\n",
        "share:0.3",
        "risk:0.05",
        "threshold:0.25",
        "bytes:12.5",
        "risk-averse",
        "sampled-temperature-perturbation:20",
        "balanced",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).chain([sampling]).collect()
}
