//! Names: inputs 1 to 20.

use crate::{Board, service};

const RULE: &str =
    "expected a name of 1 to 63 characters a-z, 0-9 and -, with a letter or digit at both ends";

#[test]
fn a_name_is_plain() {
    let board = Board::start();
    let long = "a".repeat(64);
    let table = [
        ("1", r#""""#, r#"found """#),
        ("2", r#"" web""#, r#"found " web""#),
        ("3", "Web", r#"found "Web""#),
        ("4", "we b", r#"found "we b""#),
        ("5", "web/1", r#"found "web/1""#),
        ("6", "../web", r#"found "../web""#),
        ("7", ".", r#"found ".""#),
        ("7", "..", r#"found "..""#),
        ("8", "_", r#"found "_""#),
        ("9", &long, "which has 64 characters"),
        ("10", "wéb", r"which holds the character \u{e9}"),
        ("10", "wеb", r"which holds the character \u{435}"),
        ("11", r#""web\n""#, r#"found "web\n""#),
        ("11", r#""web\0""#, r#"found "web\0""#),
        ("11", r#""\e[31mweb""#, r#"found "\u{1b}[31mweb""#),
        ("12", "-web", r#"found "-web""#),
        ("12", "--help", r#"found "--help""#),
        ("13", "web%2f..", r#"found "web%2f..""#),
        ("14", "a//b", r#"found "a//b""#),
    ];
    for (number, name, words) in table {
        let mistake = format!("2: services[0].name | {words} | {RULE}");
        board.refuses(number, service(&format!("name: {name}")), &[&mistake]);
        let host = format!("hosts:\n- name: {name}\n");
        board.refuses(number, host, &[&format!("2: hosts[0].name | {words} | {RULE}")]);
    }
}

#[test]
fn some_names_are_reserved() {
    let board = Board::start();
    for name in ["alloc", "all", "self", "none"] {
        let mistake = format!("2: services[0].name | found \"{name}\", a reserved word");
        board.refuses("15", service(&format!("name: {name}")), &[&mistake]);
    }
}

#[test]
fn names_do_not_clash() {
    let board = Board::start();
    let counts = "task_name: web, task_version: 1, desired: 1, min: 0, max: 1";
    // Both would have tasks of the id a-b-c-1-0.
    let ids = format!(
        "services:\n- {{name: c, {counts}}}\n- {{name: b-c, {counts}}}\nclusters:\n- {{name: a-b, services: [c]}}\n\
         - {{name: a, services: [b-c]}}\n"
    );
    board.refuses(
        "16",
        ids,
        &["6: clusters[1].services[0] | would have the ids of service \"c\" in cluster \"a-b\""],
    );
    let twice = format!("services:\n- {{name: c, {counts}}}\n- {{name: c, {counts}}}\n");
    board.refuses("17", twice, &["3: services[1].name | found \"c\", already defined at | :2"]);
    let listed = "clusters:\n- name: default\n  services: [web, web]\n";
    board.refuses("18", listed, &["3: clusters[0].services[1] | found \"web\", already listed on line 3"]);
    let two = "clusters:\n- {name: other, services: [web]}\n";
    let mistake = "2: clusters[0].services[0] | which is in cluster \"default\" as well as in \"other\"";
    board.refuses("19", two, &[mistake]);
    let case = format!("services:\n- {{name: c, {counts}}}\n- {{name: C, {counts}}}\n");
    board.refuses("20", case, &["3: services[1].name | found \"C\""]);
}
