//! An engine that is late: it tells of an end, or that it is removing something, before its listings know it.

use super::bench::{EXIT, GRACE, within};
use super::docker_bench::docker_spec;
use callboard_core::machine::Span;
use callboard_core::work::{Exit, Spec};
use callboard_executors::docker::{Docker, Settings};
use callboard_executors::{Executor, Failure};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const NEVER: Duration = Duration::from_secs(3600);

/// An engine that holds one container, `c1`, of a task.
struct Late {
    labels: Value,
    /// How its listings name the state of the container until it has ended for them, too.
    state: &'static str,
    /// How long it takes until that is so, or until the container is gone that it removes.
    lag: Duration,
    ended: Option<Instant>,
    /// It has been asked to remove the container, and refuses to be asked again.
    removed: Option<Instant>,
    /// With what the container ends.
    code: i64,
    /// How long after that it learns that memory had run out.
    memory_told: Duration,
}

impl Late {
    fn answer(&mut self, method: &str, path: &str, query: &str) -> (u16, Value) {
        let is_past = |since: Option<Instant>| since.is_some_and(|since| since.elapsed() >= self.lag);
        let (is_over, is_gone) = (is_past(self.ended), is_past(self.removed));
        let state = if is_over { "exited" } else { self.state };
        match (method, path) {
            ("GET", "version") => (200, json!({"ApiVersion": "1.44"})),
            ("GET", "containers/json") if is_gone || is_over && !query.contains("all=true") => {
                (200, json!([]))
            }
            ("GET", "containers/json") => (200, json!([{"Id": "c1", "Labels": self.labels, "State": state}])),
            _ if is_gone => (404, json!({"message": "no such container"})),
            ("GET", _) => {
                let out_of_memory = self.ended.is_some_and(|since| since.elapsed() >= self.memory_told);
                let state = json!({"Status": state, "ExitCode": self.code, "OOMKilled": out_of_memory});
                (200, json!({"State": state, "Config": {}}))
            }
            ("POST", "containers/c1/kill") => {
                self.ended.get_or_insert_with(Instant::now);
                (204, Value::Null)
            }
            ("POST", "containers/c1/wait") if self.ended.is_some() => (200, json!({"StatusCode": self.code})),
            ("DELETE", _) => {
                self.removed.get_or_insert_with(Instant::now);
                (409, json!({"message": "removal of container c1 is already in progress"}))
            }
            _ => (500, json!({"message": format!("{method} {path} was not expected")})),
        }
    }
}

fn serve(mut stream: TcpStream, engine: &Mutex<Late>) -> std::io::Result<()> {
    let (mut asked, mut part) = (Vec::new(), [0; 4096]);
    while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut part)? {
            0 => return Ok(()),
            read => asked.extend_from_slice(&part[..read]),
        }
    }
    let asked = String::from_utf8_lossy(&asked).into_owned();
    let mut words = asked.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = path.trim_start_matches("/v1.44").trim_start_matches('/');
    let (status, body) = engine.lock().unwrap().answer(method, path, query);
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!("HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nConnection: close");
    write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Gives an executor over an engine that lists what it does so much later, and the task that it holds a container of.
fn late(dir: &tempfile::TempDir, state: &'static str, lag: Duration) -> (Docker, Arc<Spec>) {
    over(dir, |labels| Late { labels, state, lag, ended: None, removed: None, code: 143, memory_told: NEVER })
}

fn over(dir: &tempfile::TempDir, engine: impl FnOnce(Value) -> Late) -> (Docker, Arc<Spec>) {
    let spec = docker_spec(&[], "sleep 1000");
    let labels = json!({
        "callboard.agent": dir.path().canonicalize().unwrap(),
        "callboard.container": "main",
        "callboard.spec": serde_json::to_string(&*spec).unwrap(),
    });
    let engine = Arc::new(Mutex::new(engine(labels)));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("tcp://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let engine = Arc::clone(&engine);
            std::thread::spawn(move || serve(stream, &engine));
        }
    });
    (Docker::open(Settings::new(dir.path().to_path_buf(), host)).unwrap(), spec)
}

async fn exits(docker: &Docker) -> Vec<Option<Exit>> {
    docker.inspect().await.unwrap().into_iter().map(|found| found.exit).collect()
}

/// Does something that takes so many seconds at least.
async fn after<T>(least: u64, doing: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let done = doing.await;
    assert!(begun.elapsed() >= Duration::from_secs(least), "done after {:?}", begun.elapsed());
    done
}

#[tokio::test]
async fn what_an_engine_says_too_early_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (docker, spec) = late(&dir, "running", Duration::from_secs(1));
    assert_eq!(exits(&docker).await, [None]);
    assert_eq!(after(1, docker.stop(&spec.run(), Some(GRACE))).await, Ok(()));
    let exit = Exit { signal: Some(15), ..EXIT };
    assert_eq!(exits(&docker).await, [Some(exit.clone())], "whoever was told of the end sees it");
    assert_eq!(docker.exited(&spec.run()).await, exit);

    let (docker, spec) = late(&dir, "created", Duration::from_secs(1));
    assert_eq!(after(1, exits(&docker)).await, [Some(EXIT)], "its start was cut off");
    docker.remove(&spec.run()).await.unwrap();
    assert_eq!(exits(&docker).await, []);
}

#[tokio::test]
async fn what_an_engine_never_shows_is_waited_for_no_longer_than_that() {
    let dir = tempfile::tempdir().unwrap();
    let ends = async {
        let (docker, spec) = late(&dir, "running", NEVER);
        assert_eq!(after(5, docker.stop(&spec.run(), Some(Span::secs(10)))).await, Ok(()));
        assert_eq!(exits(&docker).await, [None], "it is told as the engine lists it");
        let run = spec.run();
        let waiting = tokio::time::timeout(Duration::from_secs(7), docker.exited(&run));
        assert!(waiting.await.is_err(), "no end is told");
    };
    let other = tempfile::tempdir().unwrap();
    let goes = async {
        let (docker, spec) = late(&other, "created", NEVER);
        assert_eq!(after(15, exits(&docker)).await, [Some(EXIT)], "nothing of it lives");
        assert_eq!(exits(&docker).await, [Some(EXIT)], "it is known now");
        let Err(Failure(why)) = docker.remove(&spec.run()).await else { panic!("it is not gone") };
        assert_eq!(
            why,
            "cannot remove container c1: the docker engine says: removal of container c1 is already in progress"
        );
    };
    within(30, "both", async { tokio::join!(ends, goes) }).await;
}

#[tokio::test]
async fn that_memory_had_run_out_is_waited_for_when_something_was_killed() {
    for (memory_told, out_of_memory) in [(Duration::from_millis(200), true), (NEVER, false)] {
        let dir = tempfile::tempdir().unwrap();
        let (docker, spec) = over(&dir, |labels| Late {
            labels,
            state: "running",
            lag: Duration::ZERO,
            ended: None,
            removed: None,
            code: 137,
            memory_told,
        });
        docker.stop(&spec.run(), Some(GRACE)).await.unwrap();
        let exit = docker.exited(&spec.run()).await;
        assert_eq!(exit, Exit { signal: Some(9), out_of_memory, ..EXIT });
    }
}
