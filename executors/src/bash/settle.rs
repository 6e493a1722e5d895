//! Writes down how a run ended when its shim could not: it was killed, or the machine restarted, or it never came up.
//!
//! **Invariant:** a run is reported as ended only when nothing of it is left.

use super::Bash;
use super::kin::Kin;
use super::place::{Ending, Place};
use super::plan::Plan;
use crate::process::{Process, boot};
use crate::{EXIT_UNSEEN, Failure};
use rustix::process::Signal;
use std::time::Duration;
use tokio::time::Instant;

/// How long processes that were killed may take to be gone.
const DEATH: Duration = Duration::from_secs(5);

impl Bash {
    /// Tells how a run without a shim ended, and first makes sure that it has.
    ///
    /// # Errors
    /// It lives, or something of it does not end.
    pub(super) async fn settle(&self, place: &Place) -> Result<Ending, Failure> {
        let is_left = || self.lost(place).map_or(Ok(()), |lost| Err(lost.failure()));
        if !place.exists() {
            return is_left().map(|()| unseen("there is no such run"));
        }
        let Some(_lock) = self.lock_soon(place).await? else {
            return Err(Failure(format!("{} still runs; stop it first", place.path.display())));
        };
        if let Some(ending) = place.ending()? {
            return Ok(ending);
        }
        is_left()?;
        let ending = match place.shim()? {
            None => unseen("it never came to be: the agent was stopped while starting it"),
            Some(shim) if shim.boot != boot() => unseen("the machine was restarted"),
            Some(shim) => {
                kill_leftovers(place, shim.pid).await?;
                unseen("its shim was killed")
            }
        };
        if let Err(failure) = place.write("exit.json", &ending) {
            tracing::warn!(%failure, "a run's end could not be written down; it will be found again");
        }
        Ok(ending)
    }

    /// Takes the lock, waiting out those who only look.
    async fn lock_soon(&self, place: &Place) -> Result<Option<super::place::Lock>, Failure> {
        for _ in 0..20 {
            if let Some(lock) = place.lock()? {
                return Ok(Some(lock));
            }
            if self.shim(place)?.is_some() {
                return Ok(None);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(None)
    }
}

fn unseen(why: &str) -> Ending {
    Ending { exit: EXIT_UNSEEN, failure: Some(why.to_string()) }
}

/// Kills what a shim left behind that was killed itself; its pid may belong to a stranger by now.
async fn kill_leftovers(place: &Place, shim: i32) -> Result<(), Failure> {
    let Some(plan) = place.read::<Plan>("spec.json")? else { return Ok(()) };
    let kin = Kin { groups: plan.groups.as_ref(), token: Some(&plan.token), shim, shim_lives: false };
    let deadline = Instant::now() + DEATH;
    let mut left: Vec<Process> = Vec::new();
    loop {
        // What is dying has no environment any more to be known by, and may still hold its port: once found, it counts
        // until it is gone.
        left.retain(Process::lives);
        let found = kin.find(&Process::all());
        let is_new = |process: &Process| left.iter().all(|known| known.pid != process.pid);
        let new: Vec<Process> = found.into_iter().filter(is_new).collect();
        left.extend(new);
        if left.is_empty() {
            break;
        }
        if Instant::now() >= deadline {
            let pids: Vec<String> = left.iter().map(|process| process.pid.to_string()).collect();
            return Err(Failure(format!(
                "processes {} of {} do not end, though killed; look for state D",
                pids.join(", "),
                place.path.display()
            )));
        }
        if let Some(groups) = &plan.groups {
            groups.kill();
        }
        left.iter().for_each(|process| process.signal(Signal::KILL));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    if let Some(groups) = &plan.groups {
        groups.remove();
    }
    Ok(())
}
