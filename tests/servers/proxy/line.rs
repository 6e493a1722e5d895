//! One connection through the proxy: two directions, each on a thread of its own.

use super::chance::Chance;
use super::{Faults, Network, Speech, message};
use std::io::{BufReader, Read, Result, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

/// How much passes at once.
const PIECE: usize = 16 * 1024;
/// How much later the end of a direction is told when what came before it was kept back, so that the server reads a
/// request before it sees that its client has gone.
const LINGER: Duration = Duration::from_millis(500);

/// A connection of a client and the one of the proxy to the server.
#[derive(Debug)]
pub(super) struct Line {
    client: TcpStream,
    server: TcpStream,
    /// Answers are swallowed from now on.
    is_mute: AtomicBool,
    /// What comes from the server next is the head of an answer.
    is_due: AtomicBool,
    /// Bytes that have passed in both directions.
    passed: AtomicU64,
    /// How early the connection is cut where it is: in 65,536ths of what is allowed at most.
    portion: u32,
}

impl Line {
    /// Connects the two until both have ended.
    pub(super) fn start(network: &Arc<Network>, number: u64, client: TcpStream, server: TcpStream) {
        let chance = |stream: u64| Chance::new(network.seed, 2 * number + stream);
        let (mut there, back) = (chance(0), chance(1));
        // Small messages are not waited with, so that nothing is slower than told.
        let _slower = client.set_nodelay(true).and_then(|()| server.set_nodelay(true));
        let line = Arc::new(Line {
            client,
            server,
            is_mute: AtomicBool::new(false),
            is_due: AtomicBool::new(false),
            passed: AtomicU64::new(0),
            portion: there.upto(65_535),
        });
        network.state().lines.push(Arc::downgrade(&line));
        let (network_back, line_back) = (Arc::clone(network), Arc::clone(&line));
        std::thread::spawn(move || {
            // However it ends, the other end hears of it.
            let _ended = line_back.carry_back(&network_back, back);
            let _gone = line_back.client.shutdown(Shutdown::Write);
        });
        let network = Arc::clone(network);
        std::thread::spawn(move || {
            let was_kept = line.carry_there(&network, there).unwrap_or(false);
            if was_kept {
                sleep(LINGER);
            }
            let _gone = line.server.shutdown(Shutdown::Write);
        });
    }

    pub(super) fn is_mute(&self) -> bool {
        self.is_mute.load(Ordering::SeqCst)
    }

    /// Ends the connection in both directions.
    pub(super) fn cut(&self) {
        // Gone already is as good.
        let _gone = self.client.shutdown(Shutdown::Both);
        let _gone = self.server.shutdown(Shutdown::Both);
    }

    /// Carries requests until the client ends. Tells whether the last one was kept back.
    fn carry_there(&self, network: &Network, mut chance: Chance) -> Result<bool> {
        let mut from = BufReader::with_capacity(PIECE, &self.client);
        let mut was_kept = false;
        loop {
            let request = match network.speech {
                Speech::Http => message::request(&mut from)?,
                Speech::Bytes => piece(&mut from)?,
            };
            let Some(request) = request else { return Ok(was_kept) };
            let is_meant = |faults: &Faults| request.starts_with(faults.only.as_bytes());
            let (faults, kept) = network.pass(|faults| faults.silent || (faults.held && is_meant(faults)));
            was_kept = kept;
            let is_hit = (faults.unanswered || faults.status.is_some())
                && is_meant(&faults)
                && chance.happens(faults.of_thousand);
            match faults.status {
                Some(status) if is_hit => {
                    self.send(&self.client, &message::answer(status), &faults, &mut chance)?;
                    continue;
                }
                Some(_) | None => {}
            }
            if is_hit {
                self.is_mute.store(true, Ordering::SeqCst);
            }
            self.is_due.store(true, Ordering::SeqCst);
            self.send(&self.server, &request, &faults, &mut chance)?;
        }
    }

    /// Carries answers until the server ends.
    fn carry_back(&self, network: &Network, mut chance: Chance) -> Result<()> {
        let mut from = &self.server;
        let mut head: Option<Vec<u8>> = None;
        while let Some(mut bytes) = piece(&mut from)? {
            let (faults, _) = network.pass(|faults| faults.silent);
            if self.is_mute() {
                continue;
            }
            if network.speech == Speech::Http {
                if self.is_due.swap(false, Ordering::SeqCst) {
                    head = Some(Vec::new());
                }
                if let Some(mut begun) = head.take() {
                    begun.append(&mut bytes);
                    let Some(end) = message::head_ends(&begun) else {
                        head = Some(begun);
                        continue;
                    };
                    bytes = message::rewind(&begun[..end], faults.rewound);
                    bytes.extend_from_slice(&begun[end..]);
                }
            }
            self.send(&self.client, &bytes, &faults, &mut chance)?;
        }
        Ok(())
    }

    /// Sends bytes as fast and as far as the faults let them.
    fn send(&self, mut to: &TcpStream, bytes: &[u8], faults: &Faults, chance: &mut Chance) -> Result<()> {
        sleep(faults.delay + chance.time(faults.jitter));
        if let Some(bandwidth) = faults.bandwidth {
            sleep(Duration::from_secs_f64(bytes.len() as f64 / f64::from(bandwidth.max(1))));
        }
        let passed = self.passed.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        if let Some(most) = faults.cut_after {
            let limit = 1 + ((u64::from(most) * u64::from(self.portion)) >> 16);
            let left = usize::try_from(limit.saturating_sub(passed)).unwrap_or(usize::MAX);
            if left <= bytes.len() {
                to.write_all(&bytes[..left])?;
                self.cut();
                return Ok(());
            }
        }
        to.write_all(bytes)
    }
}

/// Reads what there is; nothing at the end.
fn piece(from: &mut impl Read) -> Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; PIECE];
    let length = from.read(&mut bytes)?;
    bytes.truncate(length);
    Ok((length > 0).then_some(bytes))
}
