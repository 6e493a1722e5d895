//! A child of ours, and its process group.

use crate::process::Process;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

/// A child that leads a process group, and whose pid stays its own since nobody reaps it before us.
pub(super) struct Unreaped(Option<Child>);

impl Unreaped {
    pub(super) fn spawn(command: &mut Command) -> io::Result<Unreaped> {
        command.spawn().map(|child| Unreaped(Some(child)))
    }

    /// Waits until it has ended, and leaves it unreaped.
    pub(super) async fn ended(&self) {
        let pid = self.0.as_ref().map(|child| Pid::from_child(child).as_raw_pid());
        let mut pause = Duration::from_millis(1);
        while let Some(process) = pid.and_then(Process::read)
            && !process.zombie
        {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// Kills what is left of its group, and reaps it.
    pub(super) fn kill_group(mut self) -> io::Result<ExitStatus> {
        self.kill().unwrap_or_else(|| Err(io::Error::other("no child")))
    }

    fn kill(&mut self) -> Option<io::Result<ExitStatus>> {
        let mut child = self.0.take()?;
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
        Some(child.wait())
    }
}

impl Drop for Unreaped {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}
