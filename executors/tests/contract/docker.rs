//! What only the docker executor can be asked: what containers are made from, what is refused, and whose they are.

use super::bench::{Bench, EXIT, GRACE, definition, spec_of, until, within};
use super::cases::{attempt_of, tells_what_was_written_since};
use super::docker_bench::{DockerBench, at_ports, docker_container, docker_spec, id, wanted};
use callboard_core::machine::Span;
use callboard_core::model::{Check, Docker as Wanted, Probe};
use callboard_core::policy::Volume;
use callboard_core::work::{Exit, Spec};
use callboard_executors::Executor;
use callboard_executors::docker::Settings;
use servers::{BUSYBOX, Ports, ask_docker};
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const WAITS: &str = "trap 'exit 0' TERM; sleep 1000 & wait";

fn bench() -> DockerBench {
    DockerBench::new().unwrap()
}

fn one(wanted: Wanted) -> Arc<Spec> {
    spec_of(definition("app", vec![docker_container("main", &[], wanted)]))
}

fn alone(wanted: Wanted) -> Wanted {
    Wanted { flags: vec!["--net=none".to_string()], ..wanted }
}

async fn run(executor: &dyn Executor, spec: &Arc<Spec>) -> (Exit, String) {
    executor.start(spec).await.unwrap();
    let exit = within(20, "its end", executor.exited(&spec.run())).await;
    let output = executor.tail(&spec.run(), 1 << 20, None).await.unwrap();
    (exit, String::from_utf8(output).unwrap())
}

async fn get(port: u16) -> String {
    let mut answer = String::new();
    if let Ok(mut stream) = tokio::net::TcpStream::connect(("127.0.0.1", port)).await {
        let _ = stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await;
        let _ = stream.read_to_string(&mut answer).await;
    }
    answer
}

#[tokio::test]
async fn the_provided_port_leads_into_the_container() {
    let (bench, ports) = (bench(), Ports::claim());
    let web = Wanted {
        container_port: Some(80),
        ports: vec![format!("{}:81", ports.first + 1)],
        env: vec!["GREETING=good day".to_string(), "CALLBOARD_SERVICE=mine".to_string()],
        ..wanted(
            "mkdir /www; env | sort >/www/index.html; httpd -p 81 -h /www; exec httpd -f -p $PORT -h /www",
        )
    };
    let spec = at_ports(&one(web), ports.first);
    let executor = bench.executor();
    executor.start(&spec).await.unwrap();
    for port in [ports.first, ports.first + 1] {
        let answer = within(20, "an answer", async {
            loop {
                let answer = get(port).await;
                if answer.contains("200 OK") {
                    return answer;
                }
            }
        });
        let answer = answer.await;
        let provided = format!("CALLBOARD_PORT={}", ports.first);
        for line in [
            "PORT=80",
            &provided,
            "GREETING=good day",
            "CALLBOARD_SERVICE=mine",
            "CALLBOARD_TASK_ID=shop-web-7-3",
        ] {
            assert!(answer.lines().any(|seen| seen == line), "{line} in {answer}");
        }
    }
    let seen = bench.only();
    let at = &seen["HostConfig"]["PortBindings"]["80/tcp"][0];
    assert_eq!(
        (at["HostIp"].as_str(), at["HostPort"].as_str()),
        (Some("127.0.0.1"), Some(&*ports.first.to_string()))
    );
    executor.stop(&spec.run(), Some(Span(1))).await.unwrap();
    assert_eq!(get(ports.first).await, "");
}

#[tokio::test]
async fn a_container_is_made_with_limits_labels_and_walls() {
    let bench = bench();
    let whole = Wanted {
        name: Some("shop".to_string()),
        work_dir: "/tmp".to_string(),
        flags: ["--net=none", "--hostname=h", "--tmpfs=/run:size=1m", "--stop-signal=SIGUSR1"]
            .map(String::from)
            .into(),
        entry: "/bin/sh".to_string(),
        cmd: ["-c", "pwd; hostname; trap 'exit 0' USR1; sleep 1000 & wait"].map(String::from).into(),
        ..wanted("")
    };
    let mut definition = definition("app", vec![docker_container("main", &[], whole)]);
    (definition.memory, definition.cpu_units, definition.cpu_limit) = (32, 512, 65_536);
    let spec = spec_of(definition);
    let executor = bench.executor();
    executor.start(&spec).await.unwrap();
    let seen = bench.only();
    let host = &seen["HostConfig"];
    assert_eq!(host["RestartPolicy"]["Name"], "no");
    assert_eq!((host["Memory"].as_u64(), host["MemorySwap"].as_u64()), (Some(32 << 20), Some(32 << 20)));
    assert_eq!((host["CpuShares"].as_u64(), host["PidsLimit"].as_u64()), (Some(512), Some(4096)));
    // More cores than this machine has are allowed: a definition is for all hosts.
    assert_eq!((host["CpuQuota"].as_u64(), host["CpuPeriod"].as_u64()), (Some(6_400_000), Some(100_000)));
    assert_eq!(host["CapDrop"], serde_json::json!(["NET_RAW"]));
    assert_eq!(host["SecurityOpt"], serde_json::json!(["no-new-privileges"]));
    assert_eq!(host["Privileged"], false);
    assert_eq!(host["LogConfig"]["Config"], serde_json::json!({"max-file": "2", "max-size": "4194304"}));
    let labels = &seen["Config"]["Labels"];
    let agent = bench.dir.path().canonicalize().unwrap().display().to_string();
    for (label, value) in [
        ("agent", agent.as_str()),
        ("cluster", "shop"),
        ("service", "web"),
        ("task", "shop-web-7-3"),
        ("generation", "42"),
        ("attempt", "0"),
        ("container", "main"),
        ("name", "shop"),
    ] {
        assert_eq!(labels[format!("callboard.{label}")], value);
    }
    assert!(seen["Name"].as_str().unwrap().starts_with("/shop-web-7-3.42-0.main."), "{}", seen["Name"]);
    // Its own signal to stop is the one that is sent.
    within(5, "a stop", executor.stop(&spec.run(), Some(Span::secs(30)))).await.unwrap();
    assert_eq!(executor.tail(&spec.run(), 100, None).await.unwrap(), b"/tmp\nh\n");
}

#[tokio::test]
async fn what_was_told_to_stop_has_no_exit_code() {
    let bench = bench();
    let (told, alone) = (docker_spec(&[], WAITS), attempt_of(&docker_spec(&[], "exit 0"), 1));
    let executor = bench.executor();
    executor.start(&told).await.unwrap();
    executor.stop(&told.run(), Some(GRACE)).await.unwrap();
    assert_eq!(executor.exited(&told.run()).await, EXIT);
    // One that had ended before it was told keeps its code.
    assert_eq!(run(&*executor, &alone).await.0.code, Some(0));
    executor.stop(&alone.run(), Some(GRACE)).await.unwrap();
    let found = bench.restarted().inspect().await.unwrap();
    let codes: Vec<_> = found.iter().map(|found| found.exit.as_ref().unwrap().code).collect();
    assert_eq!(codes, [None, Some(0)]);
}

#[tokio::test]
async fn a_task_without_memory_left_is_told_apart() {
    let bench = bench();
    let mut definition =
        definition("app", vec![docker_container("main", &[], alone(wanted("exec tail -c 500m /dev/zero")))]);
    definition.memory = 16;
    let (exit, _) = run(&*bench.executor(), &spec_of(definition)).await;
    assert_eq!(exit, Exit { code: None, signal: Some(9), out_of_memory: true });
}

#[tokio::test]
async fn a_task_may_take_more_memory_than_it_reserves() {
    let bench = bench();
    for (limit, walls, ends) in
        [(Some(128), (128, 16), Some(0)), (Some(16), (16, 0), None), (Some(0), (0, 16), Some(0))]
    {
        let hungry = alone(wanted("x=$(head -c 20000000 /dev/zero | tr '\\0' x)"));
        let mut definition = definition("app", vec![docker_container("main", &[], hungry)]);
        (definition.memory, definition.memory_limit) = (16, limit);
        let executor = bench.executor();
        let spec = spec_of(definition);
        executor.start(&spec).await.unwrap();
        let host = &bench.only()["HostConfig"];
        let mib = |field: &str| host[field].as_i64().unwrap() >> 20;
        assert_eq!((mib("Memory"), mib("MemoryReservation")), walls, "{limit:?}");
        let exit = within(20, "its end", executor.exited(&spec.run())).await;
        assert_eq!((exit.code, exit.out_of_memory), (ends, ends.is_none()), "{limit:?}");
        executor.remove(&spec.run()).await.unwrap();
    }
}

#[tokio::test]
async fn containers_start_in_order_and_end_together() {
    let bench = bench();
    let containers = vec![
        docker_container(
            "long",
            &[],
            alone(wanted("echo a; trap 'echo told; exit 0' TERM; sleep 1004 & wait")),
        ),
        docker_container("short", &[], alone(wanted("sleep 0.3; echo b; exit 6"))),
    ];
    let executor = bench.executor();
    let (exit, output) = run(&*executor, &spec_of(definition("app", containers))).await;
    assert_eq!((exit.code, output.as_str()), (Some(6), "a\nb\ntold\n"));
    let found = bench.restarted().inspect().await.unwrap();
    assert_eq!(found[0].exit, Some(exit), "and so it is told later");
    assert_eq!(bench.containers().len(), 2);
    executor.remove(&found[0].spec.run()).await.unwrap();
    assert_eq!(bench.containers().len(), 0);
}

#[tokio::test]
async fn setup_runs_in_order_before_the_start_and_leaves_its_traces_in_volumes() {
    let dir = tempfile::tempdir().unwrap();
    let bench = DockerBench::with(servers::shared_docker(), |settings| allow(settings, "/tmp"));
    let with = |volume: String, start: &str| Wanted { volumes: vec![volume], ..alone(wanted(start)) };
    let volume = format!("{}:/kept", dir.path().display());
    let setup =
        ["echo one >>/kept/log; touch /gone", "[ ! -e /gone ]; echo two $CALLBOARD_SERVICE >>/kept/log"];
    let main = docker_container("main", &setup, with(volume, "cat /kept/log"));
    let (exit, output) = run(&*bench.executor(), &spec_of(definition("app", vec![main]))).await;
    assert_eq!((exit.code, output.as_str()), (Some(0), "one\ntwo web\n"));
    assert_eq!(bench.containers().len(), 1, "those of the setup are gone");
    let readonly = format!("{}:/kept:ro", dir.path().display());
    let main = docker_container("main", &[], with(readonly, "touch /kept/more"));
    let (exit, output) =
        run(&*bench.executor(), &attempt_of(&spec_of(definition("app", vec![main])), 1)).await;
    assert_eq!(exit.code, Some(1), "{output}");
}

#[tokio::test]
async fn a_setup_that_fails_ends_the_start_and_tells_its_output() {
    let bench = bench();
    let spec = docker_spec(&["true", "echo no such thing >&2; exit 9"], "sleep 1000");
    let failure = bench.executor().start(&spec).await.unwrap_err();
    let expect =
        "setup command 2 of container main ended with exit code 9 (its output ended: \"no such thing\")";
    assert_eq!(failure.0, expect);
    assert_eq!(bench.containers().len(), 0);
    assert_eq!(bench.executor().tail(&spec.run(), 100, None).await.unwrap(), b"no such thing\n");
}

#[tokio::test]
async fn what_cannot_be_started_leaves_nothing() {
    let (bench, ports) = (bench(), Ports::claim());
    let _taken = std::net::TcpListener::bind(("127.0.0.1", ports.first)).unwrap();
    let missing = Wanted { image: "127.0.0.1:1/no/such:7".to_string(), ..alone(wanted("")) };
    let command = Wanted { cmd: vec!["/no/such".to_string()], ..alone(wanted("")) };
    let port = Wanted { ports: vec![format!("{}:80", ports.first)], ..wanted("sleep 1000") };
    for (number, (wanted, expect)) in [
        (missing, "image 127.0.0.1:1/no/such:7 is not on this host and cannot be pulled: "),
        (command, "cannot start container main: the docker engine says: "),
        (port, "address already in use"),
    ]
    .into_iter()
    .enumerate()
    {
        let spec = attempt_of(&at_ports(&one(wanted), ports.last), u32::try_from(number).unwrap());
        let failure = bench.executor().start(&spec).await.unwrap_err();
        assert!(failure.0.contains(expect), "{failure}");
        assert_eq!(bench.containers().len(), 0, "{failure}");
        assert_eq!(bench.executor().exited(&spec.run()).await, EXIT);
    }
}

fn allow(settings: &mut Settings, path: &str) {
    settings.policy.volumes = vec![Volume { path: path.to_string(), read_only: false }];
}

/// Records that configuration refuses, but that somebody may have written past it.
#[tokio::test]
async fn settings_that_would_loosen_the_walls_are_refused_by_the_agent_too() {
    let bench = DockerBench::with(servers::shared_docker(), |settings| allow(settings, "/srv"));
    let mut table: Vec<(Wanted, &str)> = Vec::new();
    let base = || alone(wanted("true"));
    for image in ["", "--privileged", "a b"] {
        table.push((Wanted { image: image.to_string(), ..base() }, "is no image"));
    }
    for image in ["UPPER/x", "x@sha256:short", &format!("127.0.0.1:1/{}", "x".repeat(300))] {
        table.push((Wanted { image: image.to_string(), ..base() }, "image "));
    }
    let flags = "--privileged --net=host --network=host --pid=host --ipc=host --uts=host --userns=host --cgroupns=host \
                 -v/:/host --volume=/:/host --mount=type=bind,src=/,dst=/host --cap-add=ALL --device=/dev/sda \
                 --security-opt=seccomp=unconfined --sysctl=kernel.msgmax=1 --ulimit=nofile=1 --runtime=runc \
                 --cgroup-parent=/ --oom-kill-disable --restart=always --rm --name=x -d --label=callboard.task=x \
                 --env-file=/etc/passwd --cidfile=/srv/id";
    for flag in
        flags.split_whitespace().chain(["--init --privileged", "--net=none --net=host", "--network host"])
    {
        table.push((Wanted { flags: vec![flag.to_string()], ..base() }, "flag "));
    }
    for volume in [
        "/:/host",
        "/var/run/docker.sock:/s",
        "relative:/x",
        "/srv/../etc:/x",
        "/srv:/",
        "/srv/missing:/x",
        "/etc:/x",
        "/run/docker.sock:/s",
        "/srv:/x:ro:rw",
        "",
    ] {
        table.push((Wanted { volumes: vec![volume.to_string()], ..base() }, "volume "));
    }
    for port in ["5000", "5000:", ":80", "99999:80", "1-70000:1-70000", "0.0.0.0:22:22", "22:22/icmp"] {
        table.push((Wanted { ports: vec![port.to_string()], flags: Vec::new(), ..base() }, "ports: "));
    }
    for env in ["=x", "HOME", "A B=1", "A=\0", "\0=a"] {
        table.push((Wanted { env: vec![env.to_string()], ..base() }, "env: "));
    }
    for cmd in [&["", "x"][..], &["a\0b"], &["true", "\0"]] {
        let cmd = cmd.iter().map(ToString::to_string).collect();
        table.push((Wanted { cmd, ..base() }, "cmd: "));
    }
    table.push((Wanted { entry: "\0".to_string(), ..base() }, "entry: "));
    for dir in ["/proc/self/fd/8", "relative", "/a/../b", "//proc/1", "/./proc"] {
        table.push((Wanted { work_dir: dir.to_string(), ..base() }, "work_dir "));
    }
    for (wanted, expect) in table {
        let shown = format!("{wanted:?}");
        let failure = bench.executor().start(&one(wanted)).await.expect_err(&shown);
        assert!(failure.0.starts_with("container main: ") && failure.0.contains(expect), "{failure}");
        bench.executor().remove(&one(base()).run()).await.unwrap();
    }
    assert_eq!(bench.containers().len(), 0);
    assert!(!std::path::Path::new("/srv/missing").exists(), "the engine was not let make it");
}

#[tokio::test]
async fn what_is_of_others_is_not_touched() {
    let (ours, theirs) = (bench(), bench());
    let spec = docker_spec(&[], WAITS);
    for bench in [&ours, &theirs] {
        bench.executor().start(&spec).await.unwrap();
    }
    // A stranger with all the labels of the task, and none of the agent's.
    let mut labels = ours.only()["Config"]["Labels"].clone();
    labels.as_object_mut().unwrap().remove("callboard.agent");
    let body = serde_json::json!({"Image": BUSYBOX, "Cmd": ["sleep", "1000"], "Labels": labels,
        "HostConfig": {"NetworkMode": "none"}});
    let (_, made) = ask_docker(&ours.host, "POST", "/containers/create", &body.to_string());
    let stranger: serde_json::Value = serde_json::from_str(&made).unwrap();
    let _ = ask_docker(&ours.host, "POST", &format!("/containers/{}/start", id(&stranger)), "");
    let executor = ours.executor();
    assert_eq!(executor.inspect().await.unwrap().len(), 1);
    assert_eq!(executor.usage().await.tasks.len(), 1);
    executor.stop(&spec.run(), Some(GRACE)).await.unwrap();
    executor.remove(&spec.run()).await.unwrap();
    assert_eq!(ours.containers().len(), 0);
    assert_eq!(theirs.executor().inspect().await.unwrap()[0].exit, None);
    let (_, seen) = ask_docker(&ours.host, "GET", &format!("/containers/{}/json", id(&stranger)), "");
    let _ = ask_docker(&ours.host, "DELETE", &format!("/containers/{}?force=1", id(&stranger)), "");
    assert!(seen.contains("\"Running\":true"), "{seen}");
}

#[tokio::test]
async fn what_is_done_past_the_agent_is_seen() {
    let bench = bench();
    let executor = bench.executor();
    let (paused, removed) = (docker_spec(&[], WAITS), attempt_of(&docker_spec(&[], WAITS), 1));
    executor.start(&paused).await.unwrap();
    let of = |what: &str| format!("/containers/{}{what}", id(&bench.only()));
    let _ = ask_docker(&bench.host, "POST", &of("/pause"), "");
    assert_eq!(executor.inspect().await.unwrap()[0].exit, None);
    within(10, "a stop", executor.stop(&paused.run(), Some(GRACE))).await.unwrap();
    assert_eq!(executor.exited(&paused.run()).await, EXIT);
    executor.remove(&paused.run()).await.unwrap();
    executor.start(&removed).await.unwrap();
    let waiting = {
        let (executor, run) = (executor.clone(), removed.run());
        tokio::spawn(async move { executor.exited(&run).await })
    };
    let _ = ask_docker(&bench.host, "DELETE", &of("?force=1"), "");
    assert_eq!(within(10, "its end", waiting).await.unwrap(), EXIT);
    assert_eq!(executor.inspect().await.unwrap(), vec![]);
}

#[tokio::test]
async fn scripts_run_inside_the_task() {
    let bench = bench();
    let executor = bench.executor();
    let spec = docker_spec(&[], "echo here >/tmp/file; trap 'exit 0' TERM; sleep 1010 & wait");
    let probe = |text: &str| {
        let script = Probe::Script { script: text.to_string(), interval: Span::secs(10), timeout: Span(700) };
        let check = Check {
            name: None,
            probe: script,
            add_provided_port: false,
            success_threshold: 1,
            failure_threshold: 3,
        };
        let (executor, spec) = (executor.clone(), spec.clone());
        async move { executor.probe(&spec, &check).await }
    };
    assert_eq!(probe("true").await.unwrap_err(), "the task does not run");
    executor.start(&spec).await.unwrap();
    within(10, "the file", async { while probe("test -e /tmp/file").await.is_err() {} }).await;
    assert_eq!(probe("grep -q here /tmp/file && [ $CALLBOARD_PORT = 31234 ]").await, Ok(()));
    let bad = probe("echo out; echo err >&2; exit 4").await.unwrap_err();
    assert!(bad.starts_with("the script ended with exit code 4 (its output ended: "), "{bad}");
    assert!(bad.contains("out") && bad.contains("err"), "{bad}");
    assert!(probe("/no/such").await.unwrap_err().contains("exit code 127"));
    let begun = Instant::now();
    let slow = probe("echo waiting; sleep 1011 & sleep 1012").await.unwrap_err();
    assert_eq!(slow, "the script did not end within 700 ms (its output ended: \"waiting\")");
    assert!(begun.elapsed().as_secs() < 5);
    let left = || {
        let (_, top) = ask_docker(&bench.host, "GET", &format!("/containers/{}/top", id(&bench.only())), "");
        top.contains("1011") || top.contains("1012")
    };
    until("the script and its group are gone", || !left()).await;
    executor.stop(&spec.run(), Some(GRACE)).await.unwrap();
}

#[tokio::test]
async fn what_was_written_since_is_told_apart() {
    let bench = bench();
    tells_what_was_written_since(&bench, docker_spec(&[], "echo first; sleep 3; echo second; sleep 1000"))
        .await;
}
