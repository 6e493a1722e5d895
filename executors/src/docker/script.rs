//! Runs one command inside a task, for a health check: with the shell of the image, in the task's first container.
//!
//! **Invariant:** a command that takes too long is killed inside the container, with its process group; its number there is
//! the first that it says.

use super::{Docker, create};
use crate::Failure;
use bollard::exec::StartExecResults;
use callboard_core::work::Spec;
use futures_util::StreamExt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How much of the output's end is kept.
const OUTPUT_BYTES_MAX: usize = 2048;
/// Within so many bytes it says its number.
const FIRST_BYTES_MAX: usize = 32;
/// How long killing a command may take.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
/// Says its number, first of all that is heard, and becomes the command: the engine makes it lead a process group of that
/// number.
const SAY_AND_RUN: &str = "exec 2>&1; echo $$; exec /bin/sh -c \"$0\"";

/// The first line of an output, which says a number, and the last of it; what is between them is let go of.
#[derive(Default)]
struct Said(Vec<u8>);

impl Said {
    fn take(&mut self, piece: &[u8]) {
        let Said(bytes) = self;
        bytes.extend_from_slice(piece);
        if bytes.len() > FIRST_BYTES_MAX + 2 * OUTPUT_BYTES_MAX {
            let first = bytes.iter().take(FIRST_BYTES_MAX).position(|byte| *byte == b'\n');
            let first = first.map_or(0, |end| end + 1);
            bytes.drain(first..bytes.len() - OUTPUT_BYTES_MAX);
        }
    }
}

impl Docker {
    pub(super) async fn run_script(
        &self,
        spec: &Spec,
        command: &str,
        timeout: Duration,
    ) -> Result<(), Failure> {
        let idle = || Failure("the task does not run".to_string());
        let mut own = create::containers(spec).map(|(container, _)| container);
        let first = own.find(|container| spec.definition.is_essential(container));
        let first = first.map(|container| container.name.to_string());
        let group = self.group(&spec.run()).await?.ok_or_else(idle)?;
        let kept =
            group.live_mains().find(|kept| Some(&kept.container) == first.as_ref()).ok_or_else(idle)?;
        let said = Mutex::new(Said::default());
        let shell = ["/bin/sh", "-c", SAY_AND_RUN, command];
        let run = self.execute(&kept.id, &shell, &said);
        let ended = tokio::time::timeout(timeout, run).await;
        let Said(said) = said.into_inner().unwrap_or_else(PoisonError::into_inner);
        let split = said.iter().position(|byte| *byte == b'\n').map_or(said.len(), |end| end + 1);
        let (number, output) = said.split_at(split);
        let quoted = crate::quote(&output[output.len().saturating_sub(OUTPUT_BYTES_MAX)..]);
        match ended {
            Ok(Ok(Some(0))) => Ok(()),
            Ok(Ok(Some(126 | 127))) if !number.first().is_some_and(u8::is_ascii_digit) => Err(Failure(
                format!("the image has no /bin/sh to run the script with{}", crate::quote(&said)),
            )),
            Ok(Ok(Some(code))) => Err(Failure(format!("the script ended with exit code {code}{quoted}"))),
            Ok(Ok(None)) => Err(Failure(format!("the script ended with the task{quoted}"))),
            Ok(Err(failure)) => Err(failure),
            Err(_) => {
                self.kill_group(&kept.id, number).await;
                Err(Failure(format!("the script did not end within {} ms{quoted}", timeout.as_millis())))
            }
        }
    }

    /// Runs a command in a container and gives its exit code; `None` when that cannot be told.
    async fn execute(&self, id: &str, command: &[&str], said: &Mutex<Said>) -> Result<Option<i64>, Failure> {
        let cannot = |trouble: super::engine::Trouble| trouble.doing("cannot run the script");
        let words = command.iter().map(ToString::to_string).collect();
        let (begun, at) = self.begin_exec(id, words, false).await.map_err(cannot)?;
        if let StartExecResults::Attached { mut output, .. } = at {
            while let Some(Ok(piece)) = output.next().await {
                said.lock().unwrap_or_else(PoisonError::into_inner).take(piece.as_ref());
            }
        }
        self.exec_code(&begun).await.map_err(cannot)
    }

    async fn kill_group(&self, id: &str, number: &[u8]) {
        let number: Option<u32> = std::str::from_utf8(number).ok().and_then(|text| text.trim().parse().ok());
        let Some(number) = number.filter(|number| *number > 1) else { return };
        let kill = format!("kill -9 -{number}");
        let (command, said) = (["/bin/sh", "-c", &kill], Mutex::default());
        let done = self.execute(id, &command, &said);
        match tokio::time::timeout(KILL_PATIENCE, done).await {
            Ok(Ok(_)) => {}
            Ok(Err(failure)) => tracing::warn!(%failure, "a script that took too long was not killed"),
            Err(_) => tracing::warn!("a script that took too long was not killed in time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_and_the_end_are_kept_of_whatever_is_said() {
        let mut said = Said::default();
        said.take(b"417\n");
        for _ in 0..1000 {
            said.take(&[b'y'; 1000]);
            assert!(said.0.len() <= FIRST_BYTES_MAX + 2 * OUTPUT_BYTES_MAX);
        }
        said.take(b"the end");
        assert!(said.0.starts_with(b"417\ny") && said.0.ends_with(b"ythe end"));
    }
}
