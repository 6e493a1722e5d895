//! Artifacts: what is fetched, and what never is.

use super::bench::{BashBench, Bench, GRACE, container, definition, spec_of, until, within};
use callboard_core::machine::Span;
use callboard_core::model::Bash as Settled;
use callboard_core::work::{Order, Report, Spec};
use callboard_executors::Performer;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::unbounded_channel;

const BODY: &str = "#!/bin/sh\necho fetched\n";
/// How much comes of what comes slowly.
const LARGE_MIB: usize = 3;

/// Serves the answer for each path, for as long as the test takes.
async fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let count = connection.read(&mut request).await.unwrap_or(0);
                let text = String::from_utf8_lossy(&request[..count]).to_string();
                let path = text.split_whitespace().nth(1).unwrap_or_default();
                let to = |place: &str| format!("302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n");
                let answer = match path {
                    "/app" => format!("200 OK\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len()),
                    "/endless" | "/drip" => "200 OK\r\n\r\n".to_string(),
                    "/short" => format!("200 OK\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len() + 1),
                    "/once" => to("/app"),
                    "/metadata" => to("http://169.254.169.254/latest"),
                    "/mapped" => to("http://[::ffff:169.254.169.254]/latest"),
                    "/number" => to("http://2852039166/latest"),
                    "/file" => to("file:///etc/passwd"),
                    "/loop" => to("/loop"),
                    "/large/app" => format!("200 OK\r\nContent-Length: {}\r\n\r\n", LARGE_MIB << 20),
                    "/slow" => "200 OK\r\nContent-Length: 9\r\n\r\nx".to_string(),
                    _ => "404 Not Found\r\nContent-Length: 0\r\n\r\n".to_string(),
                };
                let _ = connection.write_all(format!("HTTP/1.1 {answer}").as_bytes()).await;
                let pause = if path == "/drip" { Duration::from_millis(50) } else { Duration::ZERO };
                while let "/endless" | "/drip" = path {
                    if connection.write_all(b"x").await.is_err() {
                        break;
                    }
                    tokio::time::sleep(pause).await;
                }
                for _ in 0..if path == "/large/app" { LARGE_MIB * 2 } else { 0 } {
                    let _ = connection.write_all(&[0; 1 << 19]).await;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                if path == "/slow" {
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    port
}

fn sum() -> String {
    sum_of(BODY.as_bytes())
}

fn sum_of(body: &[u8]) -> String {
    let digest: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digest}")
}

fn fetching(url: String, checksum: Option<String>, download_dir: &str, start: &str) -> Arc<Spec> {
    let bash = Settled {
        start: vec![start.to_string()],
        artifact: Some(url),
        checksum,
        download_dir: Some(download_dir.to_string()),
        ..Settled::default()
    };
    spec_of(definition("app", vec![container("main", &["test -x bin/app"], bash)]))
}

#[tokio::test]
async fn a_good_one_is_there_before_setup() {
    let (bench, port) = (BashBench::plain().unwrap(), serve().await);
    for (attempt, path) in [(0, "app"), (1, "once")] {
        let url = format!("http://127.0.0.1:{port}/{path}");
        let spec = fetching(url, Some(sum()), "bin", "bin/app");
        let spec = super::cases::attempt_of(&spec, attempt);
        let started = bench.executor().start(&spec).await;
        if attempt == 1 {
            // Named after what was asked for, not after what it was redirected to.
            assert!(bench.place(&spec.run()).join("work/bin/once").exists(), "{started:?}");
            continue;
        }
        started.unwrap();
        assert_eq!(bench.executor().exited(&spec.run()).await.code, Some(0));
        assert_eq!(bench.executor().tail(&spec.run(), 100, None).await.unwrap(), b"fetched\n");
    }
}

/// Expects no file in the directory of a task, and nothing at all once it is removed.
pub(crate) async fn leaves_nothing(bench: &BashBench, spec: &Spec) {
    let place = bench.place(&spec.run());
    let mut directories = vec![place.join("work")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            assert!(entry.file_type().unwrap().is_dir(), "{} is left", entry.path().display());
            directories.push(entry.path());
        }
    }
    bench.executor().remove(&spec.run()).await.unwrap();
    assert!(!place.exists());
}

#[tokio::test]
async fn a_bad_one_is_refused_and_leaves_nothing() {
    let (port, local) = (serve().await, "http://127.0.0.1");
    let zeros = |kind: &str, count| Some(format!("{kind}:{}", "0".repeat(count)));
    let bench = BashBench::with(false, |settings| {
        settings.artifacts.bytes_max = 1000;
        (settings.artifacts.rate_min, settings.artifacts.rate_after) = (100, Span(500));
    });
    let bench = bench.unwrap();
    let cases = [
        (format!("{local}:{port}/app"), zeros("sha256", 64), "bin", "checksum"),
        (format!("{local}:{port}/app"), zeros("sha256", 63), "bin", "needs one"),
        (format!("{local}:{port}/app"), zeros("md5", 32), "bin", "needs one"),
        (format!("{local}:{port}/app"), None, "bin", "needs one"),
        (format!("{local}:{port}/app"), Some(sum()), "/usr/local/bin", "relative"),
        (format!("{local}:{port}/app"), Some(sum()), "../..", "relative"),
        (format!("{local}:{port}/missing"), Some(sum()), "bin", "404"),
        (format!("{local}:{port}/endless"), Some(sum()), "bin", "larger"),
        (format!("{local}:{port}/drip"), Some(sum()), "bin", "less than 100 bytes a second"),
        (format!("{local}:{port}/short"), Some(sum()), "bin", ""),
        (format!("{local}:{port}/metadata"), Some(sum()), "bin", "metadata"),
        (format!("{local}:{port}/mapped"), Some(sum()), "bin", "metadata"),
        (format!("{local}:{port}/number"), Some(sum()), "bin", "metadata"),
        (format!("{local}:{port}/file"), Some(sum()), "bin", "file"),
        (format!("{local}:{port}/loop"), Some(sum()), "bin", "redirects"),
        ("http://169.254.169.254/latest".to_string(), Some(sum()), "bin", "metadata"),
        (format!("http://user:word@127.0.0.1:{port}/app"), Some(sum()), "bin", "password"),
        ("file:///etc/passwd".to_string(), Some(sum()), "bin", "https"),
    ];
    for (attempt, (url, checksum, dir, why)) in (0..).zip(cases) {
        let spec = super::cases::attempt_of(&fetching(url, checksum, dir, "true"), attempt);
        let failure = within(10, why, bench.executor().start(&spec)).await.unwrap_err();
        assert!(failure.0.contains(why), "{why:?} is not in {failure}");
        assert!(!bench.place(&spec.run()).join("started").exists());
        leaves_nothing(&bench, &spec).await;
    }
}

#[tokio::test]
async fn what_one_leads_on_to_must_be_allowed_too() {
    let port = serve().await;
    let url = |path: &str| format!("http://127.0.0.1:{port}/{path}");
    for (allowed, comes) in [(vec!["once"], false), (vec!["once", "app"], true), (vec![""], true)] {
        let bench = BashBench::with(false, |settings| {
            settings.policy.artifacts = Some(allowed.iter().map(|path| url(path)).collect());
        });
        let (bench, spec) = (bench.unwrap(), fetching(url("once"), Some(sum()), "bin", "true"));
        // Where it comes, its setup looks for another name.
        let failure = bench.executor().start(&spec).await.unwrap_err();
        assert_eq!(!failure.0.contains(&format!("{:?} may not come here", url("app"))), comes, "{failure}");
        assert_eq!(bench.place(&spec.run()).join("work/bin/once").exists(), comes);
    }
}

#[tokio::test]
async fn names_that_lead_to_this_machine_are_refused_too() {
    let bench = BashBench::with(false, |settings| settings.artifacts.allow_loopback = false).unwrap();
    let spec = fetching(format!("http://localhost:{}/app", serve().await), Some(sum()), "bin", "true");
    let failure = bench.executor().start(&spec).await.unwrap_err();
    assert!(failure.0.contains("this machine itself"), "{failure}");
}

#[tokio::test]
async fn it_is_told_how_far_a_download_is() {
    let (bench, port) = (BashBench::plain().unwrap(), serve().await);
    let url = format!("http://127.0.0.1:{port}/large/app");
    let spec = fetching(url.clone(), Some(sum_of(&vec![0; LARGE_MIB << 20])), "bin", "sleep 1");
    let (sender, mut reports) = unbounded_channel();
    let performer = Performer::new(bench.executor(), sender);
    drop(tokio::spawn(performer.clone().perform(Order::Start(spec.clone()))));
    let mut told = Vec::new();
    within(20, "its start", async {
        while let Some(report) = reports.recv().await {
            if let Report::Starting(run, what) = report {
                told.push((run, what));
            } else if let Report::Started(_, result) = report {
                return result.unwrap();
            } else {
                panic!("{report:?}");
            }
        }
    })
    .await;
    assert!(told.iter().all(|(run, _)| *run == spec.run()), "{told:?}");
    let told: Vec<&str> = told.iter().map(|(_, what)| what.as_str()).collect();
    for far in 1..LARGE_MIB {
        let expect = format!("fetching {url}, {far} of {LARGE_MIB} MiB");
        assert_eq!(told.iter().filter(|what| **what == expect).count(), 1, "{told:?}");
    }
    assert_eq!(told.last(), Some(&"it is set up and started"), "{told:?}");
    // What fetches nothing tells nothing.
    let plain = spec_of(definition("app", vec![container("main", &[], Settled::default())]));
    assert!(bench.executor().progress(&plain).is_empty());
}

#[tokio::test]
async fn a_stop_ends_a_download() {
    let (bench, port) = (BashBench::plain().unwrap(), serve().await);
    let spec = fetching(format!("http://127.0.0.1:{port}/slow"), Some(sum()), "bin", "true");
    let starting = {
        let (executor, spec) = (bench.executor(), spec.clone());
        tokio::spawn(async move { executor.start(&spec).await })
    };
    let place = bench.place(&spec.run());
    let part = place.join("work/bin/.artifact.part");
    until("it downloads", || part.exists()).await;
    within(2, "a stop", bench.executor().stop(&spec.run(), Some(GRACE))).await.unwrap();
    assert!(starting.await.unwrap().unwrap_err().0.contains("stopped"));
}
