//! The device's end of the way: its [`Verifier`].
//!
//! Decides which faults happen to a request as it sets out.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use uhlm_core::verifier::{Answer, BodyBytes, Call, Part, Reply, Request, Verifier, VerifierError};
use uhlm_law::advance::{Advance, Encoding, Opened, SessionId};
use uhlm_law::cancel::Cancel;

use super::faults::Fault;
use super::network::{Network, State, Way};
use super::wire::{Early, Listener};

/// The device's end of a [`Network`].
#[derive(Clone, Debug)]
pub struct Uplink(pub Arc<Network>);

impl Verifier for Uplink {
    fn ask(&self, request: Request, patience: Duration, reply: Reply) -> Call {
        match request {
            Request::Info => self.0.answer(patience, |network, _| Ok(Part::Info(network.info.clone())), reply),
            // The models of a bed share one vocabulary.
            Request::Vocabulary(_) => self.0.answer(patience, |_, _| Err(VerifierError::SessionGone), reply),
            Request::Open(_) => {
                let make = |network: &Network, state: &mut State| {
                    let active = state.active;
                    let session = SessionId(state.server.open(active)?.to_be_bytes());
                    Ok(Part::Opened(Opened { session, info: network.info.clone() }))
                };
                self.0.answer(patience, make, reply)
            }
            Request::Advance(session, advance) => self.advance(session, advance, patience, reply),
            Request::Close(session) => {
                self.0.state().server.close(u128::from_be_bytes(session.0));
                Call::finished()
            }
        }
    }
}

impl Uplink {
    fn advance(&self, session: SessionId, request: Advance, silence: Duration, reply: Reply) -> Call {
        let network = Arc::clone(&self.0);
        let session = u128::from_be_bytes(session.0);
        let now = network.clock.time();
        let mut state = network.state();
        let Way { chances, .. } = state.way;
        let replica = state.active;
        state.streams += 1;
        let stream = state.streams;
        let early = if state.happens(chances.cut, Fault::Cut) {
            Some((state.dice.roll(3), Early::Cut))
        } else if state.happens(chances.silent, Fault::Silent) {
            Some((state.dice.roll(3), Early::Silent))
        } else {
            None
        };
        let up = Encoding::Binary.encode(&request).len() as u64;
        let reply = Arc::new(Mutex::new(reply));
        let listener = Listener { replica, reply, sent: now, silence, heard: now, said: now, due: now, up, early };
        state.listeners.insert(stream, listener);
        let is_lost = state.happens(chances.lost, Fault::LostRequest) || now < state.outage;
        let refusal = if state.happens(chances.unreachable, Fault::Unreachable) {
            Some(VerifierError::Unreachable { reason: "no connection".into() })
        } else if state.happens(chances.busy, Fault::Busy) {
            let retry_after = state.dice.happens(500).then(|| state.dice.span(Duration::from_secs(2)));
            Some(VerifierError::Busy { retry_after })
        } else {
            None
        };
        let travel = state.travel(Fault::LateRequest);
        let repeated = state.happens(chances.repeated, Fault::Repeated).then(|| {
            state.streams += 1;
            (state.streams, state.travel(Fault::LateRequest))
        });
        drop(state);
        network.watch(stream, silence);
        if let Some((again, travel)) = repeated {
            let (then, request) = (Arc::clone(&network), request.clone());
            network.clock.after(travel, move || then.arrive(replica, session, again, &request));
        }
        let then = Arc::clone(&network);
        match refusal {
            _ if is_lost => {}
            Some(error) => network.clock.after(travel, move || then.tell(stream, Err(error))),
            None => network.clock.after(travel, move || then.arrive(replica, session, stream, &request)),
        }
        Call::new(move || {
            if network.state().listeners.remove(&stream).is_some() {
                network.reset(replica, stream);
            }
        })
    }
}

impl Network {
    /// Answers a request that takes the verifier no time, with what `make` returns.
    fn answer(
        self: &Arc<Self>,
        deadline: Duration,
        make: impl FnOnce(&Self, &mut State) -> Result<Part, VerifierError> + Send + 'static,
        reply: Reply,
    ) -> Call {
        let mut state = self.state();
        let Way { chances, .. } = state.way;
        let (to, back) = (state.travel(Fault::LateRequest), state.travel(Fault::LateFrame));
        let is_lost = state.happens(chances.lost, Fault::LostRequest) || self.clock.time() < state.outage;
        let is_unreachable = state.happens(chances.unreachable, Fault::Unreachable);
        let (cancel, reply) = (Cancel::new(), Arc::new(Mutex::new(Some(reply))));
        let tell = move |then: &Self, heard: Result<Part, VerifierError>, elapsed| {
            let Some(mut reply) = reply.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
            {
                let mut state = then.state();
                state.told += 1;
                state.failures += u64::from(heard.is_err());
            }
            reply(heard.map(|value| Answer { value, bytes: BodyBytes::default(), elapsed, attempts: 1 }));
        };
        let given_up = cancel.clone();
        let then = Arc::clone(self);
        if is_lost || to + back > deadline {
            self.clock.after(deadline, move || {
                if !given_up.is_cancelled() {
                    tell(&then, Err(VerifierError::DeadlineExceeded { deadline }), deadline);
                }
            });
        } else {
            self.clock.after(to + back, move || {
                if given_up.is_cancelled() {
                    return;
                }
                let unreachable = VerifierError::Unreachable { reason: "no connection".into() };
                let made = if is_unreachable { Err(unreachable) } else { make(&then, &mut then.state()) };
                tell(&then, made, to + back);
            });
        }
        Call::new(move || cancel.cancel())
    }
}
