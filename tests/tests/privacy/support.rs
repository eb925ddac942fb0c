//! The support that the tests share: sessions on the synthetic pair with a verifier that records the text of every
//! request.

use std::sync::Arc;

use uhlm_core::{Consent, GenerationError, GenerationOptions, Mode, Prompt, Session, SessionOptions, Statistics};
use uhlm_testing::spy::Spy;
use uhlm_testing::synthetic::SyntheticModel;

pub(crate) fn spy() -> Arc<Spy> {
    Spy::new(SyntheticModel::target().verifier(|config| config))
}

pub(crate) fn session(spy: &Arc<Spy>, options: SessionOptions) -> Session {
    let options = SessionOptions { seed: Some(11), ..options };
    Session::new(Arc::new(SyntheticModel::draft()), Some(Arc::clone(spy) as _), options).expect("valid options")
}

/// Sends a message and waits for the reply.
pub(crate) fn say(
    session: &Session,
    text: &str,
    mode: Option<Mode>,
    consent: Option<Consent>,
) -> Result<(String, Statistics), GenerationError> {
    let options = GenerationOptions { max_tokens: 12, mode, consent, ..GenerationOptions::default() };
    session.generate(Prompt::Chat(text.into()), options)?.blocking_finish()
}
