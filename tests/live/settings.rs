//! Where settings come from, and what is said of those that are wrong.

use crate::show::{Said, program, run};
use std::os::unix::fs::PermissionsExt;

fn callboard(variables: &[(&str, &str)], line: &[&str]) -> Said {
    let mut command = program();
    command.envs(variables.iter().copied()).args(line);
    run(command, line)
}

/// Expects `value from where` for one setting.
#[track_caller]
fn check(variables: &[(&str, &str)], line: &[&str], name: &str, expect: &str) {
    let said = callboard(variables, &[&["config", "show", "-o", "json"], line].concat()).ends(0).json();
    let row = said.as_array().expect("a list").iter().find(|row| row["name"] == name);
    let row = row.unwrap_or_else(|| panic!("{name} is not shown"));
    let value = row["value"].as_str().unwrap_or("-");
    assert_eq!(format!("{value} from {}", row["from"].as_str().unwrap_or_default()), expect, "{name}");
}

#[test]
fn flag_before_variable_before_file_before_default() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let file = dir.path().join("callboard.yml");
    std::fs::write(&file, "store: 'memory:'\netcd_endpoints: file:1\nexecutors: [bash]\n")
        .expect("a file can be written");
    let path = file.to_str().expect("paths of tests are UTF-8");
    let table = [
        ("store", "CALLBOARD_STORE", "consul:", "etcd:", "memory:", "-"),
        ("etcd_endpoints", "ETCDCTL_ENDPOINTS", "variable:1", "flag:1", "file:1", "127.0.0.1:2379"),
    ];
    for (name, variable, by_variable, by_flag, by_file, default) in table {
        let flag = format!("--{}", name.replace('_', "-"));
        let variables = [(variable, by_variable), ("CALLBOARD_CONFIG", path)];
        check(&variables, &[&flag, by_flag], name, &format!("{by_flag} from {flag}"));
        check(&variables, &[], name, &format!("{by_variable} from {variable}"));
        let at = if name == "store" { 1 } else { 2 };
        check(&variables[1..], &[], name, &format!("{by_file} from {path}:{at}"));
        check(&[(variable, "")], &["--config", path], name, &format!("{by_file} from {path}:{at}"));
        check(&[], &[], name, &format!("{default} from default"));
    }
}

#[test]
fn the_variables_of_consul_and_etcd_are_read_as_they_are() {
    let table = [
        ("CONSUL_HTTP_ADDR", "consul_addr", "https://c:1"),
        ("CONSUL_HTTP_TOKEN_FILE", "consul_token_file", "/t"),
        ("CONSUL_HTTP_SSL", "consul_ssl", "true"),
        ("CONSUL_CACERT", "consul_ca_cert", "/ca"),
        ("CONSUL_CLIENT_CERT", "consul_client_cert", "/c"),
        ("CONSUL_CLIENT_KEY", "consul_client_key", "/k"),
        ("CONSUL_NAMESPACE", "consul_namespace", "n"),
        ("ETCDCTL_ENDPOINTS", "etcd_endpoints", "https://a:1,https://b:1"),
        ("ETCDCTL_CACERT", "etcd_ca_cert", "/ca"),
        ("ETCDCTL_CERT", "etcd_cert", "/c"),
        ("ETCDCTL_KEY", "etcd_key", "/k"),
    ];
    for (variable, name, value) in table {
        check(&[(variable, value)], &[], name, &format!("{value} from {variable}"));
    }
    for (variable, name) in [
        ("CONSUL_HTTP_TOKEN", "consul_token"),
        ("ETCDCTL_USER", "etcd_user"),
        ("ETCDCTL_PASSWORD", "etcd_password"),
    ] {
        check(&[(variable, "hush")], &[], name, &format!("(set) from {variable}"));
    }
}

#[test]
fn what_is_wrong_ends_with_two_and_one_clear_word() {
    let agent = ["agent", "--store", "consul:"];
    let check = |variables: &[(&str, &str)], line: &[&str], words: &str| {
        drop(callboard(variables, line).ends(2).complains(words));
    };
    check(&[("CONSUL_HTTP_ADDR", "unix:///run/consul.sock")], &agent, "through a unix socket");
    check(&[("CONSUL_HTTP_SSL_VERIFY", "false")], &agent, "certificates are always checked");
    check(&[("CONSUL_HTTP_SSL", "maybe")], &agent, "give true or false");
    check(
        &[("CONSUL_HTTP_AUTH", "user:password")],
        &agent,
        "CONSUL_HTTP_AUTH: is set, and this version cannot honour it",
    );
    check(&[("ETCDCTL_USER", "root")], &["agent", "--store", "etcd:"], "a user of etcd needs a password");
    check(&[("CALLBOARD_CONFIG", "/nowhere.yml")], &agent, "/nowhere.yml: the settings file cannot be read");
    check(&[], &["agent"], "no store is named");
    let dir = tempfile::tempdir().expect("a directory can be made");
    let file = dir.path().join("callboard.yml");
    let path = file.to_str().expect("paths of tests are UTF-8");
    std::fs::write(&file, "store: 'memory:'\nconsul_token: hush\nbnd: x\n").expect("a file can be written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("it is ours");
    check(
        &[],
        &["agent", "--config", path],
        "callboard.yml:2: consul_token: a secret in a file that other users",
    );
    check(
        &[],
        &["agent", "--config", path],
        "callboard.yml:3: bnd: unknown setting\n  hint: did you mean \"bind\"?",
    );
    std::fs::write(&file, "docker: {}\nbash:\n  usr: tasks\n").expect("a file can be written");
    let policy = ["agent", "--store", "memory:", "--policy", path];
    check(&[], &policy, "callboard.yml:3: bash.usr: unknown field");
    check(&[("CALLBOARD_POLICY", "/nowhere.yml")], &policy[..3], "/nowhere.yml: the policy cannot be read");
    check(&[], &[&policy[..], &["--executor", "docker"]].concat(), "both say what may run tasks here");
}
