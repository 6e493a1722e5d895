//! Bad configurations through the command line and the API of a running daemon: each mistake is one line that names the
//! file, the line and the field, the exit code is 2, the status of the API 400, and nothing is written. Inputs 1 to 78 of
//! the list of bad inputs; what that list calls legal, or for the scheduler to say, is accepted here.

mod accepted;
mod checks;
mod names;
mod numbers;
#[path = "../live/processes.rs"]
mod processes;
mod references;
#[path = "../live/show.rs"]
mod show;
mod yaml;

use show::{SOON, Show, send, until};

/// What there is before anything is tried.
const STORED: &str = "\
clusters:
- {name: default, services: [web]}
services:
- {name: web, task_name: web, task_version: 1, desired: 1, min: 0, max: 2, min_healthy_time: 0s}
task_definitions:
- {name: web, version: 1, kill_timeout: 1s, containers: [{name: web, type: bash, executor: {start: [exec sleep 600]}}]}
";

/// A daemon with one service that runs.
pub(crate) struct Board {
    pub(crate) show: Show,
}

impl Board {
    pub(crate) fn start() -> Board {
        let show = Show::start(&[]);
        let file = show.file("stored.yml", STORED);
        show.callboard(&["apply", "-f", &file]).ends(0);
        Board { show }
    }

    /// All that a user can see to be written: the configuration, and what was made of it.
    fn written(&self) -> [String; 3] {
        ["/v1/config", "/v1/services", "/v1/events"].map(|path| {
            let (status, body) = self.show.get(path).expect("the daemon answers");
            assert_eq!(status, 200, "{body}");
            body
        })
    }

    /// Expects of a file these mistakes and no others: each as `line: field`, followed by what its message holds, apart
    /// by ` | `. A mistake of the file as a whole has no line, one of its syntax no field.
    #[track_caller]
    pub(crate) fn refuses(&self, number: &str, file: impl AsRef<[u8]>, mistakes: &[&str]) {
        let before = self.written();
        let path = self.show.file("bad.yml", &file);
        for command in ["apply", "plan"] {
            let said = self.show.callboard(&[command, "-f", &path]);
            let about = format!("input {number}, {command}:\n{}", said.err);
            assert_eq!(said.code, Some(2), "{about}");
            assert_eq!(said.out, "", "{about}");
            expect(&about, &lines(&said.err), &path, mistakes);
        }
        self.answers_400(number, file.as_ref(), mistakes);
        assert_eq!(self.written(), before, "input {number} wrote something");
    }

    /// Expects the same of who asks the API without the command line.
    #[track_caller]
    fn answers_400(&self, number: &str, file: &[u8], mistakes: &[&str]) {
        let about = |body: &str| format!("input {number}, POST /v1/apply:\n{body}");
        let (status, body) =
            send(self.show.ports.first, "POST", "/v1/apply", file).expect("the daemon answers");
        assert_eq!(status, 400, "{}", about(&body));
        let problem: serde_json::Value = serde_json::from_str(&body).expect("the API answers in JSON");
        let line = |problem: &serde_json::Value| {
            let text = |field: &str| problem[field].as_str().unwrap_or_default().to_owned();
            format!("{}: {}", text("where"), text("error"))
        };
        let told = match problem["more"].as_array() {
            Some(more) => more.iter().map(line).collect(),
            None => vec![line(&problem)],
        };
        expect(&about(&body), &told, "body", mistakes);
    }

    /// Expects of a file that it is taken. A plan may still say that it comes to no good end.
    #[track_caller]
    pub(crate) fn takes(&self, number: &str, file: impl AsRef<[u8]>) {
        let path = self.show.file("good.yml", file);
        let said = self.show.callboard(&["plan", "-f", &path]);
        assert!(matches!(said.code, Some(0 | 3)), "input {number}, plan:\n{}", said.err);
        let said = self.show.callboard(&["apply", "--detach", "-f", &path]);
        assert_eq!(said.code, Some(0), "input {number}, apply:\n{}", said.err);
    }

    /// Waits until so many tasks of a service are issued and the scheduler says why so many others are not.
    #[track_caller]
    pub(crate) fn is_blocked(&self, service: &str, issued: u16, missing: u32, why: &str) {
        until(&format!("{issued} of {service} are issued and {missing} not: {why}"), SOON, || {
            let (_, body) = self.show.get(&format!("/v1/services/{service}"))?;
            let view: serde_json::Value = serde_json::from_str(&body).expect("the API answers in JSON");
            let counts = view["issued"] == issued && view["missing"] == missing;
            view["blocked"].as_str().filter(|said| counts && said.contains(why)).map(drop)
        });
    }
}

/// Gives the mistakes among the messages of a command: hints and counts belong to them.
fn lines(messages: &str) -> Vec<String> {
    let messages = messages.strip_prefix("callboard: ").unwrap_or(messages);
    let mistakes = messages
        .lines()
        .filter(|line| !line.starts_with("  hint: ") && !line.ends_with(" things are wrong"))
        .map(String::from);
    mistakes.collect()
}

/// The most characters that a message may have, for the values in it are shortened.
const WIDTH_MAX: usize = 500;

#[track_caller]
fn expect(about: &str, told: &[String], path: &str, mistakes: &[&str]) {
    assert_eq!(told.len(), mistakes.len(), "one line for each mistake: {about}");
    for (line, mistake) in told.iter().zip(mistakes) {
        let mut parts = mistake.split(" | ");
        let place = match parts.next() {
            Some("") | None => format!("{path}: "),
            Some(place) => format!("{path}:{place}: "),
        };
        assert!(line.starts_with(&place), "{line:?} does not begin with {place:?}: {about}");
        let missing = parts.find(|part| !line.contains(part));
        assert_eq!(missing, None, "{about}");
        assert!(line.chars().count() <= WIDTH_MAX + path.len(), "too long: {about}");
        assert!(!line.chars().any(char::is_control), "control characters: {about}");
    }
}

/// Sets a field of the last object of a file, or adds it: lines keep their order.
fn with(file: &str, field: &str) -> String {
    let name = field.split(':').next().unwrap_or_default();
    let is_it = |line: &&str| line.trim_start_matches(['-', ' ']).starts_with(&format!("{name}:"));
    match file.lines().find(is_it) {
        Some(line) => {
            let indent = &line[..2];
            file.replace(line, &format!("{indent}{field}"))
        }
        None => format!("{file}  {field}\n"),
    }
}

/// A service with another field.
pub(crate) fn service(field: &str) -> String {
    with(
        "services:\n- name: api\n  task_name: web\n  task_version: 1\n  desired: 4\n  min: 3\n  max: 5\n",
        field,
    )
}

/// A task definition with another field.
pub(crate) fn definition(field: &str) -> String {
    with(
        "task_definitions:\n- name: api\n  version: 1\n  containers: [{name: api, type: bash, executor: {start: [run]}}]\n",
        field,
    )
}
