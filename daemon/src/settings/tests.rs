//! Says the same setting in several places and looks which one wins.

use super::file::File;
use super::*;
use std::os::unix::fs::PermissionsExt;

/// `HOME` stands for any variable that is set, `CALLBOARD_TEST_UNSET` for one that is not.
fn command() -> Command {
    let option = |name: &'static str| Arg::new(name).long(name);
    let show = Command::new("show")
        .arg(option("home").env("HOME"))
        .arg(option("bind").env("CALLBOARD_TEST_UNSET").default_value("a:1"))
        .arg(option("labels").action(ArgAction::Append))
        .arg(option("ssl").action(ArgAction::SetTrue))
        .arg(option("count").value_parser(clap::value_parser!(u8)))
        .arg(option("token").hide_env_values(true));
    let config = option("config").global(true).value_parser(clap::value_parser!(std::path::PathBuf));
    Command::new("callboard")
        .arg(config)
        .subcommand(Command::new("config").subcommand(show.clone()))
        .subcommand(
            // Options of the same name that are no settings.
            Command::new("tasks").arg(option("bind")),
        )
}

fn run(line: &str) -> anyhow::Result<(ArgMatches, File)> {
    let arguments: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    matches(&command(), &arguments)
}

/// Gives `value from where`; the directory of the file is left out.
#[track_caller]
fn check(file: &str, line: &str, expect: &[(&str, &str)]) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.yml");
    std::fs::write(&path, file).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (matches, file) = run(&format!("callboard config show --config {} {line}", path.display())).unwrap();
    let rows = shown(&command(), &matches, &file);
    let prefix = format!("{}/", dir.path().display());
    for (name, expect) in expect {
        let row = rows.iter().find(|row| row.name == *name).unwrap();
        let value = row.value.as_deref().unwrap_or("-");
        assert_eq!(format!("{value} from {}", row.from.replace(&prefix, "")), *expect, "{name}");
    }
}

#[test]
fn flag_before_variable_before_file_before_default() {
    let home = std::env::var("HOME").unwrap();
    check(
        "{}",
        "",
        &[("bind", "a:1 from default"), ("ssl", "false from default"), ("count", "- from default")],
    );
    let file = "bind: b:2\nhome: /file\nlabels: [x, y]\nssl: true\ncount: 7\n";
    check(
        file,
        "",
        &[
            ("bind", "b:2 from s.yml:1"),
            ("home", &format!("{home} from HOME")),
            ("labels", "x,y from s.yml:3"),
            ("ssl", "true from s.yml:4"),
            ("count", "7 from s.yml:5"),
        ],
    );
    check(
        file,
        "--bind c:3 --home /flag --labels z --count 8",
        &[
            ("bind", "c:3 from --bind"),
            ("home", "/flag from --home"),
            ("labels", "z from --labels"),
            ("count", "8 from --count"),
        ],
    );
}

#[test]
fn a_secret_is_not_shown() {
    check("token: hush", "", &[("token", "(set) from s.yml:1")]);
    check("{}", "--token hush", &[("token", "(set) from --token")]);
    check("{}", "", &[("token", "- from default")]);
}

#[test]
fn the_file_does_not_speak_to_commands_that_are_no_daemons() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.yml");
    std::fs::write(&path, "bind: b:2").unwrap();
    let (matches, _) = run(&format!("callboard --config {} tasks", path.display())).unwrap();
    assert_eq!(matches.subcommand().unwrap().1.get_one::<String>("bind"), None);
}

#[test]
fn all_that_is_wrong_in_a_file_is_told_with_its_line() {
    let known = all(&command());
    let check = |text: &str, expect: &[&str]| {
        let mistakes = File::parse("s.yml", text.as_bytes(), false, &known).unwrap_err();
        assert_eq!(mistakes.iter().map(ToString::to_string).collect::<Vec<_>>(), expect);
    };
    check(
        "bnd: x\n\ncount: 300",
        &[
            "s.yml:1: bnd: unknown setting; did you mean \"bind\"?",
            "s.yml:3: count: found \"300\", 300 is not in 0..=255",
        ],
    );
    check("ssl: maybe", &["s.yml:1: ssl: found \"maybe\", expected true or false"]);
    check("bind: [a, b]", &["s.yml:1: bind: expected a single value"]);
    check("bind: {a: b}", &["s.yml:1: bind: expected a value or a list of values"]);
    check(
        "config: other.yml",
        &["s.yml:1: config: unknown setting; `callboard config show` lists what can be set"],
    );
    check(
        "token: hush",
        &["s.yml:1: token: a secret in a file that other users of this machine may read; chmod 600 it"],
    );
    check("- bind", &["s.yml:1: expected an object, as in bind: 127.0.0.1:7701"]);
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let error = run("callboard --config /nowhere/s.yml tasks").unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/s.yml: the settings file cannot be read"), "{error}");
}
