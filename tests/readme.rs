//! The README's tour, taken by the letter: each command of its `console` blocks is run, in order, against a cluster of its
//! own, and prints what the README says it prints. Numbers may differ, and `...` stands for anything.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A command of the tour and what it shall do.
struct Step {
    line: usize,
    command: String,
    code: i32,
    expected: Vec<String>,
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for (number, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if inside && let Some(command) = line.strip_prefix("$ ") {
            let command = command.to_string();
            steps.push(Step { line: number + 1, command, code: 0, expected: Vec::new() });
        } else if inside && let Some(step) = steps.last_mut() {
            match line.strip_prefix("? ").and_then(|code| code.parse().ok()) {
                Some(code) => step.code = code,
                None => step.expected.push(line.to_string()),
            }
        }
    }
    steps
}

/// Takes numbers and the width of columns out of a line.
fn plain(line: &str) -> String {
    let mut plain = String::new();
    for word in line.split_whitespace() {
        let mut digits = false;
        for letter in word.chars() {
            if letter.is_ascii_digit() {
                if !digits {
                    plain.push('0');
                }
            } else {
                plain.push(letter);
            }
            digits = letter.is_ascii_digit();
        }
        plain.push(' ');
    }
    plain.trim_end().to_string()
}

/// Tells whether a line is as the pattern says, in which `...` stands for anything.
fn fits(pattern: &str, line: &str) -> bool {
    let (pattern, line) = (plain(pattern), plain(line));
    let mut parts = pattern.split("...");
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else { return false };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty() || pattern.ends_with("...")
}

/// Compares line by line; a line `...` stands for any number of lines.
fn same(expected: &[String], lines: &[&str]) -> bool {
    match expected.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first == "..." => (0..=lines.len()).any(|skip| same(rest, &lines[skip..])),
        Some((first, rest)) => lines.first().is_some_and(|line| fits(first, line)) && same(rest, &lines[1..]),
    }
}

fn binary() -> PathBuf {
    let tests = std::env::current_exe().expect("a test knows where it is");
    let binary = tests.ancestors().nth(2).expect("tests lie below the build directory").join("callboard");
    assert!(binary.exists(), "{} is missing: run `cargo build --workspace --bins` first", binary.display());
    binary
}

struct Dev {
    process: Child,
    api: String,
    _state: tempfile::TempDir,
}

impl Drop for Dev {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.process);
        let asked = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        if asked.is_err() || self.process.wait().is_err() {
            let _ = self.process.kill();
        }
    }
}

fn dev() -> Dev {
    let state = tempfile::tempdir().expect("a directory for the state");
    let port =
        TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
    let bind = format!("127.0.0.1:{port}");
    let process = Command::new(binary())
        .args(["dev", "--host", "vm", "--bind", &bind, "--ports", "18000-18999", "--data-dir"])
        .arg(state.path())
        .arg("examples/hello-world.yml")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("callboard dev starts");
    Dev { process, api: format!("http://{bind}"), _state: state }
}

fn run(dev: &Dev, command: &str) -> (Option<i32>, String) {
    let mut words = command.split_whitespace();
    assert_eq!(words.next(), Some("callboard"), "the tour uses callboard: {command}");
    let output = Command::new(binary())
        .args(words)
        .env("CALLBOARD_ADDR", &dev.api)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("callboard starts");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn the_tour_is_as_the_readme_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let steps = steps(&std::fs::read_to_string(path).expect("the README is there"));
    assert!(steps.len() >= 12, "only {} commands in the tour", steps.len());
    let dev = dev();
    let deadline = Instant::now() + Duration::from_secs(60);
    let is_up = || run(&dev, "callboard status").1.contains("1 healthy\n");
    let is_measured = || !run(&dev, "callboard tasks").1.contains("-/");
    while !(is_up() && is_measured()) {
        assert!(Instant::now() < deadline, "the hello world does not become healthy, or is not measured");
        std::thread::sleep(Duration::from_millis(200));
    }
    for step in steps {
        let (code, output) = run(&dev, &step.command);
        let lines: Vec<&str> = output.trim_end().lines().collect();
        let mut expected = step.expected.clone();
        while expected.last().is_some_and(|line| line.trim().is_empty()) {
            expected.pop();
        }
        let place = format!("README.md:{}: {}", step.line, step.command);
        assert_eq!(code, Some(step.code), "{place}\n{output}");
        assert!(same(&expected, &lines), "{place}\nprinted:\n{output}\nexpected:\n{}", expected.join("\n"));
    }
}

/// A block of the page about scenarios: a file to write, or commands to run.
enum Block {
    File(String, String),
    Commands(Vec<Step>),
}

/// Takes the page apart, in its order. A block that is not of commands begins with the name of its file.
fn blocks(text: &str) -> Vec<Block> {
    let lines: Vec<&str> = text.lines().collect();
    let fences: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].starts_with("```")).collect();
    let block = |fences: &[usize]| {
        let (first, last) = (fences[0], fences[1]);
        if lines[first] == "```console" {
            // Empty lines in front keep the numbers of the lines.
            let text = format!("{}{}", "\n".repeat(first), lines[first..=last].join("\n"));
            return Block::Commands(steps(&text));
        }
        let name = lines[first + 1].strip_prefix("# ").expect("a block begins with the name of its file");
        Block::File(name.to_string(), lines[first + 1..last].join("\n") + "\n")
    };
    fences.chunks(2).map(block).collect()
}

#[test]
fn scenarios_are_written_as_their_page_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/scenarios/README.md");
    let blocks = blocks(&std::fs::read_to_string(path).expect("the page is there"));
    assert!(blocks.len() > 12, "only {} blocks", blocks.len());
    let folder = tempfile::tempdir().expect("a folder for the files");
    for block in blocks {
        let steps = match block {
            Block::File(name, text) => {
                std::fs::write(folder.path().join(name), text).expect("the file can be written");
                continue;
            }
            Block::Commands(steps) => steps,
        };
        for step in steps {
            let words = step.command.strip_prefix("callboard ").expect("the page uses callboard").split(' ');
            let output = Command::new(binary()).args(words).current_dir(folder.path()).output();
            let output = output.expect("callboard starts");
            let told = String::from_utf8_lossy(&output.stdout);
            let place = format!("examples/scenarios/README.md:{}: {}", step.line, step.command);
            let whole = format!("{told}{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(output.status.code(), Some(step.code), "{place}\n{whole}");
            let lines: Vec<&str> = told.trim_end().lines().collect();
            assert!(
                same(&step.expected, &lines),
                "{place}\nprinted:\n{whole}\nexpected:\n{}",
                step.expected.join("\n")
            );
        }
    }
}
