//! What an agent says to what its host is offered.

use crate::stage::{Stage, definition, task};
use callboard_core::model::{Bid, Docker, Executor, Offer, Task};

/// What the task that runs there needs.
const IMAGE: &str = "web:1";
const RESERVED: u32 = 64;

/// Gives an offer of a task that reserves so much, and needs these images.
fn offer(number: u64, memory: u64, images: &[&str]) -> String {
    let images = images.iter().map(ToString::to_string).collect();
    let offer = Offer { service: "api".into(), cluster: "main".into(), number, version: 1, memory, images };
    serde_json::to_string(&offer).expect("offers can be written")
}

fn bid(stage: &Stage) -> Option<(u64, u32, u32)> {
    let entry = stage.store.entries.get("hosts/h1/bids/api")?;
    let bid: Bid = serde_json::from_str(&entry.value).expect("a bid");
    Some((bid.number, bid.memory, bid.images))
}

/// Runs a task that reserves [`RESERVED`] on a machine of 1,000 MiB, and offers it another one.
fn check(used: u64, of_task: u64, offered: &str, expect: Option<(u64, u32, u32)>) {
    let mut stage = Stage::new();
    let mut web = definition();
    web.containers[0].executor = Executor::Docker(Docker { image: IMAGE.into(), ..Docker::default() });
    stage.define(&web);
    stage.serve(2, 1);
    stage.issue(&Task { memory: RESERVED.into(), ..task("web-1", 20) });
    stage.usage.memory_used = used;
    stage.usage.tasks = [("web-1".into(), of_task)].into();
    stage.run(20);
    stage.put("hosts/h1/offers/api", offered);
    stage.run(2);
    assert_eq!(bid(&stage), expect);
}

#[test]
fn a_bid_is_what_would_be_left_of_the_machine() {
    let used = u64::from(RESERVED);
    check(200, used, &offer(7, 100, &[]), Some((7, 700, 200)));
    check(200, 0, &offer(7, 100, &[]), Some((7, 700 - RESERVED, 200)));
    check(900, used, &offer(7, 101, &["other:1"]), Some((7, 0, 0)));
    check(200, used, &offer(7, 0, &[IMAGE]), Some((7, 800, 200)));
    check(200, used, &offer(7, 0, &[IMAGE, "other:1"]), Some((7, 800, 100)));
    check(200, used, "junk", None);
}

#[test]
fn an_offer_is_answered_once_and_the_answer_goes_with_it() {
    let mut stage = Stage::with_task("web-1");
    stage.run(20);
    stage.put("hosts/h1/offers/api", &offer(7, 100, &[]));
    stage.run(2);
    let first = bid(&stage);
    assert_eq!(first.map(|(number, ..)| number), Some(7));
    stage.usage.memory_used = 500;
    stage.run(30);
    assert_eq!(bid(&stage), first);
    stage.put("hosts/h1/offers/api", &offer(8, 100, &[]));
    stage.run(2);
    assert_eq!(bid(&stage).map(|(number, memory, _)| (number, memory < 410)), Some((8, true)));
    stage.restart();
    stage.run(30);
    assert_eq!(bid(&stage).map(|(number, ..)| number), Some(8));
    stage.delete(&["hosts/h1/offers/api"]);
    stage.run(2);
    assert_eq!(bid(&stage), None);
}
