//! Health checks, against servers that answer as told.

use super::bench::{BashBench, Bench, FakeBench, GRACE, bash_spec, spec_of, until, within};
use callboard_core::machine::Span;
use callboard_core::model::{Check, Probe};
use callboard_core::work::Spec;
use callboard_executors::check::probe;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const INTERVAL: Span = Span::secs(10);

fn check(probe: Probe) -> Check {
    Check { name: None, probe, add_provided_port: true, success_threshold: 1, failure_threshold: 3 }
}

fn http(path: &str) -> Check {
    let header = BTreeMap::from([("X-Asked".to_string(), vec!["yes".to_string()])]);
    check(Probe::Http {
        http: format!("http://127.0.0.1{path}"),
        header,
        interval: INTERVAL,
        timeout: Span(500),
    })
}

fn script(text: &str) -> Check {
    let probe = Probe::Script { script: text.to_string(), interval: INTERVAL, timeout: Span(500) };
    Check { add_provided_port: false, ..check(probe) }
}

async fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let count = connection.read(&mut request).await.unwrap_or(0);
            let text = String::from_utf8_lossy(&request[..count]).to_string();
            let answer = match text.split_whitespace().nth(1).unwrap_or_default() {
                "/good" if text.to_lowercase().contains("x-asked: yes") => {
                    "204 No Content\r\n\r\n".to_string()
                }
                "/bad" => format!("503 Service Unavailable\r\n\r\nno database\n{}", "x".repeat(100_000)),
                "/moved" => "302 Found\r\nLocation: /good\r\nContent-Length: 0\r\n\r\n".to_string(),
                "/slow" => {
                    std::mem::forget(connection);
                    continue;
                }
                _ => "404 Not Found\r\nContent-Length: 0\r\n\r\n".to_string(),
            };
            let _ = connection.write_all(format!("HTTP/1.1 {answer}").as_bytes()).await;
        }
    });
    port
}

fn at_port(port: Option<u16>) -> Arc<Spec> {
    let mut spec = (*spec_of(super::bench::definition("app", vec![]))).clone();
    spec.task.port = port;
    Arc::new(spec)
}

#[tokio::test]
async fn http_passes_on_2xx_only() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let executor = FakeBench::new().unwrap().executor();
    let port = serve().await;
    let spec = at_port(Some(port));
    assert_eq!(probe(&http("/good"), &spec, &*executor).await, Ok(()));
    let bad = probe(&http("/bad"), &spec, &*executor).await.unwrap_err();
    let said = format!("GET http://127.0.0.1:{port}/bad: status 503 Service Unavailable: no database xxx");
    assert!(bad.starts_with(&said) && bad.len() < 500, "{bad}");
    let moved = probe(&http("/moved"), &spec, &*executor).await.unwrap_err();
    assert!(moved.contains("302"), "{moved}");
    let slow = within(5, "a timeout", probe(&http("/slow"), &spec, &*executor)).await.unwrap_err();
    assert!(slow.ends_with("no answer within 500ms"), "{slow}");
    let closed = probe(&http("/good"), &at_port(Some(1)), &*executor).await.unwrap_err();
    assert!(closed.contains("refused"), "{closed}");
    let none = probe(&http("/good"), &at_port(None), &*executor).await.unwrap_err();
    assert!(none.contains("has none"), "{none}");
}

#[tokio::test]
async fn tcp_passes_on_a_connection() {
    let executor = FakeBench::new().unwrap().executor();
    let tcp = check(Probe::Tcp { tcp: "127.0.0.1".to_string(), interval: INTERVAL, timeout: Span(500) });
    assert_eq!(probe(&tcp, &at_port(Some(serve().await)), &*executor).await, Ok(()));
    let closed = probe(&tcp, &at_port(Some(1)), &*executor).await.unwrap_err();
    assert!(closed.starts_with("connect to 127.0.0.1:1: ") && closed.contains("refused"), "{closed}");
}

#[tokio::test]
async fn scripts_run_inside_the_task() {
    for bench in [BashBench::plain(), BashBench::grouped()].into_iter().flatten() {
        let executor = bench.executor();
        let spec = bash_spec(&["echo here >file"], &["sleep 1010"]);
        let before = probe(&script("true"), &spec, &*executor).await.unwrap_err();
        assert_eq!(before, "the task does not run");
        executor.start(&spec).await.unwrap();
        assert_eq!(probe(&script("grep -q here file && [ $PORT = 31234 ]"), &spec, &*executor).await, Ok(()));
        let bad = probe(&script("echo out; echo err >&2; exit 4"), &spec, &*executor).await.unwrap_err();
        assert_eq!(bad, "the script ended with exit code 4 (its output ended: \"out\\nerr\")");
        let before = bench.processes().len();
        let slow = script("echo waiting; sleep 1011 & sleep 1012");
        let slow = within(5, "a timeout", probe(&slow, &spec, &*executor)).await.unwrap_err();
        assert_eq!(slow, "the script did not end within 500 ms (its output ended: \"waiting\")");
        until("its group is gone", || bench.processes().len() == before).await;
        executor.stop(&spec.run(), Some(GRACE)).await.unwrap();
    }
}
