//! Asks the API over HTTP, as strangers and as friends do.

use super::*;
use crate::write::SentFile;
use callboard_backends::{Memory, MemoryStore};
use callboard_core::work::Spec;
use callboard_executors::ByKind;
use callboard_executors::fake::{Behaviour, Fake};
use serde_json::Value;
use std::net::SocketAddr;

const HELLO: &str = r#"{
  "clusters": [{"name": "default", "services": ["web"]}],
  "services": [{"name": "web", "task_name": "web", "task_version": 1, "desired": 2, "min": 1, "max": 3}],
  "task_definitions": [{"name": "web", "version": 1, "containers":
    [{"name": "web", "type": "bash", "executor": {"start": ["sleep 1000"]}}]}]
}"#;

/// An API over an empty store in memory, without agent and scheduler.
async fn serve() -> SocketAddr {
    serve_with(BTreeMap::new()).await
}

/// The same with agents.
async fn serve_with(agents: BTreeMap<Name, LocalAgent>) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let api = Api {
        store: Arc::new(MemoryStore::new(Memory::default())),
        events: Arc::new(Events::new()),
        scheduler: None,
        agents,
        access: access(address, None, false).unwrap(),
        role: "test".into(),
        store_name: "memory:".into(),
        clock: Clock::start(),
    };
    api.events.say("started");
    tokio::spawn(async move { axum::serve(listener, router(Arc::new(api))).await });
    address
}

/// Sends a request and gives the status and the answer.
async fn ask(address: SocketAddr, line: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let (method, path) = line.split_once(' ').unwrap();
    // A provider may have been installed by another test.
    let _already = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.request(method.parse().unwrap(), format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.body(body.to_owned()).send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

#[tokio::test]
async fn what_is_refused_says_why_where_and_what_next() {
    let address = serve().await;
    let check = async |line: &str, body: &str, status: u16, says: &str| {
        let (got, answer) = ask(address, line, &[], body).await;
        assert_eq!(got, status, "{line} {body:.40}: {answer}");
        assert!(answer.to_string().contains(says), "{line} {body:.40}: {answer}");
        assert!(answer["error"].is_string(), "{line}: {answer}");
    };
    check("GET /v2/status", "", 404, "/v1/").await;
    check("GET /v1/%2e%2e/status", "", 404, "no such path").await;
    check("PUT /v1/status", "", 405, "method").await;
    check("GET /v1/services/web", "", 404, "callboard services").await;
    check("GET /v1/services/We%20b", "", 400, "a-z").await;
    check("GET /v1/services/..%2fhosts", "", 400, "a-z").await;
    check("GET /v1/tasks/nope", "", 404, "callboard tasks").await;
    check("GET /v1/tasks?colour=red", "", 400, "colour").await;
    check("GET /v1/tasks/web-1/logs?tail=many", "", 400, "tail").await;
    check("GET /v1/tasks/web-1/logs", "", 404, "agent").await;
    check("GET /v1/tasks/web-1/exec", "", 405, "method").await;
    check("POST /v1/tasks/web-1/exec", "", 400, "command").await;
    check("POST /v1/tasks/web-1/exec?command=ls", "", 400, "no JSON list of strings").await;
    check("POST /v1/tasks/web-1/exec?command=%5B%22a%5Cu0000%22%5D", "", 400, "must have no NUL").await;
    check("POST /v1/tasks/web-1/exec?command=%5B%22ls%22%5D", "", 404, "agent").await;
    check("GET /v1/events?after=-1", "", 400, "after").await;
    check("GET /v1/explain/nope", "", 404, "nope").await;
    check("POST /v1/apply", "", 400, "empty").await;
    check("POST /v1/apply", "]", 400, "body").await;
    check("POST /v1/apply", "services: [{nmae: web}]", 400, "name").await;
    check("POST /v1/apply", "services: 4", 400, "list").await;
    check("POST /v1/apply?dry_run=true&x=1", HELLO, 400, "x").await;
    check("POST /v1/plan", "services: 4", 400, "list").await;
    check("POST /v1/services/web/scale", "{}", 400, "desired").await;
    check("POST /v1/services/web/scale", r#"{"desired": -1}"#, 400, "-1").await;
    check("POST /v1/services/web/scale", r#"{"desired": 2}"#, 404, "web").await;
    check("POST /v1/services/web/stop", "", 404, "web").await;
    check("POST /v1/hosts/h1/drain", "", 404, "h1").await;
    check("DELETE /v1/services/web", "", 404, "web").await;
    check("DELETE /v1/task_definitions/web/one", "", 400, "whole numbers").await;
    check("PUT /v1/checks/web-1/x", "", 400, "check").await;
    check("PUT /v1/checks/web-1/0", r#"{"status": "fine"}"#, 400, "passing").await;
    check("PUT /v1/checks/web-1/0", "", 404, "web-1").await;
    check("POST /v1/apply", &" ".repeat(BODY_BYTES_MAX + 1), 413, "1024 KiB").await;
}

#[tokio::test]
async fn strangers_are_refused() {
    let address = serve().await;
    let (status, answer) = ask(address, "GET /v1/status", &[("host", "evil.example")], "").await;
    assert_eq!((status, answer["where"].as_str()), (403, Some("Host")));
    let page = [("origin", "http://evil.example")];
    let (status, answer) = ask(address, "POST /v1/apply", &page, HELLO).await;
    assert_eq!((status, answer["where"].as_str()), (403, Some("Origin")));
    assert_eq!(ask(address, "GET /v1/config", &[], "").await.1["services"], Value::Array(vec![]));
}

#[tokio::test]
async fn what_was_applied_is_shown_changed_and_deleted() {
    let address = serve().await;
    let get = async |path: &str| ask(address, &format!("GET {path}"), &[], "").await;
    let (status, applied) = ask(address, "POST /v1/apply?dry_run", &[], HELLO).await;
    assert_eq!((status, applied["changes"].as_array().unwrap().len()), (200, 3));
    assert_eq!(get("/v1/services").await.1, Value::Array(vec![]));
    assert_eq!(ask(address, "POST /v1/apply", &[], HELLO).await.0, 200);
    let (_, service) = get("/v1/services/web").await;
    assert_eq!((service["state"].as_str(), service["scheduled"].as_bool()), (Some("starting"), Some(false)));
    let (_, told) = get("/v1/explain/web").await;
    assert!(told.to_string().contains("no scheduler holds the lock"), "{told}");

    let (status, answer) = ask(address, "POST /v1/services/web/scale", &[], r#"{"desired": 4}"#).await;
    assert_eq!(status, 400, "{answer}");
    assert_eq!(ask(address, "POST /v1/services/web/scale", &[], r#"{"desired": 3}"#).await.0, 200);
    assert_eq!(ask(address, "POST /v1/services/web/stop", &[], "").await.0, 200);
    assert_eq!(get("/v1/services/web").await.1["stopped"], Value::Bool(true));
    assert_eq!(ask(address, "POST /v1/services/web/start", &[], "").await.0, 200);
    assert_eq!(ask(address, "DELETE /v1/clusters/default", &[], "").await.0, 409);
    assert_eq!(ask(address, "DELETE /v1/services/web", &[], "").await.0, 200);
    assert_eq!(ask(address, "DELETE /v1/clusters/default", &[], "").await.0, 200);
    assert_eq!(ask(address, "DELETE /v1/task_definitions/web/1", &[], "").await.0, 200);
    for path in ["/v1/health", "/v1/version", "/v1/status", "/v1/tasks", "/v1/hosts", "/v1/config"] {
        assert_eq!(get(path).await.0, 200, "{path}");
    }
    assert_eq!(get("/v1/events").await.1[0]["text"], "started");
}

#[tokio::test]
async fn several_files_are_applied_as_one() {
    let address = serve().await;
    let file = |name: &str, text: &str| SentFile { name: name.into(), text: text.into() };
    let files = [file("a.yml", HELLO), file("b.yml", "services:\n  - { name: web }\n")];
    let body = serde_json::to_string(&files).unwrap();
    let (status, answer) = ask(address, "POST /v1/apply", &[("content-type", FILES)], &body).await;
    assert_eq!(status, 400);
    assert!(answer.to_string().contains("b.yml:2"), "{answer}");
}

#[tokio::test]
async fn what_a_task_wrote_is_read_though_another_executor_is_away() {
    let (bash, docker) = (Fake::default(), Fake::default());
    bash.behave("web", Behaviour { output: "hello\n".into(), ..Behaviour::default() });
    docker.silence("it is away");
    let kinds =
        [("bash", bash), ("docker", docker)].map(|(kind, fake)| (kind, Arc::new(fake) as Arc<dyn Executor>));
    let executor: Arc<dyn Executor> = Arc::new(ByKind::new(kinds.into()));
    let spec = r#"{"attempt": 0,
        "task": {"id": "web-1", "cluster": "c", "service": "web", "task_name": "web", "version": 1, "instance": 0,
            "generation": 1, "host": "h", "memory": 1, "desired": "run", "reason": "", "tenure": 1},
        "definition": {"name": "web", "version": 1, "memory": 1,
            "containers": [{"name": "web", "type": "bash", "executor": {}}]}}"#;
    let spec: Spec = serde_json::from_str(spec).unwrap();
    executor.start(&Arc::new(spec)).await.unwrap();
    let told = tokio::sync::mpsc::unbounded_channel().0;
    let address =
        serve_with([("h".into(), LocalAgent { told, executor, archive: None, hollow: false })].into()).await;
    let get = async |path: &str| ask(address, &format!("GET /v1/tasks/{path}"), &[], "").await;
    assert_eq!(get("web-1/logs").await, (200, Value::String("hello\n".into())));
    let (status, answer) = get("web-2/logs").await;
    assert_eq!(status, 500, "{answer}");
    let expect = "web-2 is not found, and docker cannot tell what it runs: it is away";
    assert_eq!(answer["error"].as_str(), Some(expect));
}
