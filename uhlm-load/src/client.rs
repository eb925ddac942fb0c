//! The verifier's client as a task awaits it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use uhlm_core::verifier::{Answer, Call, Verifier, VerifierError, VerifierExt as _};
use uhlm_law::advance::{Advance, Capabilities, Frame, Info, Open, Opened, SessionId};
use uhlm_law::digest::Digest;

/// A part of the answer to the request with this number, or its failure.
pub(crate) type Heard = (u64, Result<Answer<Frame>, VerifierError>);

/// Asks what the verifier serves.
pub(crate) async fn info(verifier: &Arc<dyn Verifier>, deadline: Duration) -> Result<Info, VerifierError> {
    let (send, answer) = oneshot::channel();
    // Whoever asked may have gone away by the time of the answer.
    let call = verifier.info(deadline, move |heard| drop(send.send(heard)));
    let heard = answer.await.unwrap_or(Err(VerifierError::Cancelled));
    call.detach();
    heard.map(|answer| answer.value)
}

/// Opens a session. Dropping the future resets the request.
pub(crate) async fn open(
    verifier: &Arc<dyn Verifier>,
    vocabulary: Digest,
    deadline: Duration,
) -> Result<Answer<Opened>, VerifierError> {
    let (send, answer) = oneshot::channel();
    let request = Open { vocabulary, needs: Capabilities::NONE };
    let call = verifier.open(request, deadline, move |heard| drop(send.send(heard)));
    let heard = answer.await.unwrap_or(Err(VerifierError::Cancelled));
    call.detach();
    heard
}

/// Asks for a text to be taken further; the parts of the answer go to `heard` under the number.
pub(crate) fn advance(
    verifier: &Arc<dyn Verifier>,
    session: SessionId,
    request: Advance,
    silence: Duration,
    number: u64,
    heard: &mpsc::UnboundedSender<Heard>,
) -> Call {
    let heard = heard.clone();
    // A phone that has ended hears nothing any more.
    verifier.advance(session, request, silence, move |part| drop(heard.send((number, part))))
}
