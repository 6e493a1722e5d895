//! What the scheduler decides, told as stories: the real machine and the real store semantics, puppets for agents.

mod bad_hosts;
mod batches;
mod grace;
mod homes;
mod kept;
mod lateness;
mod neighbors;
mod offers;
mod packing;
mod preemption;
mod remedies;
mod restored;
mod rollouts;
mod stale;
mod systems;
mod turns;

use callboard_core::keys::Key;
use callboard_core::machine::Span;
use callboard_core::model::{Desired, MoveRequest, Task};
use callboard_core::placement::Obstacle;
use callboard_core::scheduler::explain;
use callboard_core::store::Outcome;
use callboard_core::world::{Presence, World};
use stage::{Act, Stage};
use std::collections::{BTreeMap, BTreeSet};

fn web(hosts: u32, counts: (u32, u32, u32)) -> Stage {
    let mut stage = Stage::new(hosts);
    stage.definition("app", 1, 256);
    stage.service("web", 1, counts);
    stage.cluster("default", &["web"]);
    stage.run(Span::secs(30));
    stage
}

fn versions(stage: &Stage) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    for task in stage.running("web") {
        *counts.entry(task.version).or_insert(0) += 1;
    }
    counts
}

#[test]
fn places_what_is_desired_evenly() {
    let stage = web(4, (8, 6, 10));
    assert_eq!(versions(&stage), [(1, 8)].into());
    let mut hosts: BTreeMap<String, usize> = BTreeMap::new();
    for task in stage.running("web") {
        *hosts.entry(task.host.to_string()).or_insert(0) += 1;
    }
    assert_eq!(hosts.values().collect::<BTreeSet<_>>(), [&2].into(), "{hosts:?}");
    let ports: BTreeSet<_> = stage.running("web").iter().map(|task| (task.host.clone(), task.port)).collect();
    assert_eq!(ports.len(), 8, "a port is given away twice");
}

#[test]
fn rolls_within_min_and_max() {
    let mut stage = web(4, (4, 3, 4));
    stage.lowest.clear();
    stage.definition("app", 2, 256);
    stage.service("web", 2, (4, 3, 4));
    stage.run(Span::secs(120));
    assert_eq!(versions(&stage), [(2, 4)].into(), "{:#?}", stage.notes);
    assert_eq!(stage.lowest["web"], 3);
    assert_eq!(stage.most["web"], 4);
    assert!(stage.notes.iter().any(|note| note == "web: version 2 is rolled out and healthy"));
}

#[test]
fn a_bad_build_stops_by_itself_and_heals() {
    for act in [Act::Unhealthy, Act::Failed, Act::Ignore] {
        let mut stage = web(4, (4, 3, 4));
        stage.lowest.clear();
        stage.acts.insert(2, act);
        stage.definition("app", 2, 256);
        stage.service("web", 2, (4, 3, 4));
        stage.run(Span::secs(600));
        assert_eq!(versions(&stage), [(1, 4)].into(), "{act:?}: {:#?}", stage.notes);
        assert_eq!(stage.lowest["web"], 3);
        assert!(stage.notes.iter().any(|note| note.starts_with("web: version 2 is not rolled out")));
        stage.definition("app", 3, 256);
        stage.service("web", 3, (4, 3, 4));
        stage.run(Span::secs(120));
        assert_eq!(versions(&stage), [(3, 4)].into());
        assert_eq!(stage.lowest["web"], 3);
    }
}

#[test]
fn a_first_version_that_fails_says_so_and_is_tried_now_and_then() {
    let mut stage = Stage::new(4);
    stage.acts.insert(1, Act::Failed);
    stage.definition("app", 1, 256);
    stage.service("web", 1, (4, 3, 4));
    stage.cluster("default", &["web"]);
    stage.run(Span::secs(600));
    let commits = stage.commits;
    stage.run(Span::secs(3600));
    assert!(
        stage.commits - commits < 3 * 4 * 3600 / 300 * 2,
        "{} writes in an hour",
        stage.commits - commits
    );
    let blocked: Vec<String> =
        stage.scheduler.world().blocked.values().map(|blocked| blocked.why.clone()).collect();
    assert!(blocked[0].contains("version 1 failed"), "{blocked:?}");
    // What was wrong is mended: nobody has to say so.
    stage.acts.clear();
    stage.run(Span::secs(600));
    assert_eq!(versions(&stage), [(1, 4)].into());
    assert!(stage.notes.iter().any(|note| note == "web: version 1 is rolled out and healthy"));
}

#[test]
fn replaces_the_tasks_of_a_lost_host() {
    let mut stage = web(4, (8, 6, 10));
    stage.silence("h0001");
    stage.run(Span::secs(20));
    assert_eq!(
        stage.running("web").iter().filter(|task| &*task.host == "h0001").count(),
        2,
        "moved before the grace"
    );
    stage.run(Span::secs(40));
    let running = stage.running("web");
    assert_eq!(running.len(), 8);
    assert!(running.iter().all(|task| &*task.host != "h0001"), "{:#?}", stage.notes);
    let left = stage.tasks().into_iter().filter(|task| task.desired == Desired::Stop).count();
    assert_eq!(left, 2, "the records of a lost host stay until their end is confirmed");
    stage.wake_up("h0001");
    stage.run(Span::secs(10));
    assert_eq!(stage.tasks().len(), 8);
}

#[test]
fn moves_nothing_when_every_host_is_silent() {
    let mut stage = web(4, (8, 6, 10));
    let before = stage.tasks();
    for host in 0..4 {
        stage.silence(&format!("h{host:04}"));
    }
    stage.run(Span::secs(3600));
    assert_eq!(stage.tasks(), before);
    for host in 0..4 {
        stage.wake_up(&format!("h{host:04}"));
    }
    stage.run(Span::secs(60));
    assert_eq!(stage.tasks(), before);
}

#[test]
fn drains_without_dipping_below_min() {
    let mut stage = web(4, (4, 4, 5));
    stage.lowest.clear();
    stage.drain("h0000", true);
    stage.run(Span::secs(60));
    assert!(stage.running("web").iter().all(|task| &*task.host != "h0000"));
    assert_eq!(stage.running("web").len(), 4);
    assert_eq!(stage.lowest["web"], 4);
}

#[test]
fn scales_and_deletes() {
    let mut stage = web(4, (4, 3, 10));
    stage.service("web", 1, (9, 3, 10));
    stage.run(Span::secs(30));
    assert_eq!(stage.running("web").len(), 9);
    stage.service("web", 1, (2, 1, 10));
    stage.run(Span::secs(30));
    assert_eq!(stage.running("web").len(), 2);
    stage.delete(&Key::Service("web".into()));
    stage.run(Span::secs(30));
    assert_eq!(stage.tasks().len(), 0, "{:#?}", stage.notes);
    assert_eq!(stage.store.entries("state/services/").count(), 0);
    let held: Vec<String> = stage.store.entries("state/ledger/").map(|entry| entry.value.clone()).collect();
    assert!(held.iter().all(|ledger| ledger == r#"{"schema":1,"clusters":{}}"#), "{held:?}");
}

#[test]
fn long_words_of_agents_break_no_transaction() {
    let mut stage = web(4, (8, 6, 10));
    let before: BTreeSet<u64> = stage.running("web").iter().map(|task| task.generation).collect();
    for task in stage.running("web") {
        let (id, generation, reason) = (task.id.clone(), task.generation, "x".repeat(60_000));
        let key = Key::Move(task.host.clone(), task.id.clone());
        stage.write(&key, &MoveRequest { id, generation, reason });
    }
    stage.run(Span::secs(300));
    let running = stage.running("web");
    assert_eq!(running.len(), 8);
    assert!(running.iter().all(|task| !before.contains(&task.generation)), "not moved: {:#?}", stage.notes);
}

#[test]
fn a_record_of_a_newer_version_is_left_alone_with_all_it_speaks_of() {
    let mut stage = web(4, (4, 3, 8));
    let (key, value) = ("state/services/web", r#"{"schema":2,"service":"web","phase":"later"}"#);
    stage.write_text(key, value.into());
    stage.service("web", 1, (6, 3, 8));
    stage.run(Span::secs(60));
    let found: Vec<_> = stage.store.entries(key).map(|entry| entry.value.clone()).collect();
    assert_eq!(found, [value]);
    assert_eq!(stage.running("web").len(), 4);
    assert!(stage.notes.iter().any(|note| note.contains("upgrade Callboard")), "{:#?}", stage.notes);
    let blocked = &stage.scheduler.world().blocked[&("default".into(), "web".into())];
    assert_eq!(blocked.missing, 2);
    assert!(blocked.why.starts_with("state/services/web: is of schema 2"), "{}", blocked.why);
}

#[test]
fn says_why_nothing_fits() {
    let mut stage = web(2, (4, 3, 4));
    stage.definition("app", 2, 20_000);
    stage.service("web", 2, (4, 3, 4));
    stage.run(Span::secs(60));
    let blocked = &stage.scheduler.world().blocked[&("default".into(), "web".into())];
    assert_eq!((blocked.missing, &*blocked.why), (4, "2 hosts without 20000 MiB of free memory"));
    assert_eq!(versions(&stage), [(1, 4)].into(), "a task was stopped for one that fits nowhere");
}

#[test]
fn a_full_cluster_rolls_by_stopping_first() {
    let mut stage = Stage::new(2);
    stage.cluster("default", &["web"]);
    for (version, max) in [(1, 5), (2, 5), (3, 4)] {
        stage.definition("app", version, 8_192);
        stage.service("web", version, (4, 3, max));
        stage.run(Span::secs(120));
        assert_eq!(versions(&stage), [(version, 4)].into(), "{:#?}", stage.notes);
        assert!(version == 1 || stage.lowest["web"] == 3);
        stage.lowest.clear();
    }
}

#[test]
fn an_unknown_outcome_places_nothing_twice() {
    let mut stage = Stage::new(4);
    stage.answer = |commit, outcome| if commit % 3 == 0 { Outcome::Unknown("cut".into()) } else { outcome };
    stage.definition("app", 1, 256);
    stage.service("web", 1, (40, 30, 40));
    stage.cluster("default", &["web"]);
    stage.run(Span::secs(60));
    assert_eq!(stage.tasks().len(), 40);
    assert_eq!(stage.most["web"], 40);
}

#[test]
fn what_nobody_knows_the_outcome_of_cannot_come_to_pass_later() {
    let tenure = |stage: &Stage| stage.store.get("schedulers/default").map(|lock| lock.revision);
    let mut stage = web(4, (4, 3, 40));
    let first = tenure(&stage);
    stage.service("web", 1, (8, 3, 40));
    stage.run(Span::secs(30));
    assert_eq!((stage.tasks().len(), tenure(&stage)), (8, first));
    // Each transaction names the tenure that it is sent under: none of before is taken any more.
    stage.answer = |commit, outcome| if commit % 3 == 0 { Outcome::Unknown("cut".into()) } else { outcome };
    stage.service("web", 1, (40, 3, 40));
    stage.run(Span::secs(60));
    assert_eq!(stage.tasks().len(), 40);
    assert!(first.is_some() && tenure(&stage) > first);
}

#[test]
fn clusters_never_give_a_port_or_a_byte_away_twice() {
    let mut stage = Stage::new(2);
    stage.definition("app", 1, 4_096);
    stage.service("web", 1, (20, 0, 20));
    stage.service("api", 1, (20, 0, 20));
    stage.cluster("one", &["web"]);
    stage.cluster("two", &["api"]);
    stage.run(Span::secs(60));
    assert_eq!(stage.tasks().len(), 8, "two hosts hold four each");
    let ports: BTreeSet<_> = stage.tasks().iter().map(|task| (task.host.clone(), task.port)).collect();
    assert_eq!(ports.len(), 8);
}

#[test]
fn another_placement_gets_another_port() {
    // A stranger may hold the first one.
    let mut stage = web(1, (1, 0, 2));
    let before = stage.running("web").remove(0);
    stage.act_of.insert(before.id.to_string(), Act::Failed);
    stage.run(Span::secs(5));
    stage.act_of.clear();
    stage.run(Span::secs(60));
    let after = stage.running("web").remove(0);
    assert_eq!(after.id, before.id);
    assert_ne!(after.port, before.port);
}

#[test]
fn nothing_changed_writes_nothing() {
    let mut stage = web(4, (8, 6, 10));
    stage.run(Span::secs(60));
    let (commits, revision) = (stage.commits, stage.store.revision());
    stage.run(Span::secs(3600));
    assert_eq!((stage.commits, stage.store.revision()), (commits, revision));
}

#[test]
fn junk_records_are_isolated() {
    let mut stage = web(4, (4, 3, 4));
    stage.tolerated = vec!["S5: stray: a copy under h0000 without its record"];
    for (key, value) in [
        ("config/services/bad", "{"),
        (
            "config/services/other",
            r#"{"name":"web","task_name":"app","task_version":1,"desired":0,"min":0,"max":0}"#,
        ),
        ("config/clusters/x", "[]"),
        ("state/tasks/_/junk", "null"),
        ("state/tasks/h0000/stray", "17"),
        ("state/ledger/h0009", "{\"clusters\":5}"),
        ("hosts/h0001/usage", "nonsense"),
        ("status/h0002/x", "{}"),
        ("state/whatever", "{}"),
    ] {
        stage.write_text(key, value.into());
    }
    stage.service("web", 1, (6, 3, 6));
    stage.run(Span::secs(60));
    assert_eq!(stage.running("web").len(), 6, "{:#?}", stage.notes);
    assert!(stage.scheduler.world().problems.contains_key("config/services/bad"));
    // A record that turns unreadable is not a record that is gone.
    stage.write_text("config/services/web", "not json".into());
    stage.run(Span::secs(60));
    assert_eq!(stage.running("web").len(), 6);
}

#[test]
fn a_half_record_is_mended() {
    let mut stage = web(4, (4, 3, 4));
    let task = stage.running("web").remove(0);
    stage.delete(&Key::HostTask(task.host.clone(), task.id.clone()));
    stage.run(Span::secs(10));
    let copy = stage.store.get(&Key::HostTask(task.host.clone(), task.id.clone()).path());
    let own = stage.store.get(&Key::Task(task.id.clone()).path());
    assert_eq!(copy.map(|entry| &entry.value), own.map(|entry| &entry.value));
}

#[test]
fn a_copy_of_which_its_agent_says_nothing_is_cleared_away() {
    let mut stage = web(2, (1, 0, 1));
    let known = stage.running("web").remove(0);
    let copy = Task { id: "default-web-1-7".into(), instance: 7, generation: 1, ..known };
    let key = Key::HostTask(copy.host.clone(), copy.id.clone());
    stage.write(&key, &copy);
    stage.run(Span::secs(10));
    assert!(stage.store.get(&key.path()).is_none(), "{:#?}", stage.notes);
}

#[test]
fn what_is_too_many_goes_before_it_has_proven_itself_where_none_need_be_left() {
    let mut stage = Stage::new(4);
    stage.definition("app", 1, 256);
    stage.service("web", 1, (4, 3, 5));
    stage.cluster("default", &["web"]);
    stage.run(Span::secs(1));
    stage.service("web", 1, (0, 0, 1));
    stage.run(Span::secs(1));
    assert_eq!(stage.running("web").len(), 0);
}

#[test]
fn a_drained_host_says_that_it_is() {
    let mut stage = web(2, (2, 1, 4));
    stage.drain("h0000", true);
    stage.run(Span::secs(10));
    let (world, key) = (stage.scheduler.world(), ("default".into(), "web".into()));
    let definition = world.definition("app", 1).expect("it was written");
    let service = world.services.get("web").expect("it was written");
    let told = explain(world, stage.now, &key, service, definition);
    let of =
        |host: &str| told.hosts.iter().find(|reason| &*reason.host == host).map(|it| it.obstacles.clone());
    assert_eq!(of("h0000"), Some(vec![Obstacle::Draining]));
    assert_eq!(of("h0001"), Some(vec![]));
}

#[test]
fn hosts_that_fall_silent_are_given_up_at_a_pace() {
    // Of how many how many fall silent, and how many are given up when they first may be and a minute later.
    for (hosts, silent, at_first, later) in [(60, 18, 11, 18), (30, 12, 1, 7), (4, 3, 1, 3)] {
        let mut stage = web(hosts, (4, 0, 8));
        (0..silent).for_each(|host| stage.silence(&format!("h{host:04}")));
        let lost = |stage: &Stage| {
            let hosts = stage.scheduler.world().hosts.values();
            hosts.filter(|host| host.presence == Presence::Lost).count()
        };
        stage.run(Span(31_500));
        assert_eq!(lost(&stage), at_first, "{silent} of {hosts}");
        stage.run(Span::secs(60));
        assert_eq!(lost(&stage), later, "{silent} of {hosts}");
    }
}

#[test]
fn what_was_out_of_sight_has_its_time_anew_and_no_more() {
    let mut stage = web(4, (4, 3, 5));
    stage.acts.insert(2, Act::Unhealthy);
    stage.definition("app", 2, 256);
    stage.service("web", 2, (4, 3, 5));
    stage.run(Span::secs(20));
    let new: Vec<Task> = stage.running("web").into_iter().filter(|task| task.version == 2).collect();
    assert_eq!(new.len(), 1);
    stage.silence(&new[0].host);
    stage.run(Span::secs(10));
    stage.wake_up(&new[0].host);
    let is_kept = |stage: &Stage| stage.running("web").contains(&new[0]);
    stage.run(Span::secs(65));
    assert!(is_kept(&stage));
    stage.run(Span::secs(10));
    assert!(!is_kept(&stage));
}

#[test]
fn another_version_is_tried_at_once_where_the_last_one_failed() {
    let mut stage = Stage::new(1);
    stage.acts.insert(1, Act::Failed);
    stage.definition("app", 1, 256);
    stage.definition("app", 2, 256);
    stage.service("web", 1, (2, 0, 2));
    stage.cluster("default", &["web"]);
    // By then it is avoided for minutes.
    stage.run(Span::secs(500));
    stage.service("web", 2, (2, 0, 2));
    stage.run(Span::secs(1));
    assert_eq!(versions(&stage), [(2, 2)].into(), "{:#?}", stage.notes);
}

#[test]
fn what_the_store_forgot_is_adopted_only_where_its_port_is_free() {
    let stage = web(1, (1, 0, 3));
    let known = stage.running("web").remove(0);
    for (port, adopted) in [(known.port, false), (Some(20_042), true)] {
        let mut stage = stage.clone();
        let orphan = Task { id: "default-web-1-7".into(), instance: 7, generation: 1, port, ..known.clone() };
        stage.write(&Key::Orphan(orphan.host.clone(), orphan.id.clone()), &orphan);
        stage.service("web", 1, (2, 0, 3));
        stage.run(Span::secs(1));
        assert_eq!(stage.running("web").iter().any(|task| task.id == orphan.id), adopted, "{port:?}");
    }
}

#[test]
fn nothing_takes_the_place_of_an_exclusive_task_that_may_still_run() {
    let mut stage = Stage::new(3);
    stage.definition("app", 1, 256);
    stage.definition("app", 2, 256);
    stage.exclusive("lead", 1);
    stage.cluster("default", &["lead"]);
    stage.run(Span::secs(30));
    let first = stage.running("lead");
    stage.silence(&first[0].host);
    stage.run(Span::secs(3600));
    assert_eq!(stage.tasks(), first);
    let blocked = &stage.scheduler.world().blocked[&("default".into(), "lead".into())];
    assert!(blocked.why.contains("which is lost"), "{blocked:?}");
    // It is rolled by stopping first, when its host is back.
    stage.exclusive("lead", 2);
    stage.run(Span::secs(60));
    assert_eq!(stage.tasks(), first);
    stage.wake_up(&first[0].host);
    stage.run(Span::secs(30));
    let second = stage.tasks();
    assert_eq!(second.iter().map(|task| task.version).collect::<Vec<_>>(), [2]);
    assert_eq!(stage.most["lead"], 1);
    // A host that was taken out of the fleet has the last word by that.
    stage.silence(&second[0].host);
    stage.delete(&Key::Registration(second[0].host.clone()));
    stage.run(Span::secs(60));
    let third = stage.tasks();
    assert_eq!(third.len(), 1);
    assert_ne!(third[0].host, second[0].host);
}

#[test]
fn the_order_of_what_arrives_together_does_not_matter() {
    let played = |order| {
        let mut stage = Stage::new(5);
        stage.order = order;
        (1..=2).for_each(|version| stage.definition("app", version, 256));
        for service in ["api", "db", "web"] {
            stage.service(service, 1, (4, 3, 6));
        }
        stage.cluster("one", &["web", "api"]);
        stage.cluster("two", &["db"]);
        stage.run(Span::secs(60));
        stage.silence("h0002");
        stage.drain("h0001", true);
        stage.service("web", 2, (5, 3, 6));
        stage.run(Span::secs(120));
        stage.store.entries("").cloned().collect::<Vec<_>>()
    };
    let straight = played(0);
    for order in 1..=20 {
        assert!(played(order) == straight, "order {order}");
    }
}

#[test]
fn fewer_tasks_lie_as_evenly_over_zones_as_many_did() {
    let mut stage = Stage::new(0);
    for (host, zone) in [("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("c1", "c")] {
        stage.host(host);
        stage.label(host, "zone", zone);
    }
    stage.definition("app", 1, 256);
    let service = |desired: u32| {
        serde_json::json!({
            "name": "web", "task_name": "app", "task_version": 1, "desired": desired, "min": 0, "max": 12,
            "placement": {"spread": [{"label": "zone"}]},
        })
    };
    stage.write(&Key::Service("web".into()), &service(9));
    stage.cluster("default", &["web"]);
    stage.run(Span::secs(30));
    let zones = |stage: &Stage| {
        let mut zones: BTreeMap<String, usize> = BTreeMap::new();
        stage.running("web").iter().for_each(|task| *zones.entry(task.host[..1].into()).or_insert(0) += 1);
        zones.into_values().collect::<Vec<_>>()
    };
    assert_eq!(zones(&stage), [3, 3, 3]);
    for (desired, expect) in [(6, vec![2, 2, 2]), (3, vec![1, 1, 1])] {
        stage.write(&Key::Service("web".into()), &service(desired));
        stage.run(Span::secs(60));
        assert_eq!(zones(&stage), expect);
    }
}

#[test]
fn what_is_issued_takes_disk_and_cards_whatever_became_of_the_ledger() {
    let mut stage = Stage::new(1);
    let registration = Key::Registration("h0000".into());
    let entry = stage.store.get(&registration.path()).expect("it is registered");
    let mut has: serde_json::Value = serde_json::from_str(&entry.value).expect("it was written");
    (has["disk"], has["resources"]) = (100.into(), serde_json::json!({"gpu": 1}));
    stage.write(&registration, &has);
    let definition = serde_json::json!({
        "name": "app", "version": 1, "disk": 60, "resources": {"gpu": 1},
        "ports": [{"name": "dns", "protocol": "udp"}],
        "containers": [{"name": "main", "type": "bash", "executor": {"start": ["sleep 1000"]}}],
    });
    stage.write(&Key::Definition("app".into(), 1), &definition);
    stage.service("web", 1, (2, 0, 2));
    stage.cluster("default", &["web"]);
    stage.run(Span::secs(30));
    assert_eq!(stage.running("web").len(), 1, "{:#?}", stage.notes);
    let is_ledger = |key: &str| key.starts_with("state/ledger/");
    let entries: Vec<_> = stage.store.entries("").filter(|entry| !is_ledger(&entry.key)).collect();
    let world = World::of(entries);
    let definition = world.definition("app", 1).expect("it was written");
    let key = ("default".into(), "web".into());
    let told = explain(&world, stage.now, &key, &world.services["web"], definition);
    let [host] = &told.hosts[..] else { panic!("{told:?}") };
    let lacks: Vec<String> = host.obstacles.iter().map(ToString::to_string).collect();
    assert!(lacks.iter().any(|why| why.contains("gpu")), "{lacks:?}");
    assert!(lacks.iter().any(|why| why.contains("disk")), "{lacks:?}");
}

#[test]
fn a_record_that_was_changed_and_is_again_as_it_was_is_not_mended() {
    let mut stage = Stage::new(2);
    stage.outcome_first = true;
    stage.definition("app", 1, 256);
    stage.service("web", 1, (1, 0, 2));
    stage.cluster("default", &["web"]);
    stage.run(Span::secs(30));
    let task = stage.running("web").remove(0);
    for key in [Key::Task(task.id.clone()), Key::HostTask(task.host.clone(), task.id.clone())] {
        let (key, commits) = (key.path(), stage.commits);
        let value = stage.store.get(&key).expect("it is issued").value.clone();
        stage.write_text(&key, value.replace(&task.reason, "somebody's"));
        stage.write_text(&key, value);
        stage.run(Span::secs(10));
        assert_eq!(stage.commits, commits, "{key}: {:#?}", stage.notes);
    }
}
