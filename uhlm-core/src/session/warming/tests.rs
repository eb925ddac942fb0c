//! Tests with the bundled draft model, whose passes are counted.

use std::time::Duration;

use uhlm_law::sampling::SamplingError;
use uhlm_testing::counted::Counted;
use uhlm_testing::pair;

use super::*;
use crate::clock::SystemClock;
use crate::options::SessionOptions;

#[test]
fn a_beginning_is_read_once_for_all_sessions_that_share_it() {
    let counted = Counted::new(Arc::clone(pair::draft().model()), Duration::ZERO);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let read = |prefixes: &Arc<Prefixes>| {
        let instructions = Some("Answer in one short sentence, and be exact. ".repeat(12));
        let options = SessionOptions { instructions, mode: Mode::DeviceOnly, ..SessionOptions::default() };
        let session = Session::begun(counted.model(), None, options, Arc::new(SystemClock), |worker| {
            worker.share(Arc::clone(prefixes));
            Ok::<_, SamplingError>(())
        });
        let session = session.expect("valid");
        let before = counted.passes();
        let tokens = runtime.block_on(session.prewarm("")).expect("a template");
        (tokens, counted.passes() - before)
    };
    let shared = Arc::new(Prefixes::default());
    let (first, second, alone) = (read(&shared), read(&shared), read(&Arc::default()));
    assert!(first.0 > 32 && first.1 > 2, "{first:?}");
    assert_eq!(second, (first.0, 0), "nothing is read that the first one has read");
    assert_eq!(alone, first, "a session that shares nothing reads all of it");
}
