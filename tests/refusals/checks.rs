//! Health checks: inputs 71 to 78.

use crate::{Board, definition};

/// A definition with a port and one check, on line 6.
fn checked(check: &str) -> String {
    format!("{}  checks: [{check}]\n", definition("provide_port: true"))
}

#[test]
fn exactly_one_probe() {
    let board = Board::start();
    let one = "expected exactly one of http, tcp, script or ttl";
    let nothing = format!("6: task_definitions[0].checks[0] | checks nothing, {one}");
    let two = format!("6: task_definitions[0].checks[0] | checks http and tcp, {one}");
    board.refuses("71", checked("{}"), &[&nothing]);
    board.refuses("71", checked("{name: a}"), &[&nothing]);
    board.refuses("71", checked(r#"{http: "http://a", tcp: "a:1"}"#), &[&two]);
}

#[test]
fn addresses() {
    let board = Board::start();
    let url = "expected a URL such as http://web.example/health";
    let table = [
        ("notaurl", "found \"notaurl\""),
        ("ftp://a", "found \"ftp://a\""),
        ("http://user:hunter2@a/", "a URL with a user name or password"),
        ("http://0.0.0.0/", "an address that names no host"),
        ("http://169.254.169.254/latest", "a link-local address, where clouds keep their secrets"),
        ("http://[::ffff:169.254.169.254]/", "a link-local address, where clouds keep their secrets"),
        ("http://2852039166/", "an odd spelling of an IP address"),
        ("http://metadata.google.internal/", "where clouds keep their secrets"),
    ];
    for (address, words) in table {
        let mistake = format!("6: task_definitions[0].checks[0].http | {words}, {url}");
        board.refuses("72", checked(&format!("{{http: \"{address}\"}}")), &[&mistake]);
    }
    let path = board.show.file("secret.yml", checked(r#"{http: "http://user:hunter2@a/"}"#));
    let said = board.show.callboard(&["apply", "-f", &path]).ends(2);
    assert!(!said.err.contains("hunter2"), "{}", said.err);
    let portless = definition(r#"checks: [{http: "http://127.0.0.1", add_provided_port: true}]"#);
    let mistake = "5: task_definitions[0].checks[0].add_provided_port | found true, but the task has no port";
    board.refuses("73", portless, &[mistake]);
    let table = [
        ("a", "found \"a\", without a port"),
        ("a:70000", "found \"a:70000\", whose port is not from 1 to 65535"),
    ];
    for (address, words) in table {
        let mistake = format!("6: task_definitions[0].checks[0].tcp | {words}");
        board.refuses("75", checked(&format!("{{tcp: \"{address}\"}}")), &[&mistake]);
    }
}

#[test]
fn times_and_headers() {
    let board = Board::start();
    let table = [
        ("76", "{ttl: 10s, interval: 5s}", "interval | found \"5s\", with a ttl check"),
        (
            "77",
            "{ttl: 10s, deregister_critical_service_after: 59s}",
            "deregister_critical_service_after | found \"59s\", expected a duration from 1m",
        ),
        (
            "78",
            r#"{http: "http://a", header: {X-A: ["b\r\nX-B: c"]}}"#,
            r#"header["X-A"][0] | found "b\r\nX-B: c", which holds the control character"#,
        ),
    ];
    for (number, check, mistake) in table {
        let mistake = format!("6: task_definitions[0].checks[0].{mistake}");
        board.refuses(number, checked(check), &[&mistake]);
    }
}
