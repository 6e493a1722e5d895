//! Files of rows beside a scenario: what they mean, and their mistakes with file, line and column.

use callboard_sim::scenario::write;
use callboard_sim::{Options, Scenario, read, read_with, run};

fn scenario(text: &str, files: &[(&str, &str)]) -> Result<Scenario, String> {
    let load = |name: &str| {
        let found = files.iter().find(|(file, _)| *file == name);
        found.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| "there is no such file".into())
    };
    let text = format!("name: it\nduration: 10m\n{text}\n");
    read_with("it.yml", text.as_bytes(), &[], &load).map_err(|error| error.to_string())
}

/// Reads a file of rows and gives the mistakes.
fn check(text: &str, file: &str, expect: &str) {
    let found = scenario(text, &[("rows.csv", file)]).map(|_| String::new()).unwrap_or_else(|error| error);
    assert_eq!(found, expect, "{file}");
}

#[test]
fn a_fleet_can_come_from_a_file() {
    let hosts = "host,memory,cpu_units,rack\n# the first rack\nh1,8192,4096,r1\nh2,8192,4096,r1\n17,,,r2\n";
    let read_one = scenario("fleet: {csv: hosts.csv}", &[("hosts.csv", hosts)]).unwrap();
    assert_eq!(read_one.hosts(), 3);
    assert_eq!(read_one.fleet[0].names.len(), 2);
    assert_eq!(read_one.fleet[1].memory, 16_384);
    assert_eq!(read_one.fleet[1].labels["rack"], "r2");
    let back = read("it.yml", write(&read_one).as_bytes()).unwrap();
    assert_eq!(back, read_one);
}

#[test]
fn mistakes_name_file_line_and_column() {
    let fleet = "fleet: {csv: rows.csv}";
    check(fleet, "host,memory\nh1,64\n", "");
    check(
        fleet,
        "host,memory\nh1,64\nh2,lots\n",
        "rows.csv:3: memory: found \"lots\", expected a whole number from 1 to 16777216",
    );
    check(
        fleet,
        "host,memry\nh1,64\n",
        "rows.csv:1: memry: unknown column, expected host, memory, cpu_units, labels; did you mean \"memory\"?",
    );
    check(fleet, "host,memory\nh1\n", "rows.csv:2: 1 columns, expected 2, as in the header");
    check(
        "fleet: {csv: hosts.csv}",
        "",
        "it.yml:3: fleet.csv: found \"hosts.csv\", which cannot be read: there is no such file, expected the path of a \
         CSV file, from where the scenario is",
    );
    check(
        "fleet: [{count: 2}]\nhost_events: rows.csv",
        "time,host,event\n10,host-0001,remov\n",
        "rows.csv:2: event: found \"remov\", expected add, remove or update; did you mean \"remove\"?",
    );
}

#[test]
fn what_happens_to_hosts_can_come_from_a_file() {
    let events = "time,host,event,memory\n0,a,add,1024\n90s,b,add,1024\n100,a,remove,\n160,a,add,\n200,b,update,2048\n300,b,remove,\n";
    let read_one =
        scenario("fleet: [{names: [c], memory: 64}]\nhost_events: e.csv", &[("e.csv", events)]).unwrap();
    assert_eq!(read_one.hosts(), 3);
    let told: Vec<String> =
        write(&read_one).lines().filter(|line| line.starts_with("- {at")).map(String::from).collect();
    assert_eq!(
        told,
        [
            "- {at: 0s, do: crash_hosts, names: [b], reboot_after: 1m30s}",
            "- {at: 1m40s, do: crash_hosts, names: [a], reboot_after: 1m}",
            "- {at: 3m20s, do: resize_hosts, names: [b], memory: 2048}",
            "- {at: 5m, do: crash_hosts, names: [b]}",
        ]
    );
}

#[test]
fn tasks_can_come_and_go_as_a_file_says() {
    let tasks = "time,name,tasks,memory,duration\n30,one,3,64,2m\n1m,two,2,64,\n";
    let text = "fleet: [{count: 3}]\narrivals: t.csv\nexpect: [healthy two by 5m, {healthy_by: {service: one, count: 3, at: 2m}}]";
    let read_one = scenario(text, &[("t.csv", tasks)]).unwrap();
    assert!(
        write(&read_one).contains("{at: 2m30s, do: delete_service, service: one}"),
        "{}",
        write(&read_one)
    );
    let outcome = run(&read_one, &Options::default());
    assert!(outcome.passed, "{}", outcome.summary());
    assert_eq!(outcome.stats.services["two"].healthy, 2);
    assert_eq!(outcome.stats.services["one"].healthy, 0);
    assert!(outcome.stats.starts >= 5, "{}", outcome.stats.starts);
}

#[test]
fn hosts_come_and_go_as_a_file_says() {
    let events = "time,host,event,memory\n2m,b,add,4096\n3m,a,remove,\n4m,a,add,\n5m,a,update,8192\n";
    let text = "settle: 2m\nfleet: [{names: [a], memory: 4096}]\nhost_events: e.csv\n\
        generate: [{prefix: web-, tasks: 2, min: 0, max: 3}]\nexpect: [healthy by 10m, moves >= 1]";
    let read_one = scenario(text, &[("e.csv", events)]).unwrap();
    let outcome = run(&read_one, &Options::default());
    assert!(outcome.passed, "{}", outcome.summary());
}

#[test]
fn a_hundred_thousand_rows_are_read() {
    let mut events = String::from("time,host,event,memory,cpu_units\n");
    for host in 0..50_000 {
        events.push_str(&format!(
            "{},{host},add,16384,4096\n{},{host},remove,,\n",
            host % 7,
            10 + host % 500
        ));
    }
    let read_one = scenario("fleet: [{count: 1}]\nhost_events: e.csv", &[("e.csv", &events)]).unwrap();
    assert_eq!(read_one.hosts(), 50_001);
    let mut tasks = String::from("time,name,tasks,memory,cpu_units,duration\n");
    for row in 0..100_000 {
        tasks.push_str(&format!("{row},t-{row},1,64,10,60\n"));
    }
    let read_one = scenario("fleet: [{count: 1}]\narrivals: t.csv", &[("t.csv", &tasks)]).unwrap();
    assert_eq!(read_one.timeline.len(), 200_000);
}
