//! Applies the modelled link in real time: a TCP proxy on loopback that holds back what it carries as a [`Channel`]
//! says.
//!
//! Every chunk that is read becomes a message of the same model that virtual time uses, and is written when that model
//! says it has arrived. So a device, TLS, HTTP/2 and a server that do not know of the proxy meet the modelled link;
//! that both ways of applying it agree is tested in `tests/tests/virtual_time.rs`. Making a connection is not delayed.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::channel::{Channel, Direction, Link, Place};

/// Time after which a waiting thread looks again whether the proxy has ended.
const LOOK: Duration = Duration::from_millis(20);
/// Length of the longest piece that is carried as one message, in bytes.
const CHUNK: usize = 16 << 10;

/// A running proxy; when it is dropped, it ends with its connections.
#[derive(Debug)]
pub struct Shaper {
    over: Arc<AtomicBool>,
    address: SocketAddr,
}

struct Shared {
    over: Arc<AtomicBool>,
    upstream: SocketAddr,
    channel: Channel,
    seed: u64,
    began: Instant,
}

impl Shaper {
    /// Listens on a free port of the loopback interface.
    ///
    /// # Errors
    /// An error of the system if it gives no port.
    pub fn start(upstream: SocketAddr, channel: Channel, seed: u64) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let over = Arc::new(AtomicBool::new(false));
        let shared = Arc::new(Shared { over: Arc::clone(&over), upstream, channel, seed, began: Instant::now() });
        std::thread::Builder::new().name("uhlm-shaper".into()).spawn(move || accept(&listener, &shared))?;
        Ok(Self { over, address })
    }

    /// Returns the address at which the proxy listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Shaper {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut connections = 0;
    while !shared.over.load(Ordering::Acquire) {
        match listener.accept() {
            Ok((device, _)) => {
                connections += 1;
                // A connection that cannot be carried is dropped, as a network would drop it.
                let _ = connect(shared, &device, connections);
            }
            Err(_) => std::thread::sleep(LOOK),
        }
    }
}

fn connect(shared: &Arc<Shared>, device: &TcpStream, connection: u64) -> std::io::Result<()> {
    let server = TcpStream::connect(shared.upstream)?;
    let link = Arc::new(Mutex::new(shared.channel.open(shared.seed)));
    for stream in [device, &server] {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LOOK))?;
    }
    for (direction, from, to) in [(Direction::Up, device, &server), (Direction::Down, &server, device)] {
        let (from, to, link, shared) = (from.try_clone()?, to.try_clone()?, Arc::clone(&link), Arc::clone(shared));
        let (sender, due) = channel();
        std::thread::Builder::new().name("uhlm-shaper-in".into()).spawn(move || {
            take(&shared, direction, connection, &link, from, &sender);
        })?;
        std::thread::Builder::new().name("uhlm-shaper-out".into()).spawn(move || deliver(&due, to))?;
    }
    Ok(())
}

/// Reads pieces and decides when each of them arrives.
fn take(
    shared: &Shared,
    direction: Direction,
    connection: u64,
    link: &Mutex<Link>,
    mut from: TcpStream,
    sender: &Sender<(Instant, Vec<u8>)>,
) {
    let mut buffer = vec![0; CHUNK];
    let mut piece = 0;
    while !shared.over.load(Ordering::Acquire) {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                piece += 1;
                let place = Place { prompt: connection, token: piece };
                let mut link = link.lock().unwrap_or_else(PoisonError::into_inner);
                let arrival = link.arrival(direction, shared.began.elapsed(), n as u64, place);
                drop(link);
                if sender.send((shared.began + arrival, buffer[..n].to_vec())).is_err() {
                    break;
                }
            }
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
}

/// Writes each piece when it is due; ends the connection when nothing more will come.
fn deliver(due: &Receiver<(Instant, Vec<u8>)>, mut to: TcpStream) {
    for (at, piece) in due {
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        if to.write_all(&piece).is_err() {
            break;
        }
    }
    // The other side may have closed it already.
    let _ = to.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::PacketChannel;

    #[test]
    fn what_goes_there_and_back_takes_at_least_the_round_trip_and_comes_out_whole() {
        let echo = TcpListener::bind("127.0.0.1:0").expect("a port");
        let upstream = echo.local_addr().expect("an address");
        std::thread::spawn(move || {
            let (mut stream, _) = echo.accept().expect("a connection");
            let mut buffer = [0; 512];
            while let Ok(n @ 1..) = stream.read(&mut buffer) {
                stream.write_all(&buffer[..n]).expect("written");
            }
        });
        let shaper = Shaper::start(upstream, Channel::Packet(PacketChannel::steady(80.0)), 1).expect("a port");
        let mut stream = TcpStream::connect(shaper.address()).expect("a connection");
        for round in 0..3u8 {
            let (began, sent) = (Instant::now(), [round; 200]);
            stream.write_all(&sent).expect("written");
            let mut back = [0; 200];
            stream.read_exact(&mut back).expect("an echo");
            assert_eq!(back, sent);
            assert!(began.elapsed() >= Duration::from_millis(80));
        }
    }
}
