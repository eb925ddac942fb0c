//! What a server says about requests in its log.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use uhlm_law::advance::{Body as _, Capabilities, Encoding, Open};
use uhlm_law::digest::Digest;

use crate::support::{Fixture, llama};

/// Everything that was logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_request_is_logged_with_its_trace_and_without_what_it_holds() {
    let lines = Lines::default();
    let log = tracing_subscriber::fmt().json().flatten_event(true).with_max_level(LevelFilter::INFO);
    // Other tests of this process run beside this one: their lines have other traces.
    log.with_writer(lines.clone()).try_init().expect("nobody else logs");
    let server = Fixture::new(llama()).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let ask = |flags: &str, parent: &str| {
        let open = Open { vocabulary: Digest([0xab; 32]), needs: Capabilities::NONE };
        let mut body = Vec::new();
        open.write(&mut body);
        server
            .client
            .post(format!("{}/v2/sessions", server.url))
            .header("content-type", Encoding::Binary.media_type())
            .header("traceparent", format!("00-{trace}-{parent}-{flags}"))
            .body(body)
            .send()
    };
    let refused = ask("01", "00f067aa0ba902b7").await.expect("an answer");
    assert_eq!(refused.status(), 422, "another vocabulary");
    ask("00", "00f067aa0ba902b8").await.expect("an answer");
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).expect("UTF-8");
    let of_trace: Vec<&str> = text.lines().filter(|line| line.contains(trace)).collect();
    assert_eq!(of_trace.len(), 1, "only the trace that is kept: {text}");
    let line: serde_json::Value = serde_json::from_str(of_trace[0]).expect("JSON");
    assert_eq!((&line["trace_id"], &line["parent_id"]), (&trace.into(), &"00f067aa0ba902b7".into()));
    assert_eq!((&line["route"], &line["status"], &line["owner"]), (&"open".into(), &422.into(), &"address".into()));
    assert!(line["ms"].as_f64().is_some_and(|ms| ms >= 0.0));
    assert!(!of_trace[0].contains("abab"), "nothing of the body: {}", of_trace[0]);
}
