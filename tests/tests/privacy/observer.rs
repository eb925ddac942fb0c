//! What somebody who sees the packets can tell of a conversation: the lengths and times of TLS records between a real
//! client and a real server, held against what was sent. `docs/security.md` quotes what this prints:
//! `cargo test --workspace --test privacy -- observer --nocapture`.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use uhlm_core::verifier::http::{HttpConfig, HttpVerifier};
use uhlm_core::verifier::{Call, Reply, Request, Verifier};
use uhlm_core::{Consent, DraftAhead, Event, GenerationOptions, Mode, Prompt, Session, SessionOptions};
use uhlm_law::advance::Encoding;
use uhlm_law::window::CloseRule;
use uhlm_testing::pair;
use uhlm_testing::served::Served;
use uhlm_testing::slow::Slow;

/// A record of TLS as it passes: its length is all that can be seen of it.
#[derive(Clone, Copy, Debug)]
struct Record {
    is_up: bool,
    at: Instant,
    length: usize,
}

/// A wire with somebody who watches it.
struct Tap {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Record>>>,
}

impl Tap {
    fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen: Arc<Mutex<Vec<Record>>> = Arc::default();
        let records = Arc::clone(&seen);
        // It ends with the process: nobody connects any more.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A session that ends late is closed at a server that has stopped.
                let Ok(server) = TcpStream::connect(server) else { continue };
                for (from, to, is_up) in [(&client, &server, true), (&server, &client, false)] {
                    let (from, to) = (from.try_clone().expect("a handle"), to.try_clone().expect("a handle"));
                    let records = Arc::clone(&records);
                    std::thread::spawn(move || watch(from, to, is_up, &records));
                }
            }
        });
        Self { address, seen }
    }

    /// Returns the records of application data so far, and forgets them.
    fn take(&self) -> Vec<Record> {
        std::mem::take(&mut self.seen.lock().expect("no panic"))
    }
}

/// Passes bytes on, and notes each record of application data.
fn watch(mut from: TcpStream, mut to: TcpStream, is_up: bool, seen: &Mutex<Vec<Record>>) {
    const APPLICATION_DATA: u8 = 23;
    to.set_nodelay(true).expect("a socket option");
    let (mut buffer, mut held) = ([0; 16_384], Vec::new());
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let at = Instant::now();
        held.extend_from_slice(&buffer[..count]);
        while let [kind, _, _, high, low, ..] = held[..] {
            let length = usize::from(u16::from_be_bytes([high, low]));
            if held.len() < 5 + length {
                break;
            }
            if kind == APPLICATION_DATA {
                seen.lock().expect("no panic").push(Record { is_up, at, length });
            }
            drop(held.drain(..5 + length));
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // The other side may be gone already.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// A request as it was made.
#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Instant,
    /// Whether it begins a reply: its prompt is most of it.
    is_first: bool,
    /// Number of ids in it.
    ids: usize,
    /// Size of its body, in bytes.
    body: usize,
}

/// A client that notes what it sends.
struct Noting {
    client: HttpVerifier,
    asked: Mutex<Vec<Asked>>,
}

impl Verifier for Noting {
    fn ask(&self, request: Request, patience: Duration, reply: Reply) -> Call {
        if let Request::Advance(_, advance) = &request {
            let body = request.body(Encoding::Binary).len();
            let ids = advance.stand.len() + advance.draft.len();
            let is_first = advance.begin.is_some();
            self.asked.lock().expect("no panic").push(Asked { at: Instant::now(), is_first, ids, body });
        }
        self.client.ask(request, patience, reply)
    }
}

/// Returns Pearson's correlation of two quantities, and the mean error of the first where it is told from the second
/// by the best line.
fn told(points: &[(f64, f64)]) -> (f64, f64) {
    let n = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (y, x) = (mean(|p| p.0), mean(|p| p.1));
    let sum = |of: &dyn Fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>();
    let xy = sum(&|p| (p.0 - y) * (p.1 - x));
    let (xx, yy) = (sum(&|p| (p.1 - x).powi(2)), sum(&|p| (p.0 - y).powi(2)));
    let slope = xy / xx;
    let error = sum(&|p| (p.0 - y - slope * (p.1 - x)).abs()) / n;
    (xy / (xx * yy).sqrt(), error)
}

/// Returns the pauses between the tokens of a reply, and those between the records that brought them, in milliseconds.
/// Tokens that came in one record have no pause that shows.
fn pauses(committed: &[Instant], records: &[Record]) -> Vec<(f64, f64)> {
    let brought = |token: &Instant| records.iter().rev().find(|record| !record.is_up && record.at <= *token);
    let came: Vec<(Instant, Instant)> = committed.iter().filter_map(|at| Some((*at, brought(at)?.at))).collect();
    let between = |later: Instant, earlier: Instant| 1e3 * (later - earlier).as_secs_f64();
    let pauses = came.windows(2).map(|two| (between(two[1].0, two[0].0), between(two[1].1, two[0].1)));
    pauses.filter(|(_, shown)| *shown > 0.0).collect()
}

fn write(session: &Session, prompt: &str) -> Vec<Instant> {
    let options = GenerationOptions { max_tokens: 60, ..GenerationOptions::default() };
    let mut generation = session.generate(Prompt::Raw(prompt.into()), options).expect("idle");
    let mut committed = Vec::new();
    while let Some(event) = generation.blocking_next() {
        if let Event::Committed { .. } = event.expect("no failure") {
            committed.push(Instant::now());
        }
    }
    committed
}

/// A client behind a watched wire.
fn watched(served: &Served) -> (Tap, Arc<Noting>) {
    let tap = Tap::start(served.address());
    let config = HttpConfig::new(format!("https://{}", tap.address)).with_trust(served.trust());
    let client = HttpVerifier::new(config).expect("a client");
    (tap, Arc::new(Noting { client, asked: Mutex::default() }))
}

fn options(mode: Mode, close: CloseRule) -> SessionOptions {
    let (draft_ahead, consent) = (DraftAhead::Off, Consent::Conversation);
    SessionOptions { mode, close, draft_ahead, consent, seed: Some(4), threads: 1, ..SessionOptions::default() }
}

#[test]
fn the_number_of_tokens_in_a_request_shows_in_the_length_of_its_records() {
    /// Size to a multiple of which bodies would be padded, in bytes.
    const PAD: usize = 32;
    /// What TLS 1.3 adds to what is in a record, in bytes: its kind and a tag (RFC 8446, section 5.2).
    const SEAL: usize = 17;
    let served = Served::start();
    let (mut plain, mut padded, mut bodies, mut added) = (Vec::new(), Vec::new(), 0, 0);
    for window in [1, 2, 3, 5, 8, 13] {
        let (tap, verifier) = watched(&served);
        let close = CloseRule::Fixed(window);
        let session = Session::new(pair::draft().model().clone(), Some(verifier.clone()), options(Mode::Exact, close))
            .expect("valid options");
        pair::questions("prompts_free").iter().take(4).for_each(|prompt| drop(write(&session, prompt)));
        let (records, asked) = (tap.take(), verifier.asked.lock().expect("no panic").clone());
        for pair in asked.windows(2) {
            let [request, next] = pair else { continue };
            // A beginning has the prompt, and after an end comes what closes the session.
            if request.is_first || next.is_first {
                continue;
            }
            let within = |record: &&Record| record.is_up && (request.at..next.at).contains(&record.at);
            let lengths: Vec<usize> = records.iter().filter(within).map(|record| record.length).collect();
            // Head and body, in one record where the machine is busy. What else there is shows by more records.
            if !(1..=2).contains(&lengths.len()) {
                continue;
            }
            let length = lengths.iter().map(|length| length - SEAL).sum::<usize>();
            let more = request.body.next_multiple_of(PAD) - request.body;
            plain.push((request.ids as f64, length as f64));
            padded.push((request.ids as f64, (length + more) as f64));
            bodies += request.body;
            added += more;
        }
    }
    let ((sure, error), (sure_padded, error_padded)) = (told(&plain), told(&padded));
    let mean = |total: usize| total as f64 / plain.len() as f64;
    println!("{} requests: ids told from the records with correlation {sure:.3}, error {error:.2} ids", plain.len());
    println!("padded to {PAD} bytes: correlation {sure_padded:.3}, error {error_padded:.2} ids");
    println!("a body has {:.1} bytes, and {:.1} more if padded", mean(bodies), mean(added));
    // What is said in public: it shows, and padding would hide some of it.
    assert!(sure > 0.8 && plain.len() > 100, "{sure} of {} requests", plain.len());
    assert!(error_padded > error, "{error} {error_padded}");
}

#[test]
fn the_number_and_the_times_of_streamed_tokens_show_in_the_records_of_an_answer() {
    // Passes as long as those of a large target: what several short ones bring goes into one record on a busy machine.
    let served = Served::start_with_target(Slow::bundled(Duration::from_millis(15)).0);
    let (tap, verifier) = watched(&served);
    let options = options(Mode::RemoteOnly, CloseRule::CostModel);
    let session = Session::new(pair::draft().model().clone(), Some(verifier), options).expect("valid options");
    let (mut tokens, mut records, mut told) = (0, 0, Vec::new());
    for prompt in pair::questions("prompts_free").iter().take(8) {
        tap.take();
        let committed = write(&session, prompt);
        let seen = tap.take();
        tokens += committed.len();
        records += seen.iter().filter(|record| !record.is_up).count();
        told.extend(pauses(&committed, &seen));
    }
    println!("{tokens} streamed tokens came in {records} records");
    let mean = |of: fn(&(f64, f64)) -> f64| told.iter().map(of).sum::<f64>() / told.len() as f64;
    let (pause, error) = (mean(|pause| pause.0), mean(|pause| (pause.0 - pause.1).abs()));
    println!("{} pauses of {pause:.1} ms on average show in the records with an error of {error:.2} ms", told.len());
    assert!(!told.is_empty(), "no pause shows");
    assert!(records * 2 > tokens, "a record has hardly more than a token: {records} records, {tokens} tokens");
}
