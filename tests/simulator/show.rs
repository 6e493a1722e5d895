//! `sim show`: what happens in a scenario, told in the order of time, wherever it is written down.

use crate::stage::Desk;

const TRACED: &str = "name: traced
duration: 12m
settle: 3m
fleet: [{count: 3, memory: 4096}]
host_events: events.csv
arrivals: tasks.csv
timeline:
- {at: 6m, do: drain, names: [host-0002]}
- {at: 1m, do: end_tasks, names: [host-0001]}
";

#[test]
fn what_happens_is_told_in_the_order_of_time() {
    let events = "time,host,event\n120,host-0003,remove\n300,host-0003,add\n";
    let tasks = "time,name,tasks,memory,cpu_units,duration\n30,import,2,512,256,4m\n";
    let desk = Desk::with(&[("traced.yml", TRACED), ("events.csv", events), ("tasks.csv", tasks)]);
    let said = desk.sim(&["show", "traced.yml"]).ends(0);
    let told = said.after("at ");
    let times: Vec<&str> = told.iter().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
    assert_eq!(times, ["30s", "1m", "2m", "4m30s", "6m"], "{}", said.out);
    let json = desk.sim(&["show", "traced.yml", "-o", "json"]).ends(0).json();
    let times = json["timeline"].as_array().expect("a list").iter().map(|it| it["at_ms"].as_u64());
    assert!(times.is_sorted(), "{json}");
}
