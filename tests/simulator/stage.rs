//! A directory for one test, in which the program is run as a user would run it, and scenarios that fail or pass there.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Five tasks on three hosts: one host is lost for good, a bad version is rolled out, another host is drained.
pub(crate) const BAD_DAY: &str = "name: bad-day
duration: 10m
settle: 3m
fleet: [{count: 3, memory: 4096}]
generate: [{prefix: web-, tasks: 5, min: 2, max: 8, memory: 256, versions: 2}]
builds: [{task: web-001, version: 2, never_healthy: true}]
timeline:
- {at: 2m, do: crash_hosts, names: [host-0001]}
- {at: 4m, do: set_service, service: web-001, task_version: 2}
- {at: 6m, do: drain, names: [host-0002]}
";

/// What does not come true on that day.
pub(crate) const IN_VAIN: &str = "expect: [rollout web-001 done]\n";

/// A service whose tasks are first looked at after ten minutes: it is never complete within a drawn world, so that each
/// breaks a promise, however good the scheduler is.
pub(crate) const SLOW: &str = "clusters: [{name: shop, services: [web]}]
services: [{name: web, task_name: web, task_version: 1, desired: 2, min: 1, max: 3}]
task_definitions:
- name: web
  version: 1
  provide_port: true
  memory: 64
  containers: [{name: web, type: bash, executor: {start: [exec serve]}}]
  checks: [{http: \"http://127.0.0.1\", add_provided_port: true, interval: 10m}]
";

/// A directory of a user's own.
pub(crate) struct Desk {
    dir: TempDir,
}

impl Desk {
    /// Lays files on a new one.
    pub(crate) fn with(files: &[(&str, &str)]) -> Desk {
        let dir =
            tempfile::Builder::new().prefix("callboard-sim-").tempdir().expect("a directory can be made");
        let desk = Desk { dir };
        files.iter().for_each(|(name, text)| desk.write(name, text));
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file can be written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Makes a command that works here, without running it.
    pub(crate) fn command(&self, line: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(line).current_dir(self.dir.path()).stdin(Stdio::null());
        for name in ["RUST_LOG", "CALLBOARD_ADDR", "CALLBOARD_CONFIG", "CALLBOARD_TOKEN_FILE"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs a command of the simulator here.
    pub(crate) fn sim(&self, line: &[&str]) -> Said {
        let output = self.command(&[&["sim"], line].concat()).output().expect("the program can be started");
        Said::of(line.join(" "), &output)
    }

    /// Runs a command that was shown, as a shell takes it.
    pub(crate) fn shown(&self, command: &str) -> Said {
        let line = command.strip_prefix("callboard sim ").expect("a command of the simulator");
        let words = words(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.sim(&words)
    }
}

/// Takes a line apart as a shell does, where it quotes with `'` only.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            words.last_mut().expect("there is one").push_str(part);
            continue;
        }
        let mut parts = part.split(' ');
        words.last_mut().expect("there is one").push_str(parts.next().unwrap_or_default());
        words.extend(parts.map(str::to_owned));
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Finds the program under test, next to the tests.
fn binary() -> PathBuf {
    let own = std::env::current_exe().expect("a test knows where it is");
    let binary = own.ancestors().nth(2).expect("tests lie below the build directory").join("callboard");
    assert!(binary.exists(), "{} is missing: run `cargo build --workspace --bins` first", binary.display());
    binary
}

/// Gives the path of a file of this project.
pub(crate) fn shipped(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).to_string_lossy().into_owned()
}

/// What a command answered.
#[derive(Debug)]
pub(crate) struct Said {
    command: String,
    code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    fn of(command: String, output: &Output) -> Said {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { command, code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    fn whole(&self) -> String {
        format!("callboard sim {}\n--- out\n{}--- err\n{}", self.command, self.out, self.err)
    }

    /// Expects an exit code.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Said {
        assert_eq!(self.code, Some(code), "{}", self.whole());
        self
    }

    /// Expects words on standard output.
    #[track_caller]
    pub(crate) fn tells(self, words: &str) -> Said {
        assert!(self.out.contains(words), "no {words:?} in {}", self.whole());
        self
    }

    /// Expects that words are not on standard output.
    #[track_caller]
    pub(crate) fn hides(self, words: &str) -> Said {
        assert!(!self.out.contains(words), "{words:?} in {}", self.whole());
        self
    }

    /// Expects words among the messages.
    #[track_caller]
    pub(crate) fn complains(self, words: &str) -> Said {
        assert!(self.err.contains(words), "no {words:?} in {}", self.whole());
        self
    }

    /// Expects the last line of standard output.
    #[track_caller]
    pub(crate) fn concludes(self, line: &str) -> Said {
        assert_eq!(self.out.lines().last(), Some(line), "{}", self.whole());
        self
    }

    /// Gives the lines that begin so, without that.
    pub(crate) fn after(&self, beginning: &str) -> Vec<&str> {
        self.out.lines().filter_map(|line| line.trim_start().strip_prefix(beginning)).collect()
    }

    /// Gives the only line that begins so, without that.
    #[track_caller]
    pub(crate) fn the(&self, beginning: &str) -> &str {
        let found = self.after(beginning);
        assert_eq!(found.len(), 1, "{beginning:?} begins not one line in {}", self.whole());
        found[0]
    }

    /// Reads standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.whole()))
    }
}
