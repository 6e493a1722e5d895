//! What an object names, and what may not change: inputs 61 to 70.

use crate::{Board, definition, service};

#[test]
fn what_is_named_must_be_there() {
    let board = Board::start();
    let mistake = "3: services[0].task_name | found \"wep\", no such task definition, expected web";
    board.refuses("61", service("task_name: wep"), &[mistake]);
    let mistake = "4: services[0].task_version | found 2, no such version of \"web\", expected 1";
    board.refuses("62", service("task_version: 2"), &[mistake]);
    let cluster = "clusters:\n- {name: other, services: [wep]}\n";
    board.refuses(
        "63",
        cluster,
        &["2: clusters[0].services[0] | found \"wep\", no such service, expected web"],
    );
    let scheduler = "clusters:\n- {name: other, scheduler: defualt}\n";
    let mistake =
        "2: clusters[0].scheduler | found \"defualt\", almost the name of Callboard's own scheduler";
    board.refuses("65", scheduler, &[mistake]);
}

#[test]
fn what_is_in_use_stays() {
    let board = Board::start();
    let before = board.written();
    // A conflict with what is there, not bad input.
    board
        .show
        .callboard(&["delete", "task-definition", "web", "1"])
        .ends(5)
        .complains("version 1 of task definition \"web\" is run by web");
    assert_eq!(board.written(), before);
}

#[test]
fn versions_never_change() {
    let board = Board::start();
    let other = "task_definitions:\n- {name: web, version: 1, containers: [{name: web, type: bash, \
                 executor: {start: [exec sleep 7]}}]}\n";
    let mistake = "2: task_definitions[0].version | version 1 of \"web\" is stored with other content";
    board.refuses("66", other, &[mistake]);
    let back = "services:\n- {name: web, task_name: web, task_version: 7, desired: 1, min: 0, max: 2}\n";
    board.refuses("67", back, &["2: services[0].task_version | found 7, no such version of \"web\""]);
}

#[test]
fn containers() {
    let board = Board::start();
    let run = "type: bash, executor: {start: [run]}";
    let twice = format!("containers: [{{name: a, {run}}}, {{name: a, {run}}}]");
    let mistake =
        "4: task_definitions[0].containers[1].name | found \"a\", the name of the container on line 4";
    board.refuses("68", definition(&twice), &[mistake]);
    let mistake =
        "4: task_definitions[0].containers | with 0 elements, expected a list of 1 to 64 containers";
    board.refuses("69", definition("containers: []"), &[mistake]);
    let wrong = "containers: [{name: a, type: dokcer, executor: {image: a}}]";
    let mistake = "4: task_definitions[0].containers[0].type | found \"dokcer\", expected docker or bash";
    board.refuses("70", definition(wrong), &[mistake]);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let board = Board::start();
    let file = "clusters:\n- {name: A, polcy: x}\nservices:\n- name: web\n  task_version: 0\n  min: 5\n  desired: 4\n";
    board.refuses(
        "several",
        file,
        &[
            "2: clusters[0].name | found \"A\"",
            "2: clusters[0].polcy | unknown field",
            "4: services[0].task_name | missing",
            "4: services[0].max | missing",
            "5: services[0].task_version | found 0",
        ],
    );
}
