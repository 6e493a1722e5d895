//! The rules of the house that a compiler does not hold: sizes, openings, words, layers, and what lies at the top.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const LINES_MAX: usize = 600;
const WIDTH_MAX: usize = 125;

/// The files that belong to the project: those in version control, and new ones that are not ignored.
fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .expect("git lists the files");
    assert!(output.status.success(), "git: {}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).expect("paths are UTF-8");
    let files: Vec<PathBuf> =
        listed.lines().map(PathBuf::from).filter(|path| root.join(path).is_file()).collect();
    assert!(files.len() > 20, "too few files to be the project: {}", files.len());
    files
}

fn read(path: &Path) -> Option<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()
}

fn sources() -> Vec<(PathBuf, String)> {
    let rust = files().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    rust.filter_map(|path| read(&path).map(|text| (path, text))).collect()
}

fn report(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_top_level_shows_the_architecture() {
    let allowed = [
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE",
        "README.md",
        "core",
        "backends",
        "executors",
        "sim",
        "daemon",
        "benches",
        "examples",
        "tests",
    ];
    let mut faults = Vec::new();
    for path in files() {
        let top = path.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        if !top.starts_with('.') && !allowed.contains(&&*top) {
            faults.push(format!("{}: not one of the names at the top", path.display()));
        }
    }
    report(faults);
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().count();
        if lines > LINES_MAX {
            faults
                .push(format!("{}: {lines} lines, at most {LINES_MAX}: split it by concept", path.display()));
        }
        if !text.starts_with("//!") {
            faults.push(format!("{}: does not open with `//!` and what it decides", path.display()));
        }
        // Tests hold messages of the product, whole and greppable.
        let is_test = path.components().any(|part| part.as_os_str() == "tests");
        for (number, line) in text.lines().enumerate().filter(|_| !is_test) {
            if line.chars().count() > WIDTH_MAX {
                faults.push(format!("{}:{}: wider than {WIDTH_MAX} columns", path.display(), number + 1));
            }
        }
    }
    report(faults);
}

#[test]
fn no_lint_is_switched_off() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            let line = line.trim_start();
            let allows = ["#[allow(", "#![allow(", "#[expect(", "#![expect("];
            if allows.iter().any(|allow| line.starts_with(allow)) {
                faults.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }
    report(faults);
}

#[test]
fn no_test_is_ignored_and_nothing_is_left_to_do() {
    // Written so that this file does not find itself.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("#[ig", "nore")];
    let mut faults = Vec::new();
    for path in files() {
        let Some(text) = read(&path) else { continue };
        for (number, line) in text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) && path != Path::new("tests/tidy.rs") {
                faults.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    report(faults);
}

#[test]
fn files_have_names_of_things() {
    let vague = ["util", "utils", "helper", "helpers", "manager", "misc", "common", "info", "data"];
    let mut faults = Vec::new();
    for path in files() {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        if vague.contains(&&*stem) {
            faults.push(format!("{}: say what it is", path.display()));
        }
    }
    report(faults);
}

/// `core` knows nobody, `sim` knows no client of a real server, nobody knows the daemon.
#[test]
fn layers_point_one_way() {
    let allowed: [(&str, &[&str]); 5] = [
        ("core", &[]),
        ("backends", &["core"]),
        ("executors", &["core"]),
        ("sim", &["core", "backends"]),
        ("daemon", &["core", "backends", "executors", "sim"]),
    ];
    let mut faults = Vec::new();
    for (layer, below) in allowed {
        let manifest = read(&Path::new(layer).join("Cargo.toml")).expect("each layer has a manifest");
        for (other, _) in allowed {
            if manifest.contains(&format!("callboard-{other}.workspace")) && !below.contains(&other) {
                faults.push(format!("{layer} depends on {other}"));
            }
        }
    }
    let sim = read(Path::new("sim/Cargo.toml")).unwrap_or_default();
    for client in ["reqwest", "etcd-client", "bollard", "tokio"] {
        if sim.contains(client) {
            faults.push(format!("sim depends on {client}"));
        }
    }
    report(faults);
}

/// What the compiler lets through in a crate without `std`, and what a driver might be tempted to hand in.
#[test]
fn the_core_is_pure() {
    let banned =
        ["std::", "f32", "f64", "HashMap", "HashSet", "println!", "tracing", "async ", ".await", "unsafe"];
    let mut faults = Vec::new();
    for (path, text) in sources() {
        if !path.starts_with("core/src") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if let Some(word) = banned.iter().find(|word| code.contains(**word)) {
                faults.push(format!(
                    "{}:{}: {word} in the core: {}",
                    path.display(),
                    number + 1,
                    line.trim()
                ));
            }
        }
    }
    let lib = read(Path::new("core/src/lib.rs")).unwrap_or_default();
    assert!(lib.contains("#![no_std]"), "the core is built without std");
    report(faults);
}

#[test]
fn every_module_file_is_reached() {
    let sources = sources();
    let mut faults = Vec::new();
    for (path, _) in &sources {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let is_root = ["lib", "main", "mod"].contains(&&*stem)
            || path.parent().is_some_and(|parent| {
                ["bin", "tests", "benches", "examples"].iter().any(|root| parent.ends_with(root))
            });
        let named = sources.iter().any(|(_, text)| {
            [format!("mod {stem};"), format!("mod {stem} {{")].iter().any(|line| text.contains(line))
        });
        if !is_root && !named {
            faults.push(format!("{}: no module names it", path.display()));
        }
    }
    report(faults);
}
