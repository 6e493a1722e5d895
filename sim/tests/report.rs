//! A report is the same bytes everywhere, is well formed, and needs nothing but itself.

use callboard_sim::report::{Told, report};
use callboard_sim::{Options, Profile, draw, run};
use std::process::Command;

/// Where the second process is told to write its page to.
const TO: &str = "CALLBOARD_SIM_REPORT";

fn page(seeds: &[u64]) -> String {
    let options = Options { record: true, ..Options::default() };
    let runs: Vec<_> = seeds
        .iter()
        .map(|seed| {
            let scenario = draw(Profile::Small, *seed);
            let outcome = run(&scenario, &options);
            (scenario, outcome)
        })
        .collect();
    let told: Vec<Told<'_>> = runs.iter().map(|(scenario, outcome)| Told { scenario, outcome }).collect();
    report(&told)
}

#[test]
fn two_processes_write_the_same_page() {
    if let Ok(path) = std::env::var(TO) {
        std::fs::write(path, page(&[3, 4])).unwrap();
        return;
    }
    let path = std::env::temp_dir().join(format!("callboard-report-{}", std::process::id()));
    let mut other = Command::new(std::env::current_exe().unwrap());
    let status =
        other.args(["--exact", "two_processes_write_the_same_page"]).env(TO, &path).status().unwrap();
    assert!(status.success());
    let theirs = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(theirs == page(&[3, 4]), "the pages differ");
}

#[test]
fn pages_are_well_formed() {
    for seeds in [&[][..], &[0][..], &[1, 2][..], &[5, 6, 7][..]] {
        well_formed(&page(seeds)).unwrap_or_else(|what| panic!("{seeds:?}: {what}"));
    }
}

#[test]
fn pages_need_no_network_and_no_script() {
    let page = page(&[8, 9]);
    for word in ["<script", "http://", "https://", " src=", "@import", "url(", " onclick=", " onload="] {
        assert!(!page.contains(word), "{word}");
    }
}

/// Takes a page apart: every element that is opened is closed in order, every value is quoted.
fn well_formed(page: &str) -> Result<(), String> {
    const VOID: [&str; 4] = ["meta", "br", "hr", "link"];
    let mut open: Vec<String> = Vec::new();
    let body = page.strip_prefix("<!DOCTYPE html>").ok_or("no doctype")?;
    for part in body.split('<').skip(1) {
        let (tag, text) = part.split_once('>').ok_or_else(|| format!("<{part}: not closed"))?;
        if text.contains('>') && open.last().is_none_or(|name| name != "style") && !tag.starts_with("style") {
            return Err(format!("a bare > in {text:?}"));
        }
        let name: String =
            tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        if tag.matches('"').count() % 2 == 1 {
            return Err(format!("<{tag}>: a value is not closed"));
        }
        if tag.starts_with('/') {
            let last = open.pop().ok_or_else(|| format!("</{name}> was never opened"))?;
            if last != name {
                return Err(format!("</{name}> closes <{last}>"));
            }
        } else if !tag.ends_with('/') && !VOID.contains(&&*name) {
            open.push(name);
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("never closed: {}", open.join(", "))) }
}
