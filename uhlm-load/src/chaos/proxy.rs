//! The network between phones and server: it cuts, stalls, corrupts and throttles what passes, as the weather says.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::{Duration, sleep};
use uhlm_law::rng::{Rng, Stream};

use super::loopback::listen;
use crate::error::LoadTestError;

/// The way in which bytes pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// All pass.
    Clear,
    /// Connections are closed, new ones too.
    Cut,
    /// None pass until the weather changes.
    Stall,
    /// One bit in each piece is another one.
    Corrupt,
    /// A few pass at a time.
    Throttle,
}

impl Weather {
    /// All kinds, in the order in which they are counted.
    pub(crate) const ALL: [Self; 5] = [Self::Clear, Self::Cut, Self::Stall, Self::Corrupt, Self::Throttle];
}

/// Number of bytes that pass at once while they are throttled, and the pause after them.
const DROP_OF: usize = 48;
const PAUSE: Duration = Duration::from_millis(15);

/// A proxy on a free port of loopback, which ends with its connections when it is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    /// Its threads and connections end with it.
    _runtime: Runtime,
}

impl Proxy {
    /// Starts a proxy to `upstream`. Which bits are corrupted follows from `seed`.
    pub(crate) fn start(upstream: SocketAddr, seed: u64) -> Result<Self, LoadTestError> {
        let (runtime, listener, address) = listen("uhlm-weather")?;
        let (weather, seen) = watch::channel(Weather::Clear);
        runtime.spawn(async move {
            for number in 0.. {
                // A process without descriptors gets none here either; the next attempt may.
                let Ok((phone, _)) = listener.accept().await else {
                    sleep(PAUSE).await;
                    continue;
                };
                let (seen, rng) = (seen.clone(), Rng::at(seed, Stream::Simulation, number));
                tokio::spawn(connect(phone, upstream, seen, rng));
            }
        });
        Ok(Self { address, weather, _runtime: runtime })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the weather, for connections that are up too.
    pub(crate) fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

async fn connect(phone: TcpStream, upstream: SocketAddr, weather: watch::Receiver<Weather>, mut rng: Rng) {
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    // What is lost is lost at once, as on a radio link: no delay on either side adds to the weather's.
    let _ = (phone.set_nodelay(true), server.set_nodelay(true));
    let other = Rng::new(rng.next_u64(), Stream::Simulation);
    let ((from_phone, to_phone), (from_server, to_server)) = (phone.into_split(), server.into_split());
    tokio::select! {
        () = pump(from_phone, to_server, weather.clone(), rng) => {}
        () = pump(from_server, to_phone, weather, other) => {}
    }
}

/// Moves the bytes of one direction, as the weather allows, until one side or the weather ends it.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut weather: watch::Receiver<Weather>, mut rng: Rng) {
    let mut buffer = vec![0; 4096];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            cut = weather.wait_for(|now| *now == Weather::Cut) => {
                drop(cut);
                return;
            }
        };
        let Ok(count @ 1..) = read else { return };
        let piece = &mut buffer[..count];
        if weather.wait_for(|now| *now != Weather::Stall).await.is_err() {
            return;
        }
        let now = *weather.borrow();
        let sent = match now {
            Weather::Cut => return,
            Weather::Corrupt => {
                let bit = rng.next_u64() as usize % (8 * count);
                piece[bit / 8] ^= 1 << (bit % 8);
                to.write_all(piece).await
            }
            Weather::Throttle => drip(&mut to, piece).await,
            Weather::Clear | Weather::Stall => to.write_all(piece).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn drip(to: &mut OwnedWriteHalf, piece: &[u8]) -> std::io::Result<()> {
    for part in piece.chunks(DROP_OF) {
        to.write_all(part).await?;
        sleep(PAUSE).await;
    }
    Ok(())
}
