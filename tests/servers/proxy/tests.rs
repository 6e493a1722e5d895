//! Each fault can be seen, and nothing else goes wrong.

use super::{Faults, Proxy};
use crate::until;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const MOMENT: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that sends back each line it gets and remembers them.
fn echo() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let all = Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, all) = (stream.unwrap(), Arc::clone(&all));
            std::thread::spawn(move || {
                for line in BufReader::new(&stream).lines() {
                    let Ok(line) = line else { return };
                    all.lock().unwrap().push(line.clone());
                    if (&stream).write_all(format!("{line}\n").as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (port, heard)
}

/// A server that answers each request with an index, as Consul does, and counts the requests.
fn index() -> (u16, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked: Arc<Mutex<usize>> = Arc::default();
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, count) = (stream.unwrap(), Arc::clone(&count));
            std::thread::spawn(move || {
                let mut reader = BufReader::new(&stream);
                while let Ok(Some(request)) = super::message::request(&mut reader) {
                    *count.lock().unwrap() += 1;
                    assert!(request.ends_with(b"body") || request.starts_with(b"GET"));
                    let answer = b"HTTP/1.1 200 OK\r\nX-Consul-Index: 100\r\nContent-Length: 2\r\n\r\nhi";
                    if (&stream).write_all(answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (port, asked)
}

/// A client with a connection.
struct Client(BufReader<TcpStream>);

impl Client {
    fn new(proxy: &Proxy) -> Client {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client(BufReader::new(stream))
    }

    fn say(&mut self, line: &str) {
        // The connection may be cut; then nothing is heard.
        let _cut = self.0.get_mut().write_all(format!("{line}\n").as_bytes());
    }

    /// Gives a line, `None` at the end.
    fn hear(&mut self) -> Option<String> {
        let mut line = String::new();
        let length = self.0.read_line(&mut line).unwrap_or(0);
        (length > 0).then(|| line.trim_end().to_owned())
    }

    fn hears_nothing(&mut self) -> bool {
        self.0.get_mut().set_read_timeout(Some(MOMENT)).unwrap();
        let error = self.0.fill_buf().map(<[u8]>::len).map_err(|error| error.kind());
        self.0.get_mut().set_read_timeout(Some(PATIENCE)).unwrap();
        error == Err(std::io::ErrorKind::WouldBlock)
    }

    /// Sends a request and gives status and index of the answer.
    fn ask(&mut self, line: &str) -> Option<(u16, Option<u64>)> {
        let body = if line.starts_with("GET") { "" } else { "body" };
        let length = body.len();
        let request = format!("{line} HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n{body}");
        self.0.get_mut().write_all(request.as_bytes()).ok()?;
        let status = self.hear()?.split(' ').nth(1)?.parse().ok()?;
        let (mut index, mut length) = (None, 0);
        loop {
            let field = self.hear()?;
            let Some((name, value)) = field.split_once(": ") else { break };
            match name {
                "X-Consul-Index" => index = value.parse().ok(),
                "Content-Length" => length = value.parse().ok()?,
                _ => {}
            }
        }
        self.0.read_exact(&mut vec![0; length]).ok()?;
        Some((status, index))
    }
}

#[test]
fn without_a_fault_nothing_changes() {
    let (port, heard) = echo();
    let proxy = Proxy::bytes(port, 1);
    let mut client = Client::new(&proxy);
    let long = "x".repeat(200_000);
    for line in ["one", &long, "three"] {
        client.say(line);
        assert_eq!(client.hear().as_deref(), Some(line));
    }
    client.0.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.hear(), None, "the end is passed on, there and back");
    assert_eq!(heard.lock().unwrap().len(), 3);
}

#[test]
fn it_is_slow() {
    let (port, _) = echo();
    let proxy = Proxy::bytes(port, 1);
    let mut client = Client::new(&proxy);
    let mut takes = |faults: Faults, line: &str| {
        proxy.set(faults);
        let started = Instant::now();
        client.say(line);
        assert_eq!(client.hear().as_deref(), Some(line));
        started.elapsed()
    };
    let delay = Duration::from_millis(150);
    assert!(takes(Faults { delay, ..Faults::default() }, "a") >= 2 * delay);
    let jitter = Duration::from_millis(100);
    let mut drawn = || takes(Faults { jitter, ..Faults::default() }, "a");
    let drawn: Vec<Duration> = (0..6).map(|_| drawn()).collect();
    let (least, most) = (drawn.iter().min().unwrap(), drawn.iter().max().unwrap());
    assert!(*most > *least + Duration::from_millis(10), "{drawn:?}");
    let bandwidth = Some(10_000);
    assert!(takes(Faults { bandwidth, ..Faults::default() }, &"x".repeat(4000)) >= 2 * MOMENT);
}

#[test]
fn a_connection_is_cut_where_the_seed_says() {
    let (port, _) = echo();
    let cuts = |seed: u64| -> Vec<usize> {
        let proxy = Proxy::bytes(port, seed);
        proxy.set(Faults { cut_after: Some(2000), ..Faults::default() });
        let one = || {
            let mut client = Client::new(&proxy);
            (0..200)
                .take_while(|_| {
                    client.say("123456789");
                    client.hear().is_some_and(|line| line == "123456789")
                })
                .count()
        };
        (0..6).map(|_| one()).collect()
    };
    let first = cuts(7);
    assert_eq!(cuts(7), first, "the same seed does the same");
    assert_ne!(cuts(8), first);
    assert!(first.iter().all(|lines| *lines <= 100), "{first:?}");
}

#[test]
fn it_refuses_and_takes_again() {
    let (port, _) = echo();
    let proxy = Proxy::bytes(port, 1);
    let mut client = Client::new(&proxy);
    client.say("a");
    assert!(client.hear().is_some());
    proxy.set(Faults { refused: true, ..Faults::default() });
    assert_eq!(client.hear(), None, "what was there is cut");
    let mut client = Client::new(&proxy);
    client.say("b");
    assert_eq!(client.hear(), None, "and there is nothing new");
    proxy.set(Faults::default());
    let mut client = Client::new(&proxy);
    client.say("c");
    assert_eq!(client.hear().as_deref(), Some("c"));
}

#[test]
fn it_is_silent_and_then_all_comes() {
    let (port, heard) = echo();
    let proxy = Proxy::bytes(port, 1);
    let mut old = Client::new(&proxy);
    old.say("a");
    assert!(old.hear().is_some());
    proxy.set(Faults { silent: true, ..Faults::default() });
    let mut new = Client::new(&proxy);
    old.say("b");
    new.say("c");
    assert!(old.hears_nothing() && new.hears_nothing());
    assert_eq!(*heard.lock().unwrap(), ["a"]);
    proxy.set(Faults::default());
    assert_eq!((old.hear().as_deref(), new.hear().as_deref()), (Some("b"), Some("c")));
}

#[test]
fn a_request_is_kept_and_comes_later_without_its_client() {
    let (port, heard) = echo();
    let proxy = Proxy::bytes(port, 1);
    proxy.set(Faults { held: true, ..Faults::default() });
    let mut client = Client::new(&proxy);
    client.say("late");
    assert!(client.hears_nothing());
    assert_eq!(proxy.kept(), 1);
    drop(client);
    assert_eq!(*heard.lock().unwrap(), [""; 0]);
    proxy.set(Faults::default());
    until("it comes", PATIENCE, || (*heard.lock().unwrap() == ["late"]).then_some(()));
    assert_eq!(proxy.kept(), 0);
}

#[test]
fn an_answer_is_lost_and_what_was_asked_is_done() {
    let (port, heard) = echo();
    let proxy = Proxy::bytes(port, 1);
    proxy.set(Faults { unanswered: true, ..Faults::default() });
    let mut client = Client::new(&proxy);
    client.say("done");
    until("it is done", PATIENCE, || (*heard.lock().unwrap() == ["done"]).then_some(()));
    assert!(client.hears_nothing());
    proxy.set(Faults::default());
    assert_eq!(client.hear(), None, "such a connection does not come back");
}

#[test]
fn statuses_hit_some_requests_and_the_seed_says_which() {
    let (port, asked) = index();
    let statuses = |seed: u64| -> Vec<u16> {
        let proxy = Proxy::http(port, seed);
        proxy.set(Faults { status: Some(500), of_thousand: Some(400), ..Faults::default() });
        let mut client = Client::new(&proxy);
        (0..40).map(|_| client.ask("PUT /v1/txn").unwrap().0).collect()
    };
    let first = statuses(3);
    let refused = first.iter().filter(|status| **status == 500).count();
    assert!((5..35).contains(&refused), "{first:?}");
    assert_eq!(*asked.lock().unwrap(), 40 - refused, "what is refused does not pass");
    assert_eq!(statuses(3), first, "the same seed does the same");
    assert_ne!(statuses(4), first);
}

#[test]
fn only_what_is_meant_is_hit() {
    let (port, asked) = index();
    let proxy = Proxy::http(port, 1);
    proxy.set(Faults { status: Some(429), only: "PUT /v1/txn", ..Faults::default() });
    let mut client = Client::new(&proxy);
    assert_eq!(client.ask("GET /v1/kv/a"), Some((200, Some(100))));
    assert_eq!(client.ask("PUT /v1/txn"), Some((429, None)));
    proxy.set(Faults { held: true, only: "PUT /v1/txn", ..Faults::default() });
    let late = std::thread::spawn(move || client.ask("PUT /v1/txn"));
    until("it is kept", PATIENCE, || (proxy.kept() == 1).then_some(()));
    assert_eq!(Client::new(&proxy).ask("PUT /v1/session/renew/s"), Some((200, Some(100))));
    assert_eq!(*asked.lock().unwrap(), 2);
    proxy.set(Faults::default());
    assert_eq!(late.join().unwrap(), Some((200, Some(100))));
}

#[test]
fn the_index_goes_back() {
    let (port, _) = index();
    let proxy = Proxy::http(port, 1);
    let mut client = Client::new(&proxy);
    assert_eq!(client.ask("GET /v1/kv/a"), Some((200, Some(100))));
    proxy.set(Faults { rewound: 30, ..Faults::default() });
    assert_eq!(client.ask("GET /v1/kv/a"), Some((200, Some(70))));
    proxy.set(Faults::default());
    assert_eq!(client.ask("GET /v1/kv/a"), Some((200, Some(100))));
}
