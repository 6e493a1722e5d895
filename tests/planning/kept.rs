//! What a host keeps away itself: an engine that is away keeps docker tasks alone, a policy what it refuses.

use callboard_core::keys::Key;
use callboard_core::machine::Span;
use callboard_core::model::Registration;
use callboard_core::placement::Obstacle;
use callboard_core::scheduler::{Explanation, explain};
use serde_json::{Value, json};
use stage::Stage;

/// A host with both executors, and a service of a docker and one of a bash task.
fn ship_and_web() -> Stage {
    let mut stage = Stage::new(1);
    let executors = [
        ("ship", json!({"type": "docker", "executor": {"image": "ship:1"}})),
        ("web", json!({"type": "bash", "executor": {"start": ["sleep 1000"]}})),
    ];
    for (name, mut container) in executors {
        container["name"] = "main".into();
        let definition = json!({"name": name, "version": 1, "containers": [container]});
        stage.write(&Key::Definition(name.into(), 1), &definition);
        stage.of_kind(name, 1, &json!({"task_name": name, "desired": 1, "max": 1}));
    }
    stage.cluster("default", &["ship", "web"]);
    stage
}

/// Has the host register anew, with such a policy.
fn register(stage: &mut Stage, policy: &Value) {
    let key = Key::Registration("h0000".into());
    let entry = stage.store.get(&key.path()).expect("it is registered");
    let mut registration: Registration = serde_json::from_str(&entry.value).expect("a registration");
    registration.executors = vec!["bash".into(), "docker".into()];
    registration.policy = serde_json::from_value(policy.clone()).expect("a policy");
    stage.write(&key, &registration);
    stage.run(Span::secs(30));
}

/// Has the agent say which executors cannot start anything.
fn report(stage: &mut Stage, unfit_for: &Value) {
    let usage = json!({"memory_total": 16_384, "memory_used": 1000, "unfit_for": unfit_for});
    stage.write(&Key::Usage("h0000".into()), &usage);
    stage.run(Span::secs(30));
}

fn running(stage: &Stage) -> [usize; 2] {
    ["ship", "web"].map(|service| stage.running(service).len())
}

fn explained(stage: &Stage) -> Explanation {
    let world = stage.scheduler.world();
    let definition = world.definition("ship", 1).expect("it was written");
    explain(world, stage.now, &("default".into(), "ship".into()), &world.services["ship"], definition)
}

/// The one task waits, the other runs; says so to users, and what would place it.
fn check(stage: &Stage, obstacle: &Obstacle, [blocked, host, remedy]: [&str; 3]) {
    assert_eq!(running(stage), [0, 1], "{:#?}", stage.notes);
    let waits = format!("ship: 1 not placed: 1 host {blocked}");
    assert!(stage.notes.contains(&waits), "{:#?}", stage.notes);
    let told = explained(stage);
    let [reason] = &told.hosts[..] else { panic!("{told:?}") };
    assert_eq!((&reason.obstacles[..], &*reason.to_string()), (&[obstacle.clone()][..], host));
    assert_eq!(told.remedies.first().map(ToString::to_string).as_deref(), Some(remedy));
}

/// The other one runs, too, and stays where it is.
fn is_placed(stage: &Stage) {
    assert_eq!(running(stage), [1, 1], "{:#?}", stage.notes);
    assert_eq!(explained(stage).remedies, []);
}

#[test]
fn a_host_whose_engine_is_away_takes_what_needs_none() {
    let mut stage = ship_and_web();
    report(&mut stage, &json!({"docker": "the engine does not answer"}));
    register(&mut stage, &json!({}));
    let obstacle = Obstacle::UnfitFor { executor: "docker", why: "the engine does not answer".into() };
    let host = "unfit for docker: the engine does not answer";
    let remedy = "fits on h0000 once docker can start tasks there (the engine does not answer)";
    check(&stage, &obstacle, ["unfit for docker", host, remedy]);
    report(&mut stage, &json!({}));
    is_placed(&stage);
    // What runs is left alone when the engine is away again.
    report(&mut stage, &json!({"docker": "the engine does not answer"}));
    assert_eq!(running(&stage), [1, 1]);
}

#[test]
fn nothing_is_sent_where_a_policy_refuses_it() {
    let mut stage = ship_and_web();
    register(&mut stage, &json!({"docker": {"images": ["busybox"]}, "bash": {}}));
    let why = "container main: image \"ship:1\" may not run here (what may: busybox)";
    let host = format!("its policy refuses {why}");
    let remedy = format!("fits on h0000 once its policy allows {why}");
    check(&stage, &Obstacle::Policy(why.into()), ["whose policy refuses it", &host, &remedy]);
    register(&mut stage, &json!({"docker": {"images": ["busybox", "ship"]}, "bash": {}}));
    is_placed(&stage);
}
