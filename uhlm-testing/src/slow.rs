//! A target that takes its time: as slow as a test wants it, and stuck when the test says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use uhlm_law::advance::{Draw, Row};
use uhlm_law::model::{ModelError, Vocabulary};
use uhlm_server::target::{BatchToken, EngineOptions, LlamaTarget, Target, TargetInfo};

use crate::pair;

/// How often a target that is stuck looks whether it is let go.
const LOOK: Duration = Duration::from_millis(5);

/// Another target, each token of which takes a time of its own.
pub struct Slow {
    inner: Box<dyn Target>,
    each: Duration,
    stuck: Arc<AtomicBool>,
}

impl Slow {
    /// Makes `inner` take `each` for a token. The flag, set, keeps every pass from ending.
    #[must_use]
    pub fn around(inner: Box<dyn Target>, each: Duration) -> (Box<dyn Target>, Arc<AtomicBool>) {
        let stuck = Arc::new(AtomicBool::new(false));
        (Box::new(Self { inner, each, stuck: Arc::clone(&stuck) }), stuck)
    }

    /// Makes the bundled target take `each` for a token.
    ///
    /// # Panics
    /// Where the bundled target does not load.
    #[must_use]
    pub fn bundled(each: Duration) -> (Box<dyn Target>, Arc<AtomicBool>) {
        let options = EngineOptions { context: 2048, slots: 4, threads: 1, ..EngineOptions::default() };
        Self::around(Box::new(LlamaTarget::new(pair::target(), &options).expect("a context")), each)
    }
}

impl Target for Slow {
    fn info(&self) -> &TargetInfo {
        self.inner.info()
    }

    fn vocabulary(&self) -> &dyn Vocabulary {
        self.inner.vocabulary()
    }

    fn decode(&mut self, tokens: &[BatchToken]) -> Result<(), ModelError> {
        std::thread::sleep(self.each * u32::try_from(tokens.len()).unwrap_or(u32::MAX));
        while self.stuck.load(Ordering::Acquire) {
            std::thread::sleep(LOOK);
        }
        self.inner.decode(tokens)
    }

    fn draw(&mut self, index: usize, draw: &Draw<'_>) -> Result<Row, ModelError> {
        self.inner.draw(index, draw)
    }

    fn truncate(&mut self, slot: u32, from: usize) -> Result<(), ModelError> {
        self.inner.truncate(slot, from)
    }
}
