//! A proxy between a client and its server that makes of the network between them what a test wants: slow, silent, cut,
//! deaf in one direction, or full of errors, switched while it runs.
//!
//! What is left to chance is drawn from a seed, with a stream for each connection and direction, so that a seed means
//! the same as far as TCP does.
//!
//! **Invariant:** without a fault it changes nothing: each byte is passed on, and so is the end of either direction.

mod chance;
mod line;
mod message;

use line::Line;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// What goes wrong. By default nothing does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// How long everything takes in each direction.
    pub delay: Duration,
    /// How much longer than that at most, drawn.
    pub jitter: Duration,
    /// How many bytes a second pass in each direction, if that is limited.
    pub bandwidth: Option<u32>,
    /// A connection is cut after at most so many bytes, drawn.
    pub cut_after: Option<u32>,
    /// Connections are cut, and new ones are ended at once.
    pub refused: bool,
    /// Connections are taken and nothing passes in either direction; it does once this is over.
    pub silent: bool,
    /// Requests are kept back; they go on once this is over, also when their clients have given up.
    pub held: bool,
    /// Requests pass and their answers never come.
    pub unanswered: bool,
    /// Requests do not pass and are answered with this status. Needs [`Proxy::http`].
    pub status: Option<u16>,
    /// Consul's index is told lower by so much. Needs [`Proxy::http`].
    pub rewound: u64,
    /// Of a thousand requests so many are unanswered or get the status, drawn; `None` for all.
    pub of_thousand: Option<u32>,
    /// What a request line must begin with for the request to be held, unanswered or to get the status, such as
    /// `PUT /v1/txn`. Needs [`Proxy::http`].
    pub only: &'static str,
}

/// How the two sides speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speech {
    /// In HTTP 1 with one request at a time: faults hit requests.
    Http,
    /// In whatever way: faults hit bytes as they come.
    Bytes,
}

/// What a proxy and its connections share.
#[derive(Debug)]
struct Network {
    speech: Speech,
    seed: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    faults: Faults,
    /// How many requests are kept back now.
    kept: usize,
    is_over: bool,
    lines: Vec<Weak<Line>>,
}

impl Network {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something may pass, and gives the faults of that moment. Tells whether it had to wait.
    fn pass(&self, is_kept: impl Fn(&Faults) -> bool) -> (Faults, bool) {
        let mut state = self.state();
        if state.is_over || !is_kept(&state.faults) {
            return (state.faults.clone(), false);
        }
        state.kept += 1;
        while !state.is_over && is_kept(&state.faults) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.kept -= 1;
        (state.faults.clone(), true)
    }
}

/// The proxy: whoever connects to its port is connected to the server.
#[derive(Debug)]
pub struct Proxy {
    network: Arc<Network>,
    port: u16,
}

impl Proxy {
    /// Starts a proxy in front of a port of this machine that speaks HTTP 1, such as Consul's.
    ///
    /// # Panics
    /// No port is free.
    #[must_use]
    pub fn http(target: u16, seed: u64) -> Proxy {
        Proxy::start(Speech::Http, target, seed)
    }

    /// Starts a proxy in front of a port of this machine, such as etcd's.
    ///
    /// # Panics
    /// No port is free.
    #[must_use]
    pub fn bytes(target: u16, seed: u64) -> Proxy {
        Proxy::start(Speech::Bytes, target, seed)
    }

    fn start(speech: Speech, target: u16, seed: u64) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let port = listener.local_addr().expect("a listener has an address").port();
        let state = Mutex::new(State::default());
        let network = Arc::new(Network { speech, seed, state, changed: Condvar::new() });
        let shared = Arc::clone(&network);
        std::thread::spawn(move || accept(&listener, target, &shared));
        Proxy { network, port }
    }

    /// Gives the port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes what goes wrong, for connections that are there and for new ones.
    ///
    /// # Panics
    /// The faults need to know requests and the proxy does not.
    pub fn set(&self, faults: Faults) {
        let needs_requests = faults.status.is_some() || faults.rewound > 0 || !faults.only.is_empty();
        assert!(self.network.speech == Speech::Http || !needs_requests, "not without HTTP: {faults:?}");
        let mut state = self.network.state();
        state.lines.retain(|line| line.strong_count() > 0);
        for line in state.lines.iter().filter_map(Weak::upgrade) {
            if faults.refused || line.is_mute() {
                line.cut();
            }
        }
        state.faults = faults;
        self.network.changed.notify_all();
    }

    /// Tells how many requests, or ends of a silent connection, are kept back now.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.network.state().kept
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut state = self.network.state();
        state.is_over = true;
        state.lines.iter().filter_map(Weak::upgrade).for_each(|line| line.cut());
        self.network.changed.notify_all();
        drop(state);
        // Wakes who accepts; it sees that it is over.
        let _woken = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// Takes connections until the proxy ends.
fn accept(listener: &TcpListener, target: u16, network: &Arc<Network>) {
    let target = SocketAddr::from((Ipv4Addr::LOCALHOST, target));
    for number in 0.. {
        let Ok((client, _)) = listener.accept() else { return };
        if network.state().is_over {
            return;
        }
        // Whoever is refused, and whose server does not listen, sees the connection end.
        let is_refused = network.state().faults.refused;
        let server = (!is_refused).then(|| TcpStream::connect_timeout(&target, Duration::from_secs(2)));
        let Some(Ok(server)) = server else {
            let _gone = client.shutdown(Shutdown::Both);
            continue;
        };
        Line::start(network, number, client, server);
    }
}

#[cfg(test)]
mod tests;
