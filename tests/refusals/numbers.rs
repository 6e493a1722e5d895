//! Numbers and times: inputs 21 to 40.

use crate::{Board, definition, service};

#[test]
fn counts() {
    let board = Board::start();
    let range = "expected a whole number from 0 to 100000";
    let table = [
        ("21", "-1", "found -1"),
        ("22", "1000000000", "found 1000000000"),
        ("23", "2.5", "found 2.5"),
        ("24", "\"4\"", "found \"4\""),
        ("25", "null", "found null"),
        ("26", ".nan", "found .nan"),
        ("26", ".inf", "found .inf"),
        ("26", "1e400", "found 1e400"),
    ];
    for (number, desired, words) in table {
        let mistake = format!("5: services[0].desired | {words}, {range}");
        board.refuses(number, service(&format!("desired: {desired}")), &[&mistake]);
    }
    let table = [
        ("27", "min: 5", "6: services[0].min | found 5, more than desired"),
        ("28", "desired: 6", "7: services[0].max | found 5, less than desired"),
        ("30", "max: 0", "7: services[0].max | found 0, less than desired"),
    ];
    for (number, field, mistake) in table {
        board.refuses(number, service(field), &[mistake]);
    }
    let rigid = "services:\n- {name: api, task_name: web, task_version: 1, desired: 2, min: 2, max: 2}\n";
    board.refuses(
        "29",
        rigid,
        &["2: services[0].max | the same as min and desired, so an update has no room"],
    );
}

#[test]
fn versions() {
    let board = Board::start();
    for (value, words) in [
        ("0", "found 0"),
        ("-1", "found -1"),
        ("9223372036854775808", "found 9223372036854775808"),
        ("1.0", "found 1.0"),
    ] {
        let range = "expected a whole number from 1 to 2147483647";
        let mistake = format!("4: services[0].task_version | {words}, {range}");
        board.refuses("31", service(&format!("task_version: {value}")), &[&mistake]);
        let mistake = format!("3: task_definitions[0].version | {words}, {range}");
        board.refuses("31", definition(&format!("version: {value}")), &[&mistake]);
    }
}

#[test]
fn ports_and_room() {
    let board = Board::start();
    let docker = "containers: [{name: api, type: docker, executor: {image: api}}]\n  ";
    let table = [
        ("32", "port: -1", "5: task_definitions[0].port | found -1, expected a whole number from 0 to 65535"),
        ("32", "port: 65536", "5: task_definitions[0].port | found 65536, expected"),
        ("32", "port: 99999", "5: task_definitions[0].port | found 99999, expected"),
        ("32", "port: 0", "5: task_definitions[0].port | found 0, expected a whole number from 1 to 65535"),
        (
            "35",
            "memory: -5",
            "5: task_definitions[0].memory | found -5, expected a whole number from 0 to 16777216",
        ),
        ("35", "memory: 1m", "5: task_definitions[0].memory | found \"1m\", expected a whole number"),
        (
            "35",
            "memory: 9223372036854775808",
            "5: task_definitions[0].memory | found 9223372036854775808, expected",
        ),
        ("37", "cpu_units: 1", "5: task_definitions[0].cpu_units | found 1, expected 0 to reserve none, or"),
    ];
    for (number, field, mistake) in table {
        board.refuses(number, definition(field), &[mistake]);
    }
    let small = definition(&format!("{docker}memory: 5"));
    board.refuses("35", small, &["5: task_definitions[0].memory | found 5, less than docker can run with"]);
}

#[test]
fn times() {
    let board = Board::start();
    let span = "expected a duration of more than 0s, at most";
    let table = [
        (
            "{tcp: \"a:1\", interval: 5s, timeout: 6s}",
            "timeout",
            "found \"6s\", longer than the interval of 5s",
        ),
        ("{tcp: \"a:1\", interval: 0s}", "interval", "found \"0s\""),
        ("{tcp: \"a:1\", interval: 5}", "interval", "add a unit"),
        ("{tcp: \"a:1\", interval: \"5\"}", "interval", "found \"5\""),
        ("{tcp: \"a:1\", interval: 5 parsecs}", "interval", "found \"5 parsecs\""),
        ("{tcp: \"a:1\", interval: -5s}", "interval", "found \"-5s\""),
        ("{tcp: \"a:1\", interval: 25h}", "interval", "found \"25h\""),
    ];
    for (check, field, words) in table {
        let mistake = format!("5: task_definitions[0].checks[0].{field} | {words}");
        let mistake = mistake.replace("add a unit", span);
        board.refuses("38", definition(&format!("checks: [{check}]")), &[&mistake]);
    }
    for (value, words) in [("0s", "found \"0s\""), ("100h", "found \"100h\"")] {
        let mistake = format!("5: task_definitions[0].kill_timeout | {words}, {span} 1h");
        board.refuses("39", definition(&format!("kill_timeout: {value}")), &[&mistake]);
    }
}
