//! What would happen is asked of a running cluster by each option of `callboard rehearse`, and `apply` heeds the answer; a
//! journal that was changed is seen to be.

use crate::files::{Web, server};
use crate::show::{SOON, Show, until};
use serde_json::{Value, json};
use servers::{Faults, Proxy};
use std::process::Stdio;

const COUNTS: (u32, u32, u32) = (3, 2, 4);

fn playing() -> Show {
    let show = Show::start(&[]);
    show.apply(&server(1, COUNTS, "")).ends(0);
    show
}

/// Keeps the state of a show, with more hosts that are like its own and empty, and gives the file.
fn with_hosts(show: &Show, hosts: &[&str]) -> String {
    let file = show.file("state.json", "");
    show.callboard(&["rehearse", "--drain", "h1", "--save-state", &file, "--seeds", "1"]);
    let kept = std::fs::read_to_string(&file).expect("the state was kept");
    let mut state: Value = serde_json::from_str(&kept).expect("a state is JSON");
    let entries = state["entries"].as_array_mut().expect("a list");
    let own: Vec<Value> = ["hosts/h1/registration", "hosts/h1/alive"]
        .into_iter()
        .map(|key| entries.iter().find(|entry| entry["key"] == key).expect("h1 is there").clone())
        .collect();
    for host in hosts {
        entries.extend(own.iter().map(|entry| {
            let renamed = entry.to_string().replace("hosts/h1/", &format!("hosts/{host}/"));
            let mut entry: Value = serde_json::from_str(&renamed).expect("JSON");
            let value = entry["value"].as_str().expect("a text").replace("\"h1\"", &format!("\"{host}\""));
            entry["value"] = json!(value);
            entry
        }));
    }
    entries.sort_by_key(|entry| entry["key"].as_str().map(str::to_owned));
    show.file("hosts.json", state.to_string())
}

#[test]
fn a_drain_is_played_before_it_is_done() {
    let show = playing();
    let lonely = show.callboard(&["rehearse", "--drain", "h1"]).ends(3);
    let lonely =
        lonely.tells("stop  default-web-1-0 on h1: its host is being drained\n").tells("waits: web: ");
    let again = lonely.out.lines().last().and_then(|line| line.strip_prefix("again: callboard "));
    assert_eq!(again, Some("rehearse --drain h1 --seed 1 --seeds 1"));
    // With one seed its story is told, step by step.
    let story = show.callboard(&["rehearse", "--drain", "h1", "--seed", "1", "--seeds", "1"]).ends(3);
    story
        .tells("  default-web-1-0 on h1 told to stop: its host is being drained\n")
        .tells("  default-web-1-0 is gone from h1\n");

    let state = with_hosts(&show, &["h2"]);
    let line = ["rehearse", "--drain", "h1", "--state", &state];
    let roomy = show.callboard(&line).ends(0).tells(" from h1 to h2").tells(": its host is being drained\n");
    let roomy = roomy.tells("\n0 started, 0 stopped, 3 moved; ");
    roomy.complains("every promise is kept with each of 20 seeds; nothing was written");
    let forecast = show.callboard(&[&line[..], &["-o", "json"]].concat()).ends(0).json();
    let hosts = |list: &str| -> Vec<Value> {
        forecast[list].as_array().expect("a list").iter().map(|task| task["host"].clone()).collect()
    };
    assert_eq!(
        (hosts("started"), hosts("stopped")),
        (vec![json!("h2"); 3], vec![json!("h1"); 3]),
        "{forecast}"
    );
    let fare = &forecast["services"]["web"];
    assert_eq!((&fare["lowest"], &fare["end"]), (&2.into(), &3.into()), "never fewer than min: {forecast}");
    assert_eq!(show.list(&["hosts", "h1"])["state"], "ready", "it was only played");
}

#[test]
fn hosts_are_lost_when_it_is_said() {
    let show = playing();
    let state = with_hosts(&show, &["h2", "h3"]);
    let lost = |more: &[&str]| {
        let line = ["rehearse", "--lose", "host=h1", "--state", &state, "--seeds", "3", "-o", "json"];
        show.callboard(&[&line[..], more].concat())
    };
    // All three were there: they come back elsewhere, which is too late for `min`.
    let forecast = lost(&["--lose-after", "10m"]).ends(3).json();
    let fare = &forecast["services"]["web"];
    assert_eq!((&fare["lowest"], &fare["end"]), (&0.into(), &3.into()), "{forecast}");
    assert_eq!(forecast["broken"][0]["about"], "min", "{forecast}");
    assert_eq!(forecast["broken"][0]["seeds"], 3, "with each seed: {forecast}");
    let again = forecast["again"].as_str().expect("a command");
    assert!(again.contains("--lose host=h1 --lose-after 600000ms --state "), "{again}");
    // Whoever has nothing on it loses nothing.
    let line = ["rehearse", "--lose", "host=h2", "--state", &state, "--seeds", "3"];
    show.callboard(&line).ends(0).tells("0 started, 0 stopped, 0 moved; ");
    lost(&["--lose-after", "soon"]).ends(2).complains("--lose-after");
}

/// What goes wrong by itself is the same with the same seed, and the command shown looks as far and as hard.
#[test]
fn faults_and_hours_are_looked_into() {
    let show = playing();
    let state = with_hosts(&show, &["h2", "h3"]);
    let file = show.file("next.yml", server(2, COUNTS, "").yaml());
    let ask = |more: &[&str]| {
        show.callboard(&[&["rehearse", "-f", &file, "--state", &state, "-o", "json"], more].concat())
    };
    let calm = ask(&["--seeds", "3"]).ends(0).json();
    let usual = ask(&["--seeds", "3", "--faults", "usual", "--hours", "6"]);
    let same = ask(&["--seeds", "3", "--faults", "usual", "--hours", "6"]);
    assert_eq!((usual.code, &usual.out), (same.code, &same.out));
    let rough = ask(&["--seeds", "3", "--faults", "rough", "--hours", "6"]).ends(3).json();
    assert_eq!((&calm["broken"], &calm["again"]), (&json!([]), &Value::Null));
    let again = rough["again"].as_str().expect("a command");
    assert!(again.contains(" --faults rough --hours 6 --state "), "{again}");
    let line: Vec<&str> = again.split(' ').skip(1).chain(["-o", "json"]).collect();
    let alone = show.callboard(&line).ends(3).json();
    assert_eq!(alone["broken"][0]["what"], rough["broken"][0]["what"], "that seed tells the same");
    ask(&["--hours", "0"]).ends(2).complains("--hours");
    ask(&["--faults", "many"]).ends(2).complains("usual");
}

/// What is applied is what was rehearsed: when somebody writes meanwhile, nothing is.
#[test]
fn what_changed_meanwhile_is_not_overwritten() {
    let show = playing();
    let good = show.file("good.yml", server(2, COUNTS, "").yaml());
    let proxy = Proxy::http(show.ports.first, 1);
    proxy.set(Faults { held: true, only: "POST /v1/apply", ..Faults::default() });
    let mut asked = show.asking(&["apply", "--rehearse", "-f", &good]);
    asked.env("CALLBOARD_ADDR", format!("http://127.0.0.1:{}", proxy.port()));
    let asked =
        asked.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program can be started");
    until("it was rehearsed and is applied", SOON, || (proxy.kept() == 1).then_some(()));
    show.callboard(&["scale", "web", "4"]).ends(0);
    proxy.set(Faults::default());
    let answer = asked.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&answer.stderr);
    assert_eq!(answer.status.code(), Some(5), "{said}");
    assert!(said.contains("the configuration was changed since it was rehearsed"), "{said}");
    assert!(said.contains("nothing was applied; rehearse again"), "{said}");
    let service = show.service("web").expect("a service");
    assert_eq!((&service["version"], &service["desired"]), (&1.into(), &4.into()), "{service}");
    // Asked once more, it is.
    show.callboard(&["apply", "--rehearse", "-f", &good]).ends(0).complains("applying it");
    assert_eq!(show.service("web").expect("a service")["version"], 2);
}

/// What would not come to a good end is a no, with the command that shows why; the cluster stays as it is.
#[test]
fn what_would_wait_is_not_applied() {
    let show = playing();
    let huge = Web { memory: 900_000, ..server(2, COUNTS, "") };
    let huge = show.file("huge.yml", huge.yaml());
    let said = show.callboard(&["apply", "--rehearse", "-f", &huge]).ends(3).complains("nothing was applied");
    let again =
        said.out.lines().last().and_then(|line| line.strip_prefix("again: callboard ")).expect("a command");
    let line: Vec<&str> = again.split(' ').collect();
    assert_eq!(line[..3], ["rehearse", "-f", &huge]);
    show.callboard(&line).ends(3).tells("waits: web: 3 are not placed: 1 host without 900000 MiB");
    let service = show.service("web").expect("a service");
    assert_eq!((&service["version"], &service["healthy"]), (&1.into(), &3.into()), "{service}");
}

/// How a journal begins.
const MAGIC: &[u8] = b"callboard journal\n";

/// The checksum of a record.
fn checksum(bytes: &[u8]) -> u64 {
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    let length = u64::try_from(bytes.len()).expect("it is short");
    let (words, rest) = bytes.as_chunks::<8>();
    let begun = mix(0xcbf2_9ce4_8422_2325, length);
    let all = words.iter().fold(begun, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    rest.iter().fold(all, |hash, byte| mix(hash, u64::from(*byte)))
}

/// Puts words in the place of others, as long, in the first record that has them, and makes its checksum right.
fn altered(journal: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let (mut rest, mut written, mut number) = (&journal[MAGIC.len()..], MAGIC.to_vec(), 0);
    let mut is_done = false;
    while rest.len() > 12 {
        let length = u32::from_le_bytes(rest[..4].try_into().expect("four bytes"));
        let end = 12 + usize::try_from(length).expect("it is short");
        let Some(content) = rest.get(12..end) else { break };
        let mut content = content.to_vec();
        let at = content.windows(from.len()).position(|part| part == from.as_bytes());
        // The first two say who speaks, and how the machine stood.
        if let Some(at) = at.filter(|_| number > 1 && !is_done) {
            content[at..at + to.len()].copy_from_slice(to.as_bytes());
            is_done = true;
        }
        written.extend(length.to_le_bytes());
        written.extend(checksum(&content).to_le_bytes());
        written.extend(content);
        (rest, number) = (&rest[end..], number + 1);
    }
    assert!(is_done, "no record has {from:?}");
    written
}

#[test]
fn a_changed_journal_is_not_as_it_was() {
    let mut show = playing();
    show.kill();
    let path = show.data_dir().join("journal/scheduler-000001.journal");
    let journal = std::fs::read(path).expect("the scheduler keeps a journal");
    let play = |name: &str, journal: &[u8]| {
        let file = show.file(name, journal);
        let said = show.callboard(&["sim", "replay", &file]);
        (file, said)
    };
    play("same.journal", &altered(&journal, "placed on h1", "placed on h1")).1.ends(0).tells("placed on h1");

    // Another effect than the machine's own.
    let (file, said) = play("effect.journal", &altered(&journal, "placed on h1", "placed on h2"));
    let said =
        said.ends(3).complains(&format!("{file}: step ")).complains("is not as it was, from its effect ");
    let said = said.complains("\n  then: note: default-web-1-0 placed on h2: spread: ");
    let said = said.complains("\n  now:  note: default-web-1-0 placed on h1: spread: ");
    let said = said.complains("callboard version");
    assert!(!said.out.contains("every effect as it was"), "{}", said.out);
    assert!(said.out.contains("took the lock"), "what came before is shown: {}", said.out);
    let json = show.callboard(&["sim", "replay", &file, "-o", "json"]).ends(3).json();
    let difference = &json[0]["replay"]["difference"];
    let last = json[0]["replay"]["steps"].as_array().and_then(|steps| steps.last()).expect("steps");
    assert_eq!(difference["number"], last["number"], "the first difference ends it: {json}");

    // Another input than came: the machine does something else now.
    let (_, said) = play("input.journal", &altered(&journal, "config/services/web", "config/services/wob"));
    said.ends(3).complains("then: nothing\n  now:  note: config/services/wob: speaks of \"web\"");

    // One bit, and the checksum of its record is wrong, while whole records follow.
    let mut flipped = journal.clone();
    let at = journal.windows(12).position(|part| part == b"placed on h1").expect("it was placed");
    flipped[at] ^= 1;
    let (file, said) = play("flipped.journal", &flipped);
    let said = said
        .ends(2)
        .complains(&format!("{file}: is damaged: it was changed after it was written"))
        .complains(" bytes cannot be played");
    assert!(!said.out.contains("its writer was ended"), "{}", said.out);

    // What was cut off at the end is told, and all before it is played.
    let (_, said) = play("torn.journal", &journal[..journal.len() - 7]);
    said.ends(0).tells(" bytes make no whole step: its writer was ended in the middle of it");
    play("other.journal", b"callboard journal\nand nothing else").1.ends(2).complains("is no journal");
}
