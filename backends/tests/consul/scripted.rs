//! Answers that a real Consul gives rarely or late, played by a script.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use callboard_backends::{Consul, Store, StoreError, WatchEvent};
use callboard_core::store::{Change, Outcome, Revision};

use super::{at, create, open};

/// What the script answers a question.
enum Answer {
    /// Status, `X-Consul-Index` and body.
    Http(u16, Option<u64>, &'static str),
    /// The connection is cut.
    Cut,
    /// Nothing, for ever.
    Nothing,
}

use Answer::{Cut, Http, Nothing};

/// Serves a script on a port of its own: a function of the question (`GET /v1/kv/a/?recurse=…`). Sessions come by
/// themselves, at index 150.
fn play(script: impl Fn(&str) -> Answer + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let script = Arc::new(script);
    thread::spawn(move || {
        for connection in listener.incoming() {
            let (connection, script) = (connection.expect("a connection"), Arc::clone(&script));
            thread::spawn(move || serve(connection, &*script));
        }
    });
    at(port)
}

fn serve(connection: TcpStream, script: &dyn Fn(&str) -> Answer) -> Option<()> {
    let mut reader = BufReader::new(connection);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_lowercase());
    }
    let length = lines.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    reader.read_exact(&mut vec![0; length.unwrap_or(0)]).ok()?;
    let question = lines.first()?.to_uppercase();
    let answer = if question.contains("/SESSION/CREATE") {
        Http(200, None, r#"{"ID":"00000000-0000-4000-8000-000000000000"}"#)
    } else if question.contains("/SESSION/INFO") {
        Http(200, Some(150), r#"[{"CreateIndex":150}]"#)
    } else if question.contains("/SESSION/") {
        Http(200, None, "true")
    } else {
        script(&lines[0])
    };
    match answer {
        Http(status, index, body) => {
            let index = index.map(|index| format!("X-Consul-Index: {index}\r\n")).unwrap_or_default();
            let length = body.len();
            let text = format!(
                "HTTP/1.1 {status} As Told\r\nConnection: close\r\nContent-Length: {length}\r\n{index}\r\n{body}"
            );
            reader.get_mut().write_all(text.as_bytes()).ok()
        }
        Cut => None,
        Nothing => {
            thread::sleep(Duration::from_secs(60));
            None
        }
    }
}

fn client(script: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Consul {
    open([play(script)])
}

/// A quarter of an hour after the newest key was deleted, Consul forgets that it was, and the index goes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_consul_forgets_is_no_restore() {
    const A: &str = r#"[{"Key":"p/a","Value":"MQ==","ModifyIndex":100}]"#;
    const NEXT: &str = r#"[{"Key":"p/a","Value":"Mg==","ModifyIndex":190}]"#;
    let forgotten = Arc::new(AtomicUsize::new(0));
    let progress = Arc::clone(&forgotten);
    let store = client(move |question| {
        let waits = question.contains("index=");
        match (progress.load(Ordering::SeqCst), waits) {
            (0, false) => Http(200, Some(170), A),
            (1, _) => Http(200, Some(100), A),
            (2, true) => Http(200, Some(190), NEXT),
            _ => Nothing,
        }
    });
    let listing = store.list("p/").await.expect("a listing");
    assert_eq!(listing.revision, Revision(170));
    let mut watch = store.watch("p/", listing.revision).await.expect("a watch");
    forgotten.store(1, Ordering::SeqCst);
    let event = watch.next().await;
    let WatchEvent::Changed { revision, changes } = event else { panic!("{event:?}") };
    assert!(
        revision >= listing.revision && changes.is_empty(),
        "a sign of life: {changes:?} at {revision:?}"
    );
    let again = store.list("p/").await.expect("a listing");
    assert!(again.revision >= listing.revision, "{:?}", again.revision);
    assert_eq!(again.entries, listing.entries);
    forgotten.store(2, Ordering::SeqCst);
    let event = watch.next().await;
    let WatchEvent::Changed { revision, changes } = event else { panic!("{event:?}") };
    assert!(matches!(&changes[..], [Change::Put(entry)] if entry.value == "2"));
    assert_eq!(revision, Revision(190));
}

/// So it was seen: the question that waits is answered with the old index, and what is there now comes only when asked
/// for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_waits_is_answered_with_the_past_after_a_restore() {
    const BEFORE: &str = r#"[{"Key":"p/a","ModifyIndex":100},{"Key":"p/b","ModifyIndex":555}]"#;
    const AFTER: &str = r#"[{"Key":"p/a","ModifyIndex":100}]"#;
    let listed = AtomicUsize::new(0);
    let store = client(move |question| {
        if question.contains("index=") {
            return Http(200, Some(555), BEFORE);
        }
        match listed.fetch_add(1, Ordering::SeqCst) {
            0 => Http(200, Some(555), BEFORE),
            _ => Http(200, Some(100), AFTER),
        }
    });
    let listing = store.list("p/").await.expect("a listing");
    let mut watch = store.watch("p/", listing.revision).await.expect("a watch");
    let began = Instant::now();
    let event = watch.next().await;
    assert!(matches!(&event, WatchEvent::Ended(why) if why.contains("went back")), "{event:?}");
    assert!(began.elapsed() < Duration::from_secs(2), "it asks at once");
    assert!(store.list("p/").await.expect("a listing").revision < listing.revision);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_consul_is_not_an_empty_store() {
    let refused = async |status, index, body| {
        let store = client(move |_| Http(status, index, body));
        let listed = store.list("p/").await;
        assert!(matches!(&listed, Err(StoreError::Refused(_))), "{status} {body}: {listed:?}");
    };
    refused(404, None, "404 page not found").await;
    refused(200, None, "[]").await;
    refused(200, Some(7), "<html></html>").await;
    refused(200, Some(7), r#"[{"Key":"p/a","Value":"no base64","ModifyIndex":7}]"#).await;
    refused(301, Some(7), "").await;
    let empty = client(|_| Http(404, Some(0), ""));
    assert_eq!(empty.list("p/").await.expect("Consul says so").revision, Revision(150));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_may_be_said_twice_is() {
    const EMPTY: &str = "[]";
    let asked = Arc::new(Mutex::new(Vec::new()));
    let two = |first: fn() -> Answer| {
        let log = Arc::clone(&asked);
        log.lock().expect("a log").clear();
        let second = Arc::clone(&asked);
        open([
            play(move |question| {
                log.lock().expect("a log").push((1, question.to_string()));
                first()
            }),
            play(move |question| {
                second.lock().expect("a log").push((2, question.to_string()));
                let written = r#"{"Results":[{"KV":{"Key":"a","ModifyIndex":160}}],"Errors":null}"#;
                if question.contains("/txn") { Http(200, None, written) } else { Http(200, Some(155), EMPTY) }
            }),
        ])
    };
    let troubles: [fn() -> Answer; 3] =
        [|| Http(429, None, "too many"), || Http(500, None, "No cluster leader"), || Cut];
    for trouble in troubles {
        let store = two(trouble);
        assert_eq!(store.list("p/").await.expect("a listing").revision, Revision(155));
        assert_eq!(asked.lock().expect("a log").iter().map(|(from, _)| *from).collect::<Vec<_>>(), [1, 2]);
    }
    for trouble in troubles {
        let store = two(trouble);
        let outcome = store.commit(create("a", None)).await;
        assert!(!matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
        assert_eq!(asked.lock().expect("a log").len(), 1, "a write was sent twice");
    }
    let store = two(|| Nothing);
    let began = Instant::now();
    let outcome = store.commit(create("a", None)).await;
    assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(4) && took < Duration::from_secs(8), "{took:?}");
    // The next one goes elsewhere.
    assert_eq!(store.commit(create("a", None)).await, Outcome::Committed(Revision(160)));
}
