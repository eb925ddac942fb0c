//! A draft model on a GPU makes no pass while the app is not in front.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock, Weak};

use uhlm_core::{Consent, DeviceState, Generation, GenerationOptions, Mode, Prompt, Session, SessionOptions};
use uhlm_testing::on_gpu::OnGpu;
use uhlm_testing::synthetic::SyntheticModel;

use crate::support::{say, session, spy};

fn background() -> DeviceState {
    DeviceState { in_background: true, ..DeviceState::default() }
}

/// A session without a verifier, on a GPU, whose app leaves the front in one of the draft model's passes.
struct Leaving {
    model: Arc<OnGpu>,
    session: Arc<Session>,
    /// Gives something when the app has left.
    left: Receiver<()>,
}

impl Leaving {
    /// Makes one whose app leaves in the pass of this number, from 1; in none for 0.
    fn in_pass(number: usize) -> Self {
        let (leaves, left) = channel();
        let session: Arc<OnceLock<Weak<Session>>> = Arc::default();
        let of_model = Arc::clone(&session);
        let model = OnGpu::new(Arc::new(SyntheticModel::draft()), move |pass| {
            if pass == number
                && let Some(session) = of_model.get().and_then(Weak::upgrade)
            {
                session.set_device(background());
                // A test that has ended hears nothing more.
                let _ = leaves.send(());
            }
        });
        // A pass for each drafted token.
        let options =
            SessionOptions { mode: Mode::DeviceOnly, seed: Some(1), ngrams: false, ..SessionOptions::default() };
        let made = Arc::new(Session::new(model.model(), None, options).expect("valid options"));
        session.set(Arc::downgrade(&made)).expect("set once");
        Self { model, session: made, left }
    }

    fn generate(&self, seed: u64) -> Generation {
        let options = GenerationOptions { max_tokens: 12, seed: Some(seed), ..GenerationOptions::default() };
        self.session.generate(Prompt::Chat("abc".into()), options).expect("idle")
    }
}

/// A reply whose app stays in front.
struct Undisturbed {
    seed: u64,
    text: String,
    /// Number of the draft model's passes, four or more.
    passes: usize,
}

impl Undisturbed {
    fn write() -> Self {
        let mut replies = (1..=50).map(|seed| {
            let staying = Leaving::in_pass(0);
            let (text, _) = staying.generate(seed).blocking_finish().expect("a reply");
            Self { seed, text, passes: staying.model.passes() }
        });
        replies.find(|reply| reply.passes >= 4).expect("a reply with a middle")
    }
}

#[test]
fn a_reply_stands_still_in_the_background_and_goes_on_in_front_with_the_same_text() {
    let Undisturbed { seed, text, passes } = Undisturbed::write();
    for number in [1, passes / 2, passes] {
        let leaving = Leaving::in_pass(number);
        let generation = leaving.generate(seed);
        leaving.left.recv().expect("the app leaves");
        leaving.session.set_device(DeviceState::default());
        let (found, _) = generation.blocking_finish().expect("a reply");
        assert_eq!((found, leaving.model.passes()), (text.clone(), passes), "left in pass {number}");
    }
}

#[test]
fn a_reply_that_stands_still_can_be_cancelled_and_makes_no_further_pass() {
    let Undisturbed { seed, passes, .. } = Undisturbed::write();
    for number in [1, passes / 2] {
        let leaving = Leaving::in_pass(number);
        let generation = leaving.generate(seed);
        leaving.left.recv().expect("the app leaves");
        generation.cancel();
        // How it ends is not asked here.
        let _ = generation.blocking_finish();
        assert_eq!(leaving.model.passes(), number);
    }
}

#[test]
fn a_session_that_is_dropped_while_its_reply_stands_still_ends_it() {
    let Undisturbed { seed, passes, .. } = Undisturbed::write();
    let leaving = Leaving::in_pass(passes / 2);
    let generation = leaving.generate(seed);
    leaving.left.recv().expect("the app leaves");
    drop(leaving.session);
    let _ = generation.blocking_finish();
    assert_eq!(leaving.model.passes(), passes / 2);
}

#[test]
fn a_reply_that_begins_in_the_background_is_the_targets_where_the_draft_model_is_on_a_gpu() {
    let (spy, model) = (spy(), OnGpu::new(Arc::new(SyntheticModel::draft()), |_| {}));
    let options = SessionOptions { consent: Consent::Conversation, seed: Some(11), ..SessionOptions::default() };
    let session = Session::new(model.model(), Some(Arc::clone(&spy) as _), options).expect("valid options");
    session.set_device(background());
    let (_, statistics) = say(&session, "abc", None, None).expect("a reply");
    assert_eq!((statistics.drafted, model.passes()), (0, 0));
    assert_eq!(statistics.origins.target, statistics.tokens());
    session.set_device(DeviceState::default());
    let (_, statistics) = say(&session, "abc", None, None).expect("a reply");
    assert!(statistics.drafted > 0 && model.passes() > 0);
}

#[test]
fn a_draft_model_on_the_cpu_drafts_in_the_background() {
    let options = SessionOptions { consent: Consent::Conversation, ..SessionOptions::default() };
    let session = session(&spy(), options);
    session.set_device(background());
    let (_, statistics) = say(&session, "abc", None, None).expect("a reply");
    assert!(statistics.drafted > 0);
}

#[test]
fn nothing_is_read_ahead_on_a_gpu_in_the_background() {
    let leaving = Leaving::in_pass(0);
    leaving.session.set_device(background());
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    assert_eq!(runtime.block_on(leaving.session.prewarm("abc")).expect("warm"), 0);
    assert_eq!(leaving.model.passes(), 0);
    leaving.session.set_device(DeviceState::default());
    assert!(runtime.block_on(leaving.session.prewarm("abc")).expect("warm") > 0);
}
