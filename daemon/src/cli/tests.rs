//! Says to the command line what can be said, and what cannot.

use super::*;
use clap::error::ErrorKind;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("callboard").chain(line.split_whitespace()))
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn what_can_be_said() {
    for line in [
        "dev",
        "dev --data-dir /d a.yml b.yml --keep",
        "combined --store embedded:/d --executor bash --label zone=a --ports 1-2",
        "agent --store memory:",
        "scheduler --store embedded:/d --name other",
        "combined --store consul://127.0.0.1:8500,h:1/team-a",
        "agent --store etcd: --etcd-endpoints a:1,b:2",
        "config show --store consul: --bind 127.0.0.1:1 -o json",
        "apply -f a.yml -f b.yml --detach",
        "apply -f - --timeout 90s",
        "plan -f a.yml -o json",
        "-o json status",
        "services web",
        "tasks --service web --host h1",
        "hosts h1",
        "scale web 4",
        "stop web --detach",
        "start web",
        "delete service web",
        "delete task-definition web 3",
        "drain h1",
        "undrain h1",
        "logs default-web-1-0 -f --tail 10",
        "explain web",
        "events --follow",
        "sim run a.yml --hosts 10 --seed 3",
        "sim run --profile tiny --seeds 5..9 --junit x.xml",
        "sim fuzz --profile small --time 10m --config my.yml --store etcd --keep-going",
        "sim shrink tiny-7 --save somewhere",
        "sim verify --profile tiny --seeds 3",
        "sim crash-points a.yml --at 3 --lost",
        "sim branch tiny-7 --moment 10 --branch 2",
        "sim museum unfenced --seeds 3",
        "completions bash",
        "version --output json",
        "demo-server --port 1 --ignore-term --exit-after 5s",
    ] {
        assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
    }
}

#[test]
fn what_cannot_be_said() {
    let check = |line: &str, kind: ErrorKind| assert_eq!(parse(line).unwrap_err().kind(), kind, "{line}");
    check("statsu", ErrorKind::InvalidSubcommand);
    check("status --outpt json", ErrorKind::UnknownArgument);
    check("status -o yaml", ErrorKind::InvalidValue);
    check("apply", ErrorKind::MissingRequiredArgument);
    check("apply -f a --timeout 5", ErrorKind::ValueValidation);
    check("scale web", ErrorKind::MissingRequiredArgument);
    check("scale web four", ErrorKind::ValueValidation);
    check("scale web -1", ErrorKind::UnknownArgument);
    check("combined --store consul://127.0.0.1:8500:1", ErrorKind::ValueValidation);
    check("combined --store 127.0.0.1:8500", ErrorKind::ValueValidation);
    check("combined --store embedded:", ErrorKind::ValueValidation);
    check("dev --bind here", ErrorKind::ValueValidation);
    check("dev --ports 5-1", ErrorKind::ValueValidation);
    check("drain", ErrorKind::MissingRequiredArgument);
    check("completions cmd", ErrorKind::InvalidValue);
}

#[test]
fn every_command_explains_itself() {
    fn walk(command: &clap::Command) {
        for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
            assert!(inner.get_about().is_some(), "{} has no help", inner.get_name());
            for argument in inner.get_arguments().filter(|argument| !argument.is_hide_set()) {
                assert!(
                    argument.get_help().is_some(),
                    "{} {} has no help",
                    inner.get_name(),
                    argument.get_id()
                );
            }
            walk(inner);
        }
    }
    walk(&Cli::command());
}
