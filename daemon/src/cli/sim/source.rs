//! Where scenarios come from: a file, or a world that is drawn from a seed and named like one.

use super::super::apply::read;
use crate::problem::{Kind, Problem};
use crate::write::body;
use callboard_sim::{Scenario, drawn};
use std::path::Path;

/// Reads a scenario, or draws the world that is named. A file of that name comes first.
pub(super) fn scenario(path: &Path) -> Result<Scenario, Problem> {
    match path.to_str().filter(|_| !path.exists()).and_then(drawn) {
        Some(scenario) => Ok(scenario),
        None => {
            let (name, bytes) = read(path)?;
            callboard_sim::read(&name, &bytes)
                .map_err(|error| Problem::all(Kind::Invalid, error.mistakes.iter().map(body).collect()))
        }
    }
}
