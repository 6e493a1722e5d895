//! Files as a whole: inputs 41 to 58.

use crate::show::send;
use crate::{Board, definition, service};

#[test]
fn not_a_configuration() {
    let board = Board::start();
    let lists =
        "expected an object with at least one of the lists clusters, services, task_definitions and hosts";
    board.refuses("41", "", &[" | the file is empty"]);
    board.refuses("42", "# nothing\n# at all\n", &[" | the file is empty"]);
    board.refuses("43", "- a\n- b\n", &[&format!("1 | found a list, {lists}")]);
    board.refuses("43", "[]", &[&format!("1 | found a list, {lists}")]);
    board.refuses("43", "hello", &[&format!("1 | found \"hello\", {lists}")]);
    let mistake = "8: services[0].desird | unknown field, expected name, task_name";
    board.refuses("44", service("desird: 4"), &[mistake]);
    board.refuses("44", "service: []\n", &["1: service | unknown field"]);
    let twice = "hosts:\n- name: a\n  name: b\n";
    board.refuses("45", twice, &["3 | found \"name\", the same field as on line 2"]);
}

#[test]
fn more_of_yaml_than_is_needed() {
    let board = Board::start();
    let table = [
        ("46", "services:\n\t- name: a\n", "2 | a tab cannot indent"),
        ("53", "services: []\n---\nservices: []\n", "2 | a second document begins here"),
        ("54", "<<: {services: []}\n", "1 | merge keys are not supported"),
        ("55", "services: !!python/object:os.system []\n", "1 | tags are not supported"),
        ("55", "services: !include /etc/passwd\n", "1 | tags are not supported"),
        ("56", "{\"services\": []} x", "1 | something follows the end of the object or list"),
        ("56", "{\"services\": []}}", "1 | not valid YAML"),
    ];
    for (number, file, mistake) in table {
        board.refuses(number, file, &[mistake]);
    }
    let mut laughs = String::from("a0: &a0 [lol]\n");
    for level in 1..30 {
        let below = level - 1;
        laughs += &format!("a{level}: &a{level} [*a{below}, *a{below}, *a{below}, *a{below}, *a{below}]\n");
    }
    board.refuses("47", laughs, &["1 | anchors are not supported"]);
    board.refuses("48", format!("services: {}", "[".repeat(10_000)), &["1 | deep"]);
    let deep = format!("services: {}{}", "[".repeat(10_000), "]".repeat(10_000));
    board.refuses("48", deep, &["1 | deep"]);
}

#[test]
fn too_large() {
    let board = Board::start();
    let large = format!("services: []\n{}", "# ten bytes\n".repeat(900_000));
    let path = board.show.file("large.yml", &large);
    for command in ["apply", "plan"] {
        board.show.callboard(&[command, "-f", &path]).ends(2).complains("large.yml: is larger than 1 MiB");
    }
    let half = &large.as_bytes()[..2 << 20];
    let (status, body) = send(board.show.ports.first, "POST", "/v1/apply", half).unwrap();
    assert_eq!(status, 413, "{body}");
    assert!(body.contains("a request has at most 1024 KiB"), "{body}");
}

#[test]
fn other_encodings() {
    let board = Board::start();
    board.refuses("50", b"services: [\xff]\n", &["1 | UTF-8"]);
    let wide: Vec<u8> = "services: []\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    board.refuses("50", [b"\xff\xfe", &wide[..]].concat(), &[" | the file is UTF-16, expected UTF-8"]);
    board.takes("50", b"\xef\xbb\xbfservices: []\n");
}

#[test]
fn surprises_are_typed_errors() {
    let board = Board::start();
    let desired = [
        ("yes", "found yes"),
        ("0o17", "found 0o17"),
        ("1_000", "found 1_000"),
        ("012", "found 012"),
        ("9007199254740993", "found 9007199254740993"),
    ];
    for (value, words) in desired {
        let number = if value.len() > 9 { "57" } else { "51" };
        let mistake = format!("5: services[0].desired | {words}, expected a whole number");
        board.refuses(number, service(&format!("desired: {value}")), &[&mistake]);
    }
    for value in ["yes", "no", "on"] {
        let mistake = format!("8: services[0].stopped | found {value}, expected true or false");
        board.refuses("51", service(&format!("stopped: {value}")), &[&mistake]);
    }
    let mistake = "2: task_definitions[0].name | found NO, which YAML readers take for a truth value";
    board.refuses("52", definition("name: NO"), &[mistake]);
    let json = r#"{"services": [{"name": "a", "task_name": "web", "task_version": 9007199254740993, "desired": 1,
        "min": 0, "max": 1}]}"#;
    board.refuses("57", json, &["1: services[0].task_version | found 9007199254740993"]);
}

#[test]
fn what_is_no_file() {
    let board = Board::start();
    let show = &board.show;
    let fifo = show.path().join("fifo");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let (fifo, dir) = (fifo.to_str().unwrap(), show.path().to_str().unwrap());
    for (path, words) in [
        (dir, "is not a file"),
        (fifo, "is not a file"),
        ("/dev/zero", "is not a file"),
        ("/no/such/file.yml", "cannot be read: No such file or directory"),
    ] {
        for command in ["apply", "plan"] {
            let said = show.callboard(&[command, "-f", path]).ends(2).complains(&format!("{path}: {words}"));
            assert!(said.err.contains("  hint: "), "{}", said.err);
        }
    }
    // Standard input that is empty is a file that is empty.
    show.callboard(&["apply", "-f", "-"]).ends(2).complains("standard input: the file is empty");
}
