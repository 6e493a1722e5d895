//! How runs end: because they are told to, because one of their containers has, or because an agent was killed while it
//! started them. And how that is told.
//!
//! **Invariant:** an end is told only when the engine says that no container of the run lives.

use super::ends::Listener;
use super::engine::Trouble;
use super::labels::{Kept, Phase};
use super::runs::{Ending, Group, Standing};
use super::{Docker, create};
use crate::{EXIT_UNSEEN, Failure, failpoint};
use bollard::errors::Error;
use bollard::models::ContainerState;
use bollard::query_parameters::{
    KillContainerOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
    WaitContainerOptionsBuilder,
};
use callboard_core::machine::Span;
use callboard_core::work::{Exit, Run};
use futures_util::StreamExt;
use futures_util::future::join_all;
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

/// Why a start that was cut off did not come to be.
pub(super) const CUT_OFF: &str = "its start was cut off by the end of the agent or of the engine";
/// How long what was killed may take to be gone.
const DEATH: Duration = Duration::from_secs(15);
/// How long what has ended may still be listed as running.
const SHOWN: Duration = Duration::from_secs(5);
/// How long after an end the engine may still learn that memory had run out.
const MEMORY_TOLD: Duration = Duration::from_secs(2);
/// Bounds what an end that is not told can cost.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// A program that was killed by a signal ends for docker with the signal's number above this.
const SIGNALLED: i64 = 128;
const SIGNAL_MAX: i64 = 64;
/// What was killed, by whomever.
const SIGNALLED_KILL: i64 = SIGNALLED + 9;

/// What a look at a run showed.
pub(super) enum Seen {
    /// It has ended.
    Ended(Exit),
    /// It lives; the end of one of these containers is its end.
    Live(Vec<String>),
    /// Neither, a moment ago.
    Changing,
}

impl Docker {
    /// Asks all containers that live to end, and kills after the grace what has not.
    pub(super) async fn end(&self, group: &Group, grace: Span) -> Result<(), Failure> {
        let ends = group.live().map(|kept| self.end_one(kept, grace));
        join_all(ends).await.into_iter().collect()
    }

    async fn end_one(&self, kept: &Kept, grace: Span) -> Result<(), Failure> {
        let id = &kept.id;
        let seen = self.engine.look(|client| async move { client.inspect_container(id, None).await }).await;
        let signal = match seen {
            Ok(seen) => seen.config.and_then(|config| config.stop_signal).filter(|signal| !signal.is_empty()),
            Err(trouble) if trouble.is_absent() => return Ok(()),
            Err(trouble) => {
                return Err(trouble.doing(format_args!("cannot stop container {} ({id})", kept.container)));
            }
        };
        self.signal(id, &kept.container, signal.as_deref().unwrap_or("SIGTERM")).await?;
        if self.ends_within(id, Duration::from_millis(grace.0)).await? {
            return Ok(());
        }
        self.kill(id, &kept.container).await
    }

    /// Kills a container, and waits until it has ended.
    pub(super) async fn kill(&self, id: &str, what: &str) -> Result<(), Failure> {
        self.signal(id, what, "SIGKILL").await?;
        let over = async {
            self.ends_with(id).await?;
            self.until_shown(id).await
        };
        match tokio::time::timeout(DEATH, over).await {
            Ok(over) => if_there(over),
            Err(_) => Err(Failure(format!(
                "cannot stop container {what} ({id}): it was killed and has not ended; look for a process in state D"
            ))),
        }
    }

    async fn signal(&self, id: &str, what: &str, signal: &str) -> Result<(), Failure> {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        let sent =
            self.engine.change(|client| async move { client.kill_container(id, Some(options)).await }).await;
        match sent {
            Ok(()) => Ok(()),
            // It has ended by itself meanwhile.
            Err(trouble) if trouble.is_absent() || trouble.is_conflict() => Ok(()),
            Err(trouble) => Err(trouble.doing(format_args!("cannot send {signal} to container {what}"))),
        }
    }

    pub(super) async fn ends_within(&self, id: &str, limit: Duration) -> Result<bool, Failure> {
        match tokio::time::timeout(limit, self.until_ended(id)).await {
            Ok(ended) => ended.map(|()| true),
            Err(_) => Ok(false),
        }
    }

    /// Waits until a container has ended, or is gone, and until it is known of one that was killed whether its memory had
    /// run out.
    pub(super) async fn until_ended(&self, id: &str) -> Result<(), Failure> {
        let told = async {
            let code = self.ends_with(id).await?;
            self.until_told(id, Some(code)).await
        };
        if_there(told.await)
    }

    /// Waits until a container has ended; gives its exit code.
    async fn ends_with(&self, id: &str) -> Result<i64, Trouble> {
        let wait = |client: bollard::Docker| async move {
            let options = WaitContainerOptionsBuilder::new().condition("not-running").build();
            let mut told = client.wait_container(id, Some(options));
            match tokio::time::timeout(LOOK_AGAIN * 10, told.next()).await {
                // An exit code other than 0 comes as an error.
                Ok(Some(Err(Error::DockerContainerWaitError { code, .. }))) => Ok(Some(code)),
                Ok(Some(Ok(ended))) => Ok(Some(ended.status_code)),
                Ok(Some(Err(error))) => Err(error),
                Ok(None) => Err(Error::IOError { err: std::io::Error::other("the answer broke off") }),
                Err(_) => Ok(None),
            }
        };
        loop {
            // However long it takes, an engine that hangs meanwhile is asked anew now and then.
            if let Some(code) = self.engine.within(LOOK_AGAIN * 20, wait).await? {
                return Ok(code);
            }
        }
    }

    /// Waits, but not for ever, until a container that has ended is not listed as running any more: 26.1 tells those who
    /// wait first.
    async fn until_shown(&self, id: &str) -> Result<(), Trouble> {
        let filter = HashMap::from([("id", vec![id])]);
        let shown = async {
            loop {
                let options = ListContainersOptionsBuilder::new().filters(&filter).build();
                let live =
                    self.engine.look(|client| async move { client.list_containers(Some(options)).await });
                if live.await?.is_empty() {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(SHOWN, shown).await.unwrap_or(Ok(()))
    }

    /// Waits, but not for long, until the engine says of a container that was killed that its memory had run out: it hears
    /// of the end and of the reason apart.
    async fn until_memory_is_told(&self, id: &str) -> Result<(), Trouble> {
        let told = async {
            loop {
                let seen = self.engine.look(|client| async move { client.inspect_container(id, None).await });
                if seen.await?.state.is_some_and(|state| state.oom_killed == Some(true)) {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(MEMORY_TOLD, told).await.unwrap_or(Ok(()))
    }

    /// Looks whether a run has ended, and does what follows from the end of one of its containers.
    pub(super) async fn look_for_end(&self, run: &Run) -> Result<Seen, Failure> {
        let entry = self.runs.entry(run);
        let gate = entry.gate.lock().await;
        if let Some(ending) = entry.ending() {
            return Ok(Seen::Ended(ending.exit));
        }
        let Some(group) = self.group(run).await? else { return Ok(Seen::Ended(EXIT_UNSEEN)) };
        match group.standing() {
            Standing::Over => self.exit_of(run, &group).await.map(Seen::Ended),
            Standing::Ended => {
                self.tear_down(run, group.spec.definition.kill_timeout).await?;
                self.exit_of(run, &group).await.map(Seen::Ended)
            }
            Standing::Falling => {
                self.end(&group, group.spec.definition.kill_timeout).await?;
                Ok(Seen::Changing)
            }
            Standing::Half => {
                drop(gate);
                Ok(self.end_half(run).await?.map_or(Seen::Changing, Seen::Ended))
            }
            Standing::Live => {
                let awaited = group.live().filter(|kept| group.is_essential(kept));
                Ok(Seen::Live(awaited.map(|kept| kept.id.clone()).collect()))
            }
        }
    }

    /// Waits until one of these containers ends, or it is time to look again.
    pub(super) async fn until_one_ends(&self, awaited: &[String], ends: &mut Listener) {
        const SOON: Duration = Duration::from_millis(500);
        if awaited.is_empty() {
            return tokio::time::sleep(SOON).await;
        }
        let told = async {
            loop {
                match ends.next().await {
                    Some(end) if !awaited.contains(&end.id) => {}
                    told => return told,
                }
            }
        };
        match tokio::time::timeout(LOOK_AGAIN, told).await {
            Ok(Some(end)) => {
                if let Err(trouble) = Box::pin(self.until_told(&end.id, end.code)).await {
                    tracing::debug!(?trouble, "looking again");
                    tokio::time::sleep(SOON).await;
                }
            }
            // The engine is away, or was.
            Ok(None) => tokio::time::sleep(SOON).await,
            Err(_) => {}
        }
    }

    /// Waits until the engine says of an end all that it will.
    async fn until_told(&self, id: &str, code: Option<i64>) -> Result<(), Trouble> {
        self.until_shown(id).await?;
        if code == Some(SIGNALLED_KILL) {
            self.until_memory_is_told(id).await?;
        }
        Ok(())
    }

    /// Ends what is left of a start that was cut off, by force: it never came to be, also where what has ended cannot be
    /// removed yet. `None` when it is being started now, or has come to be after all.
    pub(super) async fn end_half(&self, run: &Run) -> Result<Option<Exit>, Failure> {
        let entry = self.runs.entry(run);
        let Ok(_gate) = entry.gate.try_lock() else { return Ok(None) };
        let Some(group) = self.group(run).await? else { return Ok(entry.ending().map(|ending| ending.exit)) };
        if group.standing() != Standing::Half {
            return Ok(None);
        }
        let lives = group.live().next().is_some();
        if let Some(ending) = entry.ending().filter(|_| !lives) {
            return Ok(Some(ending.exit));
        }
        tracing::warn!(task = %run.id, generation = run.generation, "removing what a start left that was cut off");
        self.clear_half(run, &group).await?;
        let failure = Failure(CUT_OFF.to_string());
        entry.end(&group.spec, Ending { exit: EXIT_UNSEEN, failure, output: Vec::new() });
        Ok(Some(EXIT_UNSEEN))
    }

    /// Removes all containers of a start that came to nothing, by force; what has ended may stay until it can be removed.
    pub(super) async fn clear_half(&self, run: &Run, group: &Group) -> Result<(), Failure> {
        for kept in &group.containers {
            match self.remove_container(&kept.id, true).await {
                Ok(()) => {}
                // It is at it already, or has tried: it does not start that any more.
                Err(trouble @ Trouble::Refused(..)) if kept.phase != Phase::Live => {
                    tracing::warn!(task = %run.id, id = kept.id, ?trouble, "what has ended cannot be removed yet");
                }
                Err(trouble) => return Err(trouble.doing(removing(&kept.id))),
            }
        }
        Ok(())
    }

    /// Removes all containers of a run, and with `force` kills those that live.
    pub(super) async fn clear(&self, group: &Group, force: bool) -> Result<(), Failure> {
        for kept in &group.containers {
            let removed = self.remove_container(&kept.id, force).await;
            removed.map_err(|trouble| trouble.doing(removing(&kept.id)))?;
        }
        Ok(())
    }

    pub(super) async fn remove_container(&self, id: &str, force: bool) -> Result<(), Trouble> {
        let options = RemoveContainerOptionsBuilder::new().v(true).force(force).build();
        let removed = self
            .engine
            .change(|client| async move { client.remove_container(id, Some(options)).await })
            .await;
        match removed {
            Ok(()) => Ok(()),
            Err(trouble) if trouble.is_absent() => Ok(()),
            // Whoever asked before may have been cut off: the engine goes on, and refuses to be asked again.
            Err(trouble) if force && trouble.is_conflict() && self.until_removed(id).await => Ok(()),
            Err(trouble) => Err(trouble),
        }
    }

    /// Waits for a container to go that the engine is removing. Tells whether it is gone.
    async fn until_removed(&self, id: &str) -> bool {
        let gone = async {
            loop {
                let seen = self.engine.look(|client| async move { client.inspect_container(id, None).await });
                if let Err(trouble) = seen.await {
                    return trouble.is_absent();
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(DEATH, gone).await.unwrap_or(false)
    }

    /// Tells how a container ended that should have ended with exit code 0; `None` when it has.
    pub(super) async fn how_it_failed(&self, id: &str) -> Result<Option<String>, Trouble> {
        let seen = self.engine.look(|client| async move { client.inspect_container(id, None).await }).await?;
        let state = seen.state.unwrap_or_default();
        let end = exit(state.exit_code, state.oom_killed == Some(true), false);
        Ok(match (end.code, end.signal) {
            (Some(0), _) => None,
            (_, Some(_)) if end.out_of_memory => Some("ran out of memory".to_string()),
            (Some(code), _) => Some(format!("ended with exit code {code}")),
            (None, Some(signal)) => Some(format!("was killed by signal {signal}")),
            (None, None) => Some("ended".to_string()),
        })
    }

    /// Tells how a run ended of which nothing lives: as the container did that ended first of those whose
    /// end is the task's.
    pub(super) async fn exit_of(&self, run: &Run, group: &Group) -> Result<Exit, Failure> {
        let mut ends: Vec<(String, ContainerState)> = Vec::new();
        let is_told = |kept: &&Kept| kept.phase == Phase::Over && group.is_essential(kept);
        for kept in group.mains().filter(is_told) {
            let id = &kept.id;
            match self.engine.look(|client| async move { client.inspect_container(id, None).await }).await {
                Ok(seen) => ends.extend(seen.state.map(|state| (finished(&state), state))),
                Err(trouble) if trouble.is_absent() => {}
                Err(trouble) => return Err(trouble.doing(format_args!("container {}", kept.container))),
            }
        }
        let out_of_memory = ends.iter().any(|(_, state)| state.oom_killed == Some(true));
        let first = ends.into_iter().min_by(|(one, _), (other, _)| one.cmp(other));
        let status = first.and_then(|(_, state)| state.exit_code);
        let told = self.stopped_file(run).is_some_and(|file| file.exists());
        Ok(exit(status, out_of_memory, told))
    }

    /// Takes down that a run is told to stop: what it ends with then says nothing.
    pub(super) fn mark_stopped(&self, run: &Run) {
        let Some(file) = self.stopped_file(run) else { return };
        failpoint::step();
        if let Err(error) = std::fs::write(&file, "") {
            // A full disk is no reason to let it run on.
            tracing::warn!(file = %file.display(), %error, "cannot take down that it was told to stop");
        }
    }

    /// Takes down that the time of a run's teardown is over: what is left of that is not done later.
    pub(super) fn mark_torn_down(&self, run: &Run) {
        self.runs.entry(run).tore_down();
        let Some(file) = self.torn_file(run) else { return };
        failpoint::step();
        if let Err(error) = std::fs::write(&file, "") {
            tracing::warn!(file = %file.display(), %error, "cannot take down that it was torn down");
        }
    }

    pub(super) fn is_torn_down(&self, run: &Run) -> bool {
        self.runs.entry(run).is_torn_down() || self.torn_file(run).is_some_and(|file| file.exists())
    }

    /// Forgets what was taken down of a run.
    pub(super) fn forget_stopped(&self, run: &Run) {
        for file in self.stopped_file(run).into_iter().chain(self.torn_file(run)) {
            failpoint::step();
            let _ = std::fs::remove_file(file);
        }
        failpoint::step();
    }

    fn torn_file(&self, run: &Run) -> Option<PathBuf> {
        self.stopped_file(run).map(|file| file.with_added_extension("torn"))
    }

    fn stopped_file(&self, run: &Run) -> Option<PathBuf> {
        create::is_id(&run.id)
            .then(|| self.stopped.join(format!("{}.{}-{}", run.id, run.generation, run.attempt)))
    }
}

/// Takes what is gone for what has ended.
fn if_there(ended: Result<(), Trouble>) -> Result<(), Failure> {
    match ended {
        Ok(()) => Ok(()),
        Err(trouble) if trouble.is_absent() => Ok(()),
        Err(trouble) => Err(trouble.doing("cannot wait for the end of a container")),
    }
}

/// When a container ended, in a form that can be compared.
fn finished(state: &ContainerState) -> String {
    // As in 2026-01-31T12:00:00.123Z; trailing zeros are left out, and so a Z would sort behind digits.
    state.finished_at.clone().unwrap_or_default().trim_end_matches('Z').to_string()
}

pub(super) fn removing(id: &str) -> String {
    format!("cannot remove container {id}")
}

/// Makes an end of what docker tells. A signal is told apart from an exit code by its number alone.
fn exit(status: Option<i64>, out_of_memory: bool, told: bool) -> Exit {
    let signal = status.filter(|status| (SIGNALLED + 1..=SIGNALLED + SIGNAL_MAX).contains(status));
    let code = status.filter(|_| signal.is_none() && !told);
    let number = |of: i64| i32::try_from(of).ok();
    Exit { code: code.and_then(number), signal: signal.and_then(|of| number(of - SIGNALLED)), out_of_memory }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_has_a_code_or_a_signal() {
        let check = |status: i64, told: bool, code: Option<i32>, signal: Option<i32>| {
            assert_eq!(
                exit(Some(status), false, told),
                Exit { code, signal, out_of_memory: false },
                "{status}"
            );
        };
        check(0, false, Some(0), None);
        check(3, false, Some(3), None);
        check(128, false, Some(128), None);
        check(137, false, None, Some(9));
        check(143, true, None, Some(15));
        check(255, false, Some(255), None);
        check(0, true, None, None);
    }

    #[test]
    fn ends_are_compared_by_their_time() {
        let at = |text: &str| {
            finished(&ContainerState { finished_at: Some(text.to_string()), ..Default::default() })
        };
        assert!(at("2026-01-31T12:00:00Z") < at("2026-01-31T12:00:00.1Z"));
        assert!(at("2026-01-31T12:00:00.09Z") < at("2026-01-31T12:00:00.1Z"));
    }
}
