//! A TLS file server on loopback that answers as a test tells it to: it cuts answers off, stalls, lies, redirects and
//! changes its mind.
//!
//! Its HTTP/1.1 is written by hand, because a library would not let it lie.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use uhlm_net::TrustPolicy;

use crate::certificates::Authority;
use crate::gguf::{self, Kind, Tensor, Value};

/// The content of a file, which need not be in memory.
pub trait Content: Send + Sync {
    /// Returns its size in bytes.
    fn len(&self) -> u64;
    /// Tells whether it has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Fills `buffer` with the bytes from `offset` on.
    fn read(&self, offset: u64, buffer: &mut [u8]);
}

impl Content for Vec<u8> {
    fn len(&self) -> u64 {
        Vec::len(self) as u64
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) {
        let start = offset as usize;
        buffer.copy_from_slice(&self[start..start + buffer.len()]);
    }
}

/// A GGUF file of any size with noise for data, computed where it is read.
#[derive(Clone, Debug)]
pub struct NoiseFile {
    header: Vec<u8>,
    len: u64,
    seed: u64,
}

impl NoiseFile {
    /// Makes a file of about `bytes` bytes; files of different seeds differ everywhere but in their headers.
    #[must_use]
    pub fn new(bytes: u64, seed: u64) -> Self {
        let tensor = |numbers| Tensor { name: "noise".into(), dimensions: vec![numbers], kind: Kind::F32 };
        let metadata = [("general.architecture", Value::Text("noise".into()))];
        let empty = gguf::header(&metadata, &[tensor(0)]).len() as u64;
        let tensor = tensor(bytes.saturating_sub(empty) / 4);
        let header = gguf::header(&metadata, std::slice::from_ref(&tensor));
        let len = header.len() as u64 + tensor.bytes();
        Self { header, len, seed }
    }
}

impl Content for NoiseFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) {
        let mut word = (u64::MAX, [0; 8]);
        for (i, byte) in buffer.iter_mut().enumerate() {
            let at = offset + i as u64;
            *byte = match self.header.get(at as usize) {
                Some(&byte) => byte,
                None => {
                    if word.0 != at / 8 {
                        word = (at / 8, mixed(at / 8, self.seed).to_le_bytes());
                    }
                    word.1[(at % 8) as usize]
                }
            };
        }
    }
}

/// Returns the `SplitMix64` hash of a position.
fn mixed(position: u64, seed: u64) -> u64 {
    let mut x = position.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(seed << 32 | 1);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Path and query.
    pub path: String,
    headers: HashMap<String, String>,
    /// Number of requests that came before it.
    pub before: usize,
}

impl Asked {
    /// Returns a header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Returns the position of the first byte that is requested; 0 without a range.
    #[must_use]
    pub fn from(&self) -> u64 {
        let range =
            self.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        range.unwrap_or(0)
    }
}

/// The behaviour of the connection after the body's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    /// The answer ends properly.
    End,
    /// The connection is closed without a word.
    Cut,
    /// Nothing more comes, and the connection stays up.
    Stall,
}

/// The answer to a request.
#[derive(Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    content: Arc<dyn Content>,
    /// Range of the content's bytes that is sent.
    sent: std::ops::Range<u64>,
    /// Length that `Content-Length` states; `None` sends the body in chunks.
    declared: Option<u64>,
    after: After,
    /// Pause after each 64 KiB.
    pace: Duration,
}

impl Reply {
    /// Makes an answer without a body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        let content = Arc::new(Vec::new());
        let (headers, pace) = (Vec::new(), Duration::ZERO);
        Self { status, headers, content, sent: 0..0, declared: Some(0), after: After::End, pace }
    }

    /// Makes a redirect.
    #[must_use]
    pub fn redirect(to: &str) -> Self {
        Self::status(302).with("Location", to)
    }

    /// Makes an answer with all of a file, whatever was requested.
    #[must_use]
    pub fn whole(content: &Arc<dyn Content>) -> Self {
        let len = content.len();
        Self { content: Arc::clone(content), sent: 0..len, declared: Some(len), ..Self::status(200) }
    }

    /// Makes the answer of a proper file server: the part that was requested, or all of the file if it has another
    /// `ETag` than the client knows.
    #[must_use]
    pub fn proper(content: &Arc<dyn Content>, etag: &str, asked: &Asked) -> Self {
        let (from, len) = (asked.from(), content.len());
        let quoted = format!("\"{etag}\"");
        let same = asked.header("if-range").is_none_or(|known| known == quoted);
        let reply = if from == 0 || !same {
            Self::whole(content)
        } else if from >= len {
            Self::status(416).with("Content-Range", &format!("bytes */{len}"))
        } else {
            Self { status: 206, sent: from..len, declared: Some(len - from), ..Self::whole(content) }
                .with("Content-Range", &format!("bytes {from}-{}/{len}", len - 1))
        };
        reply.with("ETag", &quoted)
    }

    /// Gives the answer the status 206 and this `Content-Range`, whatever is sent.
    #[must_use]
    pub fn as_part(self, range: &str) -> Self {
        Self { status: 206, ..self }.with("Content-Range", range)
    }

    /// Gives the answer a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Takes a header out of the answer.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    /// Changes the length in `Content-Length`; `None` sends chunks.
    #[must_use]
    pub fn declaring(self, length: Option<u64>) -> Self {
        Self { declared: length, ..self }
    }

    /// Cuts the connection after the first `bytes` bytes of the body.
    #[must_use]
    pub fn cut_after(self, bytes: u64) -> Self {
        self.up_to(bytes, After::Cut)
    }

    /// Sends the first `bytes` bytes of the body, and then nothing more for ever.
    #[must_use]
    pub fn stall_after(self, bytes: u64) -> Self {
        self.up_to(bytes, After::Stall)
    }

    /// Makes a pause after each 64 KiB.
    #[must_use]
    pub fn paced(self, pace: Duration) -> Self {
        Self { pace, ..self }
    }

    fn up_to(mut self, bytes: u64, after: After) -> Self {
        self.sent.end = self.sent.end.min(self.sent.start + bytes);
        Self { after, ..self }
    }
}

type Script = dyn Fn(&Asked) -> Reply + Send + Sync;

struct Shared {
    script: Box<Script>,
    seen: Mutex<Vec<Asked>>,
    over: AtomicBool,
}

/// A running server, which ends when it is dropped.
pub struct FileServer {
    address: SocketAddr,
    authority: Authority,
    shared: Arc<Shared>,
}

impl FileServer {
    /// Starts a server that answers each request as `script` says.
    #[must_use]
    pub fn start(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let authority = Authority::generate();
        let tls = Arc::new(authority.issue().server_config(&[]));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared =
            Arc::new(Shared { script: Box::new(script), seen: Mutex::default(), over: AtomicBool::new(false) });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if accepting.over.load(Ordering::Acquire) {
                    break;
                }
                let (shared, tls) = (Arc::clone(&accepting), Arc::clone(&tls));
                // Clients break connections as they like.
                std::thread::spawn(move || drop(serve(stream, tls, &shared)));
            }
        });
        Self { address, authority, shared }
    }

    /// Returns the URL of a path on the server, by its address.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("https://{}/{path}", self.address)
    }

    /// Returns the URL of a path on the server by the name `localhost`, which is another host to a client.
    #[must_use]
    pub fn url_by_name(&self, path: &str) -> String {
        format!("https://localhost:{}/{path}", self.address.port())
    }

    /// Returns the certificate of the authority that signed the server's, as PEM.
    #[must_use]
    pub fn authority(&self) -> String {
        self.authority.pem()
    }

    /// Returns the trust in this server and nobody else.
    #[must_use]
    pub fn trust(&self) -> TrustPolicy {
        self.authority.trust()
    }

    /// Returns every request so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Asked> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        // This wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
    }
}

fn serve(stream: TcpStream, tls: Arc<ServerConfig>, shared: &Shared) -> io::Result<()> {
    let connection = ServerConnection::new(tls).map_err(io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    loop {
        let Some(asked) = request(&mut stream, shared)? else { return Ok(()) };
        let reply = (shared.script)(&asked);
        let out = stream.get_mut();
        respond(out, &reply)?;
        match reply.after {
            After::End => {}
            After::Cut => {
                out.flush()?;
                // The connection ends without TLS's own goodbye, as a broken network ends it.
                return out.sock.shutdown(std::net::Shutdown::Both);
            }
            After::Stall => {
                out.flush()?;
                while !shared.over.load(Ordering::Acquire) && out.sock.peek(&mut [0]).is_ok_and(|n| n > 0) {
                    std::thread::sleep(Duration::from_millis(10));
                }
                return Ok(());
            }
        }
    }
}

fn request(stream: &mut BufReader<impl io::Read>, shared: &Shared) -> io::Result<Option<Asked>> {
    let mut line = String::new();
    if stream.by_ref().take(8 << 10).read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        stream.by_ref().take(8 << 10).read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let mut seen = shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
    let asked = Asked { path, headers, before: seen.len() };
    seen.push(asked.clone());
    Ok(Some(asked))
}

fn respond(out: &mut impl io::Write, reply: &Reply) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Scripted\r\n", reply.status);
    for (name, value) in &reply.headers {
        write!(head, "{name}: {value}\r\n").map_err(io::Error::other)?;
    }
    match reply.declared {
        Some(length) => write!(head, "Content-Length: {length}\r\n\r\n"),
        None => write!(head, "Transfer-Encoding: chunked\r\n\r\n"),
    }
    .map_err(io::Error::other)?;
    out.write_all(head.as_bytes())?;
    let mut buffer = vec![0; 64 << 10];
    let mut at = reply.sent.start;
    while at < reply.sent.end {
        let count = buffer.len().min((reply.sent.end - at) as usize);
        reply.content.read(at, &mut buffer[..count]);
        if reply.declared.is_none() {
            write!(out, "{count:x}\r\n")?;
        }
        out.write_all(&buffer[..count])?;
        if reply.declared.is_none() {
            out.write_all(b"\r\n")?;
        }
        at += count as u64;
        if !reply.pace.is_zero() {
            out.flush()?;
            std::thread::sleep(reply.pace);
        }
    }
    if reply.declared.is_none() && reply.after == After::End {
        out.write_all(b"0\r\n\r\n")?;
    }
    out.flush()
}
