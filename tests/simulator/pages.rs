//! The page of `--report`: what stands on it and in which order, and that it needs nothing but itself.

use crate::stage::{BAD_DAY, Desk, IN_VAIN};

fn desk() -> Desk {
    Desk::with(&[("day.yml", BAD_DAY), ("vain.yml", &format!("{BAD_DAY}{IN_VAIN}"))])
}

/// Runs both, the one that passes first, and gives the page.
fn page(desk: &Desk, name: &str) -> String {
    desk.sim(&["run", "day.yml", "vain.yml", "--report", name]).ends(3).concludes("1 passed, 1 failed");
    desk.read(name)
}

/// Expects parts one after the other, and gives what follows the last.
#[track_caller]
fn in_order<'a>(text: &'a str, parts: &[&str]) -> &'a str {
    parts.iter().fold(text, |rest, part| {
        rest.split_once(part).unwrap_or_else(|| panic!("no {part:?} after what comes before it")).1
    })
}

/// Gives the part of a page from a heading to the next.
#[track_caller]
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let from = page.find(&format!("<h2>{heading}</h2>")).unwrap_or_else(|| panic!("no {heading:?}"));
    let section = &page[from..];
    &section[..section.find("</section>").expect("it ends")]
}

#[test]
fn verdicts_come_first() {
    let page = page(&desk(), "page.html");
    let body = page.split_once("<body>").expect("a body").1;
    assert!(
        body.starts_with("<header><h1>2 rehearsals: 1 passed, 1 failed</h1><table>"),
        "{}",
        body.split("</table>").next().unwrap_or_default()
    );
    let head = body.split("</header>").next().expect("a header");
    // What failed stands above what passed, whichever was run first.
    in_order(head, &["bad-day</a>", "✗ failed", "<td>rollout</td>", "bad-day</a>", "✓ passed"]);
    // Each run begins with its verdict and, where something was broken, with that.
    let failed = in_order(body, &["<article id=\"run-0\">"]);
    in_order(failed, &["<article id=\"run-1\"><h1>bad-day <span class=\"badge good\">✓ passed</span></h1>"]);
    let verdict = "<h1>bad-day <span class=\"badge bad\">✗ failed</span></h1><section class=\"broken\"><h2>What was broken</h2>";
    assert!(failed.starts_with(verdict), "{}", failed.split("</section>").next().unwrap_or_default());
    let broken = section(failed, "What was broken");
    in_order(broken, &["10m", "rollout", "web-001: version 2 is given up", "expected: done"]);
    in_order(
        failed,
        &["To see it again: <code>callboard sim run vain.yml --hosts 3 --seed 1</code>", "<h2>The run</h2>"],
    );
    assert_eq!(page.matches("<h2>What was broken</h2>").count(), 1);
}

#[test]
fn everything_stands_in_its_place() {
    let page = page(&desk(), "page.html");
    let runs: Vec<&str> = page.split("<article ").skip(1).collect();
    assert_eq!(runs.len(), 2);
    let headings = [
        "The run",
        "What happened, and what it cost",
        "Services",
        "The fleet",
        "What waited, and why",
        "What had to move",
        "Decisions",
        "Why tasks were told to stop",
        "Promises that were watched over",
    ];
    for run in runs {
        in_order(run, &headings.map(|heading| format!("<h2>{heading}</h2>")).each_ref().map(String::as_str));
    }
    let expected = section(&page, "What was expected");
    in_order(expected, &["the rollout of web-001 is completed", "version 2: "]);
    assert_eq!(page.matches("<h2>What was expected</h2>").count(), 1, "of one run nothing was");
    let cost = section(&page, "What happened, and what it cost");
    in_order(
        cost,
        &["2m", "host-0001: power loss: all that runs is gone", "web-001 fell to 3 of 5 healthy", "45s"],
    );
    let moved = section(&page, "What had to move");
    in_order(moved, &["its host is being drained", "its host is lost", "not healthy within 1m"]);
    let decisions = section(&page, "Decisions");
    in_order(decisions, &["2m43.0s", "host-0001: lost, silent for 30s", "rolling out version 2"]);
}

/// Gives where drawings that show this have it, from left to right.
fn places(drawing: &str, title: &str) -> Vec<String> {
    let rects = drawing.split("<rect ").filter(|rect| rect.contains(title));
    rects.filter_map(|rect| rect.split(" x=\"").nth(1)?.split('"').next().map(str::to_owned)).collect()
}

/// Faults, services and decisions are drawn over one time: what happened is above what was decided of it.
#[test]
fn all_drawings_have_the_same_time() {
    let page = page(&desk(), "page.html");
    let run = section(&page, "The run");
    in_order(
        run,
        &["0s</text>", "all tasks</text>", "happened</text>", "hosts away</text>", "decided</text>"],
    );
    let (services, fleet) = (section(&page, "Services"), section(&page, "The fleet"));
    in_order(
        services,
        &["<b>web-001</b> short once; the deepest: 3 of 5 healthy", "<svg ", "2m – 2m45.1s: 3 of 5 healthy"],
    );
    let loss = "<title>2m: host-0001: power loss";
    let at = places(run, loss).first().cloned().expect("the fault is drawn over the run");
    assert_eq!(places(services, loss), [at.as_str()], "and at the same place over the service");
    let down = places(fleet, "<title>host-0001, 2m – 10m: 0 % memory in use; 1 of 1 off");
    assert_eq!(down, [at.as_str()], "and where the host goes dark in the heat map");
    let x = |text: &str| text.parse::<f64>().expect("a place");
    let moved = places(run, "2 placed, 0 stopped as wanted, 2 moved elsewhere");
    assert!(!moved.is_empty() && moved.iter().all(|place| x(place) > x(&at)), "{moved:?} after {at}");
    let ticks = |drawing: &str| -> Vec<String> {
        let svg = drawing.split("<svg ").nth(1).unwrap_or_default();
        svg.split("class=\"tick mid\" ")
            .skip(1)
            .map(|tick| tick.split(" y=").next().unwrap_or_default().to_owned())
            .collect()
    };
    assert!(ticks(run).len() > 5, "{:?}", ticks(run));
    assert_eq!((ticks(services), ticks(fleet)), (ticks(run), ticks(run)));
}

/// A row a host, darker the more memory is in use.
#[test]
fn the_fleet_is_a_heat_map() {
    let page = page(&desk(), "page.html");
    let fleet = section(&page, "The fleet");
    in_order(
        fleet,
        &[
            "<b>Memory in use</b>",
            ">host-0001</text>",
            ">host-0002</text>",
            ">host-0003</text>",
            "Memory issued",
        ],
    );
    let cells = fleet.split("<rect ").filter(|rect| rect.contains("memory in use</title>"));
    let shades: std::collections::BTreeSet<&str> =
        cells.filter_map(|cell| cell.split("class=\"").nth(1)?.split('"').next()).collect();
    assert!(shades.len() > 1 && shades.iter().all(|shade| shade.starts_with('h')), "{shades:?}");
}

#[test]
fn what_waits_is_told_with_the_reason() {
    let desk = desk();
    let set = ["--set", "fleet.0.memory=300", "--set", "timeline=[]", "--report", "small.html"];
    desk.sim(&[&["run", "day.yml"], &set[..]].concat()).ends(0);
    let waited = desk.read("small.html");
    let waited = section(&waited, "What waited, and why");
    in_order(waited, &["web-001", ">2<", "3.1s", "the end", "3 hosts without 256 MiB of free memory"]);
    let calm = page(&desk, "page.html");
    assert!(
        section(&calm, "What waited, and why")
            .contains("Nothing: every task that was wanted found a place at once.")
    );
}

#[test]
fn it_is_the_same_bytes_each_time_and_needs_nothing() {
    let desk = desk();
    let (first, second) = (page(&desk, "a.html"), page(&desk, "b.html"));
    assert!(first == second, "two runs write two pages");
    for word in ["<script", "http://", "https://", " src=", "@import", "url(", "<iframe", "<link"] {
        assert!(!first.contains(word), "{word}");
    }
    assert!(!first.contains(&*desk.path("").to_string_lossy()), "the page names this machine's directory");
    desk.sim(&["run", "day.yml", "--report", "none/page.html"])
        .ends(1)
        .complains("none/page.html cannot be written");
}
