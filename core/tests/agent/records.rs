//! What the pretended store holds, unless a test wants it otherwise.

use callboard_core::agent::{STARTS_DEFAULT, Settings};
use callboard_core::machine::Span;
use callboard_core::model::{
    Bash, Check, Container, Desired, Executor, PortRange, Probe, Registration, RestartPolicy, Task,
    TaskDefinition,
};
use callboard_core::policy::Policy;
use callboard_core::store::Revision;
use std::collections::BTreeMap;

pub(crate) fn settings() -> Settings {
    Settings {
        registration: Registration {
            host: "h1".into(),
            address: "10.0.0.1".into(),
            memory: 4096,
            cpu_units: 4096,
            disk: 0,
            resources: BTreeMap::new(),
            ports: PortRange { first: 20000, last: 21000 },
            executors: vec!["bash".into()],
            policy: Policy::default(),
            labels: BTreeMap::new(),
            agent_version: "0".into(),
            api: None,
        },
        boot_id: "boot".into(),
        agent_id: "agent".into(),
        ttl: Span::secs(10),
        starts: STARTS_DEFAULT,
        pressure_percent: 90,
        registry: false,
        seen: Revision(0),
        store_id: None,
    }
}

pub(crate) fn definition() -> TaskDefinition {
    let probe = Probe::Script { script: "true".into(), interval: Span::secs(2), timeout: Span::secs(1) };
    let check = Check {
        name: Some("up".into()),
        probe,
        add_provided_port: false,
        success_threshold: 1,
        failure_threshold: 2,
    };
    TaskDefinition {
        name: "web".into(),
        version: 1,
        provide_port: false,
        port: 0,
        ports: vec![],
        tags: vec![],
        memory: 0,
        memory_limit: None,
        cpu_units: 0,
        cpu_limit: 0,
        disk: 0,
        resources: BTreeMap::new(),
        priority: 50,
        kill_timeout: Span::secs(5),
        restart: RestartPolicy::default(),
        containers: vec![Container {
            name: "main".into(),
            setup: vec![],
            teardown: vec![],
            essential: true,
            executor: Executor::Bash(Bash { start: vec!["sleep inf".into()], ..Bash::default() }),
        }],
        checks: vec![check],
    }
}

pub(crate) fn task(id: &str, generation: u64) -> Task {
    Task {
        id: id.into(),
        cluster: "c".into(),
        service: "web".into(),
        task_name: "web".into(),
        version: 1,
        instance: 0,
        generation,
        host: "h1".into(),
        port: None,
        memory: 0,
        cpu_units: 0,
        ports: BTreeMap::new(),
        disk: 0,
        resources: BTreeMap::new(),
        once: None,
        desired: Desired::Run,
        makes_room_for: None,
        reason: "placed".into(),
        tenure: 1,
    }
}
