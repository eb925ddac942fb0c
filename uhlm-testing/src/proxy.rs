//! A TCP proxy between a device and a server; a test changes its behaviour while it runs.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The way in which the proxy treats connections and the bytes that they carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Weather {
    /// Everything passes.
    Clear,
    /// Connections are reset, new ones too.
    Resets,
    /// Connections are accepted and stay up; nothing comes through, ever.
    BlackHole,
    /// Nothing comes through for now; it does when the weather changes.
    Stall,
}

/// Interval at which a connection looks at the weather.
const LOOK: Duration = Duration::from_millis(10);

struct State {
    weather: AtomicU8,
    over: AtomicBool,
    upstream: Mutex<SocketAddr>,
}

impl State {
    fn is(&self, weather: Weather) -> bool {
        self.weather.load(Ordering::Acquire) == weather as u8
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }
}

/// A running proxy, which ends with its connections when it is dropped.
pub struct Proxy {
    state: Arc<State>,
    address: SocketAddr,
}

impl Proxy {
    /// Starts a proxy to `upstream` on a free port of the loopback interface.
    #[must_use]
    pub fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket option");
        let address = listener.local_addr().expect("an address");
        let weather = AtomicU8::new(Weather::Clear as u8);
        let state = Arc::new(State { weather, over: AtomicBool::new(false), upstream: Mutex::new(upstream) });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            while !shared.is_over() {
                match listener.accept() {
                    Ok((device, _)) => connect(&shared, device),
                    Err(_) => std::thread::sleep(LOOK),
                }
            }
        });
        Self { state, address }
    }

    /// Returns the address that the proxy listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the weather, for connections that are up too.
    pub fn set(&self, weather: Weather) {
        self.state.weather.store(weather as u8, Ordering::Release);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::Release);
    }
}

/// Connects a device to the server, unless connections are reset.
fn connect(state: &Arc<State>, device: TcpStream) {
    if state.is(Weather::Resets) {
        return;
    }
    let upstream = *state.upstream.lock().expect("no panic");
    let Ok(server) = TcpStream::connect(upstream) else { return };
    for (from, to) in [(&device, &server), (&server, &device)] {
        let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { return };
        let state = Arc::clone(state);
        std::thread::spawn(move || pump(&state, from, to));
    }
}

/// Moves the bytes of one direction of a connection, as the weather allows.
fn pump(state: &State, mut from: TcpStream, mut to: TcpStream) {
    from.set_nonblocking(false).and_then(|()| from.set_read_timeout(Some(LOOK))).expect("a socket option");
    let mut buffer = [0; 4096];
    // A connection that lost something can never work again.
    let mut lost = false;
    while !state.is_over() && !state.is(Weather::Resets) {
        if state.is(Weather::Stall) {
            std::thread::sleep(LOOK);
            continue;
        }
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(_) if lost || state.is(Weather::BlackHole) => lost = true,
            Ok(n) => {
                while state.is(Weather::Stall) && !state.is_over() {
                    std::thread::sleep(LOOK);
                }
                if to.write_all(&buffer[..n]).is_err() {
                    break;
                }
            }
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    for stream in [&from, &to] {
        // The connection may be closed already.
        let _ = stream.shutdown(Shutdown::Both);
    }
}
