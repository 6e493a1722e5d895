//! The README's table of troubles: each is brought about on a daemon of its own, and what `status`, `explain` and `events`
//! then show is what the table says they do.

use crate::docker::Dockyard;
use crate::show::{SOON, Show};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

/// The head of the table.
const HEAD: &str = "| trouble | `status` | `explain SERVICE` | `events` | what to do |";

/// Between two looks that must show the same.
const WHILE: Duration = Duration::from_secs(1);

/// How often each is brought about until it is told.
const TRIES: u32 = 3;

/// A task that cannot do its work.
struct Trouble {
    name: &'static str,
    image: String,
    /// What the container has beside its executor.
    more: &'static str,
    /// What the executor has beside the image.
    executor: String,
    restart: &'static str,
    /// Which line of `explain` tells of it.
    explained: &'static str,
    /// Which event does.
    event: &'static str,
}

impl Trouble {
    /// One that is told by the same words everywhere, and rests after its first failure.
    fn told(name: &'static str, words: &'static str, executor: &str) -> Trouble {
        Trouble {
            name,
            image: servers::BUSYBOX.into(),
            more: "",
            executor: executor.into(),
            restart: "{delay: 1h}",
            explained: words,
            event: words,
        }
    }

    fn yaml(&self) -> String {
        let Trouble { image, more, executor, restart, .. } = self;
        format!(
            "clusters: [{{name: default, services: [ship]}}]
services: [{{name: ship, task_name: ship, task_version: 1, desired: 1, min: 0, max: 1, healthy_deadline: 5m}}]
task_definitions:
- {{name: ship, version: 1, kill_timeout: 1s, memory: 16, restart: {restart},
   containers: [{{name: main, type: docker, {more}executor: {{image: '{image}', {executor}}}}}]}}
"
        )
    }

    /// Brings it about, and gives its row of the table but for what to do: as it is written once it rests there, or else as
    /// it was seen last; `None` when it is not told. An engine that is busy may never tell that memory had run out.
    fn row(&self, written: &[String]) -> Option<Vec<String>> {
        let yard = Dockyard::start(&[]);
        let file = yard.show.file("ship.yml", self.yaml());
        yard.show.callboard(&["apply", "--detach", "-f", &file]).ends(0);
        let (begun, mut last) = (Instant::now(), None);
        while begun.elapsed() < SOON {
            let now = self.seen(&yard.show);
            let rests = now.is_some() && now == last;
            if rests && now.as_deref().is_some_and(|now| written.starts_with(now)) {
                return now;
            }
            last = now;
            std::thread::sleep(WHILE);
        }
        last
    }

    /// Gives the row as it is now, once everything tells of the trouble.
    fn seen(&self, show: &Show) -> Option<Vec<String>> {
        let status = show.callboard(&["status"]).ends(0).out;
        let is_counted = |line: &&str| ["services ", "tasks "].iter().any(|of| line.starts_with(of));
        let counts = status.lines().filter(is_counted).map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            format!("`{}`", words.join(" "))
        });
        let counts: Vec<String> = counts.collect();
        let told = show.callboard(&["explain", "ship"]).ends(0).out;
        let told = told.lines().find(|line| line.contains(self.explained))?;
        let events = show.events();
        let event = events.iter().rfind(|event| event.contains(self.event))?;
        let cell = |line: &str| format!("`{}`", self.plain(line));
        Some(vec![self.name.into(), counts.join(", "), cell(told), cell(event)])
    }

    /// Puts words in the place of names, and `…` in that of what differs from time to time and from engine to engine.
    fn plain(&self, line: &str) -> String {
        let mut line = line.trim().to_owned();
        let names = [("default-ship-1-0", "TASK"), ("ship: ", "SERVICE: "), (" on h1", " on HOST")];
        for (name, word) in names.into_iter().chain([(&*self.image, "IMAGE")]) {
            line = line.replace(name, word);
        }
        let between = [
            ("restarted in ", Some(" (")),
            ("cannot be pulled: ", Some("; is its name right")),
            ("the docker engine says: ", Some(" address already in use")),
            ("placed on HOST: ", None),
        ];
        for (first, last) in between {
            let Some((head, rest)) = line.split_once(first) else { continue };
            let tail = last.and_then(|last| rest.find(last)).map_or("", |at| &rest[at..]);
            line = format!("{head}{first}…{tail}");
        }
        line
    }
}

/// All of them, in the order of the table. `silent` and `taken` are ports that a stranger listens on.
fn troubles(silent: u16, taken: u16) -> [Trouble; 6] {
    let steady = "flags: [--net=none], cmd: [sleep, '1000']";
    let hungry = "flags: [--net=none], cmd: [tail, -c, 500m, /dev/zero]";
    let ends = "flags: [--net=none], cmd: [sh, -c, 'exit 3']";
    [
        Trouble::told("out of memory", "killed for its memory", hungry),
        Trouble {
            restart: "{attempts: 2, delay: 100ms}",
            event: "is not rolled out",
            ..Trouble::told("crash loop", "was given up", ends)
        },
        Trouble {
            image: format!("127.0.0.1:{silent}/slow:7"),
            event: "placed on",
            ..Trouble::told("slow image", "is starting on", steady)
        },
        Trouble {
            image: "127.0.0.1:1/no/such:7".into(),
            ..Trouble::told("missing image", "is not on this host", steady)
        },
        Trouble {
            more: "setup: ['echo no table >&2; exit 9'], ",
            ..Trouble::told("setup that fails", "setup command", steady)
        },
        Trouble::told(
            "port taken by a stranger",
            "address already in use",
            &format!("ports: ['{taken}:80'], cmd: [sleep, '1000']"),
        ),
    ]
}

/// Gives the rows of the table as they stand in the README, cell by cell.
fn rows(readme: &str) -> Vec<Vec<String>> {
    let table = readme.lines().skip_while(|line| *line != HEAD).skip(2);
    let rows = table.map_while(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    rows.map(|row| row.split(" | ").map(str::to_owned).collect()).collect()
}

#[test]
fn what_each_trouble_shows_is_what_the_readme_says() {
    let [silent, taken] =
        [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("some port is free"));
    let port = |of: &TcpListener| of.local_addr().expect("it is bound").port();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let written = rows(&std::fs::read_to_string(path).expect("the README is there"));
    let of = |name: &str| written.iter().find(|row| row.first().is_some_and(|first| first == name));
    let row = |trouble: &Trouble| {
        let written = of(trouble.name).map(Vec::as_slice).unwrap_or_default();
        let told = (0..TRIES).find_map(|_| trouble.row(written));
        told.unwrap_or_else(|| panic!("{} is not told", trouble.name))
    };
    let mut ought: Vec<Vec<String>> = troubles(port(&silent), port(&taken)).iter().map(row).collect();
    silent.set_nonblocking(true).expect("a listener can be told not to wait");
    silent.accept().expect("the engine asked for the slow image");
    // What to do is for people to say.
    for row in &mut ought {
        row.push(of(&row[0]).and_then(|written| written.get(4)).cloned().unwrap_or_default());
    }
    let lines: Vec<String> = ought.iter().map(|row| format!("| {} |", row.join(" | "))).collect();
    assert!(
        written == ought,
        "the README's table of troubles ought to be\n{HEAD}\n|---|---|---|---|---|\n{}",
        lines.join("\n")
    );
    assert!(ought.iter().all(|row| !row[4].is_empty()), "what is to be done about each is said");
}
