//! Where scenarios come from: a file, one that is shipped, or a world that is drawn from a seed and named like one; and
//! which seeds are meant.

use super::super::apply::read;
use crate::problem::{Kind, Problem};
use crate::write::{body, read_files};
use callboard_core::config::Configuration;
use callboard_sim::scenario::{Profile, StoreKind, pack, packed, write};
use callboard_sim::{ReadError, Scenario, drawn, read_with};
use std::ops::Range;
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

/// Reads an ordinary configuration.
pub(super) fn configuration(path: &Path) -> Result<Configuration, Problem> {
    let (name, bytes) = read(path)?;
    let read = read_files([(name.as_str(), &bytes[..])])?.value;
    if read.services.is_empty() {
        let problem = Problem::new(Kind::Invalid, "has no services").at(name);
        return Err(problem.hint("name a file with clusters, services and task definitions"));
    }
    Ok(read)
}

/// Reads how large worlds shall be.
pub(super) fn profile(text: &str) -> Result<Profile, String> {
    let named = Profile::ALL.into_iter().find(|profile| profile.name() == text);
    named.ok_or_else(|| "expected tiny, small, medium, large or huge".into())
}

/// Reads which store shall be played.
pub(super) fn store(text: &str) -> Result<StoreKind, String> {
    StoreKind::named(text).ok_or_else(|| "expected memory, embedded, consul or etcd".into())
}

/// Which seeds are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seeds {
    /// So many, from where one begins.
    Count(u64),
    /// From the first to before the last.
    Between(u64, u64),
}

impl Seeds {
    /// Reads `100`, or `A..B`.
    pub(super) fn parse(text: &str) -> Result<Seeds, String> {
        let number = |text: &str| text.parse::<u64>().ok();
        let seeds = match text.split_once("..") {
            Some((first, end)) => number(first).zip(number(end)).map(|(a, b)| Seeds::Between(a, b)),
            None => number(text).map(Seeds::Count),
        };
        let some = seeds.filter(|seeds| !seeds.from(0).is_empty());
        some.ok_or_else(|| {
            "expected how many, as in 100, or from where to before where, as in 500..600".into()
        })
    }

    /// Gives the seeds, those that are only counted from `first` on.
    pub(super) fn from(self, first: u64) -> Range<u64> {
        match self {
            Seeds::Count(count) => first..first.saturating_add(count),
            Seeds::Between(first, end) => first..end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Seeds;

    #[test]
    fn seeds_are_counted_or_named() {
        let expected = [("3", Some(7..10)), ("5..8", Some(5..8)), ("8..5", None), ("0", None), ("x", None)];
        for (text, expect) in expected {
            assert_eq!(Seeds::parse(text).ok().map(|seeds| seeds.from(7)), expect, "{text}");
        }
    }
}
