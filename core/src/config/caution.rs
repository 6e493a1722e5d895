//! What is valid and yet unwise, so that it is told and not refused.

use super::{Configuration, Field, Kind, Sourced};
use crate::model::{Container, Executor};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Parts of names under which people keep what nobody else should read.
const SECRET: [&str; 5] = ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY"];

/// Finds what is unwise: environment variables that by their name hold a secret, written out in the file. One line each,
/// with file, line and field, and never the value.
#[must_use]
pub fn cautions(configuration: &Sourced<Configuration>) -> Vec<String> {
    let mut cautions = Vec::new();
    for (index, definition) in configuration.value.task_definitions.iter().enumerate() {
        let place = configuration.place(Kind::Definition, index, Field::Whole);
        for container in &definition.containers {
            for name in secrets(container) {
                cautions.push(format!(
                    "{}:{}: {}: {name} of container {} looks like a secret in plain sight: everybody who may read the \
                     store can read it; let the task read it from a file of its host",
                    place.file, place.line, place.path, container.name
                ));
            }
        }
    }
    cautions
}

fn secrets(container: &Container) -> impl Iterator<Item = &str> {
    let env = match &container.executor {
        Executor::Docker(docker) => &docker.env,
        Executor::Bash(bash) => &bash.env,
    };
    let named = env.iter().filter_map(|line| line.split_once('=')).filter(|(_, value)| !value.is_empty());
    named.map(|(name, _)| name).filter(|name| {
        let name = name.to_ascii_uppercase();
        SECRET.iter().any(|part| name.contains(part))
    })
}
