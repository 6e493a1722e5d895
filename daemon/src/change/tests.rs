//! Holds changes to what they say they change.

use super::*;
use crate::views::entries;
use callboard_core::machine::Span;
use callboard_core::model::{Cluster, Kind};

fn service(desired: u32) -> Service {
    Service {
        name: "web".into(),
        task_name: "web".into(),
        task_version: 1,
        kind: Kind::Service,
        desired,
        min: 1,
        max: 9,
        max_parallel: None,
        min_healthy_time: Span::secs(1),
        healthy_deadline: Span::secs(5),
        moves: Vec::new(),
        exclusive: false,
        preempt: false,
        placement: callboard_core::model::Placement::default(),
        stopped: false,
        retry: 0,
    }
}

fn stored(records: &[(&str, String)]) -> Stored {
    entries(records).into_iter().map(|entry| (entry.key.clone(), entry)).collect()
}

fn text(record: &impl Serialize) -> String {
    serde_json::to_string(record).unwrap()
}

fn apply(stored: &Stored, objects: &Configuration) -> (Vec<String>, Vec<Txn>) {
    let writes = super::writes(objects, stored).unwrap();
    let told = differences(stored, &writes)
        .into_iter()
        .map(|change| {
            format!("{} {} {}", change.object, change.change, change.fields.join(", ")).trim().to_owned()
        })
        .collect();
    (told, transactions(stored, &writes))
}

#[test]
fn what_is_new_is_created_and_what_is_the_same_is_left_alone() {
    let objects = Configuration { services: vec![service(4)], ..Configuration::default() };
    let (told, txns) = apply(&Stored::new(), &objects);
    assert_eq!(told, ["services/web created"]);
    assert_eq!(txns.len(), 1);
    assert!(matches!(txns[0].guards[0], Guard::Absent { .. }));

    let store = stored(&[("config/services/web", text(&service(4)))]);
    let (told, txns) = apply(&store, &objects);
    assert_eq!(told, ["services/web unchanged"]);
    assert_eq!(txns, []);
}

#[test]
fn a_change_names_its_fields_and_guards_its_revision() {
    let store = stored(&[("config/services/web", text(&service(4)))]);
    let (told, txns) =
        apply(&store, &Configuration { services: vec![service(6)], ..Configuration::default() });
    assert_eq!(told, ["services/web changed desired: 4 → 6"]);
    assert!(matches!(&txns[0].guards[0], Guard::At { revision, .. } if revision.0 == 1));
}

#[test]
fn what_commands_set_outlives_an_apply() {
    let before = Service { stopped: true, retry: 3, ..service(4) };
    let drained = HostConfig { name: "h1".into(), draining: true, reserved_ports: vec![] };
    let store = stored(&[("config/services/web", text(&before)), ("config/hosts/h1", text(&drained))]);
    let host = HostConfig { name: "h1".into(), draining: false, reserved_ports: vec![22] };
    let objects = Configuration { services: vec![service(4)], hosts: vec![host], ..Configuration::default() };
    let (told, _) = apply(&store, &objects);
    assert_eq!(told, ["services/web unchanged", "hosts/h1 changed reserved_ports: default → [22]"]);
    let writes = super::writes(&objects, &store).unwrap();
    assert_eq!(summary(&store, &writes).warnings.len(), 1);
}

#[test]
fn many_writes_make_several_transactions_fit_to_send() {
    let services: Vec<Service> =
        (0..150).map(|number| Service { name: format!("s{number}").as_str().into(), ..service(1) }).collect();
    let cluster = Cluster {
        name: "c".into(),
        scheduler: "default".into(),
        services: services.iter().map(|service| service.name.clone()).collect(),
        policy: callboard_core::model::Policy::Spread,
        placement: callboard_core::model::Choice::Best,
        host_grace: Span::secs(30),
    };
    let (_, txns) = apply(
        &Stored::new(),
        &Configuration { services, clusters: vec![cluster], ..Configuration::default() },
    );
    assert_eq!(txns.iter().map(|txn| txn.ops.len()).collect::<Vec<_>>(), [60, 60, 31]);
    assert!(txns.iter().all(|txn| txn.fault().is_none()));
    assert_eq!(txns[2].ops[30].key(), "config/clusters/c");
}

#[test]
fn a_damaged_record_is_overwritten() {
    let store = stored(&[("config/services/web", "{".into())]);
    let (told, txns) =
        apply(&store, &Configuration { services: vec![service(4)], ..Configuration::default() });
    assert_eq!(told, ["services/web changed the stored record was damaged"]);
    assert_eq!(txns.len(), 1);
}
