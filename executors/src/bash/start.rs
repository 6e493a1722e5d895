//! Starts a run: writes down what is to be done, fetches artifacts, spawns the shim and hears from it.
//!
//! **Invariant:** a crash between any two of these steps leaves either nothing that runs, or a shim with its lock.

use super::place::{Ending, Lock, Place};
use super::plan::Plan;
use super::shim::STARTED;
use super::{Bash, artifact};
use crate::{EXIT_UNSEEN, Failure, failpoint};
use callboard_core::work::Spec;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::watch;

impl Bash {
    pub(super) async fn start_run(&self, spec: &Arc<Spec>) -> Result<(), Failure> {
        let place = Place::of(&self.tasks, &spec.run())?;
        let mut stop = self.switch(&spec.run()).subscribe();
        let plan = self.plan(spec, &place)?;
        self.refuse_beside_lost(&place)?;
        place.create(self.account.is_some())?;
        loop {
            if let Some(lock) = place.lock()? {
                return self.start_locked(&place, &plan, lock, &mut stop).await;
            }
            // Somebody else starts it, or it runs already.
            if place.file("started").exists() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn start_locked(
        &self,
        place: &Place,
        plan: &Plan,
        lock: Lock,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        if let Some(outcome) = earlier(place)? {
            return outcome;
        }
        if *stop.borrow() || place.stop_grace(plan.spec.definition.kill_timeout).is_some() {
            // Nothing was written yet that would have to be remembered.
            failpoint::step();
            let _ = std::fs::remove_dir_all(&place.path);
            return Err(Failure("it was stopped before it was started".to_string()));
        }
        place.write_durably("spec.json", plan).await?;
        let fetched = tokio::select! {
            fetched = self.fetch(place, plan) => fetched,
            _ = stop.wait_for(|stop| *stop) => Err(Failure("it was stopped while fetching artifacts".to_string())),
        };
        if let Err(failure) = fetched {
            let ending = Ending { exit: EXIT_UNSEEN, failure: Some(failure.0.clone()) };
            place.write("exit.json", &ending)?;
            return Err(failure);
        }
        let mut pipe = self.spawn_shim(place, lock)?;
        let mut heard = Vec::new();
        let _ = pipe.read_to_end(&mut heard).await;
        if heard == STARTED {
            return Ok(());
        }
        let ending = self.settle(place).await?;
        let shim = std::fs::read(place.file("shim.log")).unwrap_or_default();
        let shim = String::from_utf8_lossy(&shim);
        let why = ending.failure.unwrap_or_else(|| "the shim ended without a word".to_string());
        match shim.trim() {
            "" => Err(Failure(why)),
            said => Err(Failure(format!("{why}: {said}"))),
        }
    }

    fn plan(&self, spec: &Arc<Spec>, place: &Place) -> Result<Plan, Failure> {
        let mut plan = Plan {
            spec: Arc::clone(spec),
            token: token()?,
            groups: None,
            log_bytes_max: self.settings.log_bytes_max,
            path: self.settings.path.clone(),
            no_new_privileges: self.settings.no_new_privileges,
            account: self.account.clone(),
            open_files: Some(self.settings.policy.open_files),
            processes: Some(self.settings.policy.processes),
        };
        let roots = self.roots.as_ref();
        plan.groups = roots.map(|roots| roots.groups(&Plan::group_name(spec), &plan.limits()));
        for (container, bash) in plan.containers() {
            let named = |failure| Failure::of(format_args!("container {}", container.name), failure);
            plan.environment(place, bash).map_err(named)?;
            // The agent has looked, too; whoever asks, nothing comes that the host does not allow.
            self.settings.policy.refusal(bash).map_or(Ok(()), |why| Err(named(Failure(why))))?;
            artifact::check(bash, &self.settings.artifacts).map_err(named)?;
        }
        Ok(plan)
    }

    async fn fetch(&self, place: &Place, plan: &Plan) -> Result<(), Failure> {
        let (waits, settings) = (self.waits(&plan.spec.run()), &self.settings);
        for (container, bash) in plan.containers() {
            let rules = (&settings.artifacts, &settings.policy);
            let fetched = artifact::fetch(bash, &place.work(), rules, &waits).await;
            fetched.map_err(|failure| Failure::of(format_args!("container {}", container.name), failure))?;
        }
        waits.tell("it is set up and started".to_string());
        // Nothing of the task has run yet, so what is there is ours.
        let owned = plan.account.as_ref().map_or(Ok(()), |account| account.own(&place.work()));
        owned.map_err(|error| Failure::of(format_args!("cannot give {} away", place.work().display()), error))
    }

    /// Spawns the shim with the lock as its standard input, and gives a pipe that ends when it has said how it went.
    fn spawn_shim(&self, place: &Place, lock: Lock) -> Result<Receiver, Failure> {
        let command_line = self.settings.shim.join(" ");
        let failed = |error| {
            let doing = format!("cannot start the shim ({command_line}) of {}", place.path.display());
            Failure::of(doing, error)
        };
        let (program, arguments) =
            self.settings.shim.split_first().ok_or_else(|| Failure("no shim is configured".to_string()))?;
        let log = File::options().create(true).append(true).mode(0o600).open(place.file("shim.log"));
        let (reader, writer) = std::io::pipe().map_err(failed)?;
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).arg(&place.path).env_clear().current_dir(&place.path);
        command.stdin(Stdio::from(lock.0)).stdout(Stdio::from(writer)).stderr(log.map_err(failed)?);
        failpoint::step();
        // Not to be killed with its handle; tokio reaps it in the background.
        drop(command.spawn().map_err(failed)?);
        failpoint::step();
        Receiver::from_owned_fd(OwnedFd::from(reader)).map_err(failed)
    }
}

/// Tells what came of an earlier start of this run; `None` when there was none.
fn earlier(place: &Place) -> Result<Option<Result<(), Failure>>, Failure> {
    if let Some(ending) = place.ending()? {
        let started = place.file("started").exists();
        return Ok(Some(match ending.failure {
            Some(failure) if !started => Err(Failure(failure)),
            Some(_) | None => Ok(()),
        }));
    }
    // Its shim was killed; the end is found by whoever waits for it.
    Ok(place.shim()?.map(|_| match place.file("started").exists() {
        true => Ok(()),
        false => Err(Failure("its shim was killed while it was being started".to_string())),
    }))
}

fn token() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|error| Failure::of("cannot read /dev/urandom", error))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
