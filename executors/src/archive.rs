//! Keeps the end of what runs wrote that are gone, so that an operator can still read why they failed. It is bounded by
//! count and size, the oldest go first, and when the disk refuses, output is lost and nothing else.

use crate::Executor;
use callboard_core::work::Run;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Of so many runs the output is kept, whatever their tasks.
const RUNS_MAX: usize = 128;
/// So many bytes of each, the last ones.
const BYTES_MAX: usize = 64 * 1024;

/// A directory of outputs, made when the first comes: one file a run, `<task id>@<generation>-<attempt>`.
#[derive(Clone, Debug)]
pub struct Archive {
    dir: PathBuf,
}

impl Archive {
    /// Names its directory.
    #[must_use]
    pub fn new(dir: PathBuf) -> Archive {
        Archive { dir }
    }

    /// Takes the output of a run that has ended, before that is removed.
    pub(crate) async fn take(&self, executor: &dyn Executor, run: &Run) {
        let Ok(output) = executor.tail(run, BYTES_MAX, None).await else { return };
        // What wrote nothing, or never came to be, hides nothing that one before it wrote.
        if output.is_empty() {
            return;
        }
        let (archive, run) = (self.clone(), run.clone());
        let kept = tokio::task::spawn_blocking(move || archive.keep(&run, &output)).await;
        if let Ok(Err(error)) = kept {
            tracing::debug!("what a task wrote is not kept in {}: {error}", self.dir.display());
        }
    }

    fn keep(&self, run: &Run, output: &[u8]) -> io::Result<()> {
        let Some(path) = self.path(run) else { return Ok(()) };
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
        file.write_all(output)?;
        drop(file);
        let mut all: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            all.push((entry.metadata()?.modified()?, entry.path()));
        }
        all.sort();
        let over = all.len().saturating_sub(RUNS_MAX);
        all.iter().take(over).try_for_each(|(_, path)| fs::remove_file(path))
    }

    fn path(&self, run: &Run) -> Option<PathBuf> {
        let id = Some(&*run.id).filter(|id| !id.contains(['/', '@', '\0']) && id.len() <= 200)?;
        Some(self.dir.join(format!("{id}@{}-{}", run.generation, run.attempt)))
    }

    /// Reads the end of what the last run of a task wrote that is gone from this host; nothing where none is known.
    #[must_use]
    pub fn read(&self, id: &str) -> Option<Vec<u8>> {
        let paths = fs::read_dir(&self.dir).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
        let last = paths.filter_map(|path| Some((which(&path, id)?, path))).max()?;
        fs::read(last.1).ok()
    }
}

/// Tells which run of a task a file is of: its generation and attempt.
fn which(path: &Path, id: &str) -> Option<(u64, u64)> {
    let name = path.file_name()?.to_str()?;
    let (generation, attempt) = name.strip_prefix(id)?.strip_prefix('@')?.split_once('-')?;
    Some((generation.parse().ok()?, attempt.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(id: &str, generation: u64, attempt: u32) -> Run {
        Run { id: id.into(), generation, attempt }
    }

    #[test]
    fn the_last_run_of_a_task_is_read_and_the_oldest_go_first() {
        let dir = tempfile::tempdir().unwrap();
        let archive = Archive::new(dir.path().join("ended"));
        assert_eq!(archive.read("web-1"), None);
        archive.keep(&run("web-1", 10, 0), b"tenth").unwrap();
        archive.keep(&run("web-1", 9, 1), b"ninth").unwrap();
        archive.keep(&run("web-10", 11, 0), b"another").unwrap();
        assert_eq!(archive.read("web-1").unwrap(), b"tenth");
        assert_eq!(archive.read("web"), None);
        std::thread::sleep(std::time::Duration::from_millis(20));
        for generation in 0..u64::try_from(RUNS_MAX).unwrap() {
            archive.keep(&run("api-1", generation, 0), b"").unwrap();
        }
        assert_eq!(archive.read("web-1"), None);
        assert_eq!(archive.read("api-1").unwrap(), b"");
        assert_eq!(fs::read_dir(dir.path().join("ended")).unwrap().count(), RUNS_MAX);
    }

    #[test]
    fn what_names_no_file_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let archive = Archive::new(dir.path().join("ended"));
        archive.keep(&run("../out", 1, 0), b"x").unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
