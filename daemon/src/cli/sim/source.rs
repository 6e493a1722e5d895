//! Where scenarios come from: a file, one that is shipped, or a world that is drawn from a seed and named like one.

use super::super::apply::read;
use crate::problem::{Kind, Problem};
use crate::write::body;
use callboard_sim::scenario::{pack, packed, write};
use callboard_sim::{ReadError, Scenario, drawn, read_with};
use std::path::Path;

/// Fields of scenarios that are set from the command line.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Sets {
    /// Set a field of the scenario, as in duration=1h, services.web.desired=5 or fleet.0.count=100; may be repeated
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub(super) sets: Vec<String>,
}

/// Reads a scenario as its file says.
pub(super) fn scenario(path: &Path) -> Result<Scenario, Problem> {
    scenario_with(path, &Sets::default())
}

/// Reads a scenario, or draws the world that is named, after some fields were set. A file of that name comes first.
pub(super) fn scenario_with(path: &Path, Sets { sets }: &Sets) -> Result<Scenario, Problem> {
    let fail = |error: ReadError| Problem::all(Kind::Invalid, error.mistakes.iter().map(body).collect());
    let name = path.to_str().filter(|_| !path.exists());
    if let Some(read) = name.and_then(|name| packed(name, sets)) {
        return read.map_err(fail);
    }
    if let Some(world) = name.and_then(drawn) {
        if sets.is_empty() {
            return Ok(world);
        }
        return read_with(&world.name, write(&world).as_bytes(), sets, &|_| Err(String::new())).map_err(fail);
    }
    let (file, bytes) = read(path).map_err(|problem| match name.and_then(near) {
        Some(near) => problem.hint(format!("did you mean the scenario {near}? callboard sim list shows all")),
        None => problem,
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let load = |file: &str| std::fs::read(folder.join(file)).map_err(|error| error.to_string());
    read_with(&file, &bytes, sets, &load).map_err(fail)
}

fn near(name: &str) -> Option<&'static str> {
    callboard_core::config::suggestion(name, pack())
}
