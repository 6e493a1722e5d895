//! What configuration files may say and may not, told by the messages their authors get.

mod executors;
mod files;
mod flags;
mod kinds;
mod names;
mod numbers;
mod placement;
mod properties;
mod references;
mod seeds;
mod tasks;

use callboard_core::config::{Mistake, read};

/// The rule for names, which is part of many messages.
const NAME: &str = "a name of 1 to 63 characters a-z, 0-9 and -, with a letter or digit at both ends";

/// Expects of a file all its mistakes, one a line, or `fine`. `{file}` stands for its name, `{name}` for [`NAME`].
fn check(input: &str, expect: &str) {
    let result = read("web.yml", input.as_bytes()).map(drop);
    let expect = expect.replace("{name}", NAME);
    assert_eq!(told(result), expect, "in:\n{input}");
}

/// Gives all mistakes, one a line, or `fine`.
fn told(result: Result<(), Vec<Mistake>>) -> String {
    let Err(mistakes) = result else { return "fine".into() };
    mistakes.iter().map(Mistake::to_string).collect::<Vec<_>>().join("\n")
}

/// Changes one field of the innermost object of a file: `field: value` sets it, `-field` removes it.
fn changed(file: &str, change: &str) -> String {
    let removed = change.strip_prefix('-').filter(|field| !field.contains(':'));
    let field = removed.or_else(|| change.split(':').next()).unwrap_or_default();
    let last = file.lines().last().unwrap_or_default();
    let indent = " ".repeat(last.len() - last.trim_start().len());
    let is_it = |line: &str| line.starts_with(&format!("{indent}{field}:"));
    let new = removed.is_none().then(|| format!("{indent}{change}"));
    let mut lines: Vec<String> = file.lines().map(String::from).collect();
    match lines.iter().position(|line| is_it(line)) {
        Some(at) => drop(lines.splice(at..=at, new)),
        None => lines.extend(new),
    }
    lines.join("\n")
}

const HOST: &str = "hosts:\n-\n  name: h1\n  draining: false";
const CLUSTER: &str = "clusters:\n-\n  name: shop";
const SERVICE: &str = "\
services:
-
  name: web
  task_name: web
  task_version: 2
  desired: 4
  min: 3
  max: 4";
const DEFINITION: &str = "\
task_definitions:
-
  name: web
  version: 2
  containers: [{name: web, type: docker, executor: {image: web}}]";
const DOCKER: &str = "\
task_definitions:
-
  name: web
  version: 2
  containers:
  -
    name: web
    type: docker
    executor:
      image: web
      entry: run";
const BASH: &str = "\
task_definitions:
-
  name: web
  version: 2
  containers:
  -
    name: web
    type: bash
    executor:
      start: [run]
      stop: [end]";
