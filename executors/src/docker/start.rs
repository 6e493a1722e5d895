//! Starts a run: refuses what can be refused without the engine, gets the images, runs the setup commands, creates all
//! containers and then starts them in order.
//!
//! **Invariant:** whatever fails, what was made of the run is removed before the failure is told, however long that takes:
//! whoever hears of it may start the task anew, and two runs of a task are never there at once.

use super::Docker;
use super::create::{self, Plan};
use super::end::CUT_OFF;
use super::images::Images;
use super::labels::Role;
use super::runs::{Ending, Entry};
use super::volumes;
use crate::{EXIT_UNSEEN, Failure};
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{CreateContainerOptionsBuilder, StartContainerOptions};
use callboard_core::machine::Span;
use callboard_core::work::Spec;
use std::sync::Arc;
use std::time::Duration;

/// How soon it is tried again to remove what a start left.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// How much of a setup's output is kept.
pub(super) const OUTPUT_BYTES_MAX: usize = 2048;

/// Why a start did not come to its end, and the last of what was written by then.
struct Halt {
    failure: Failure,
    output: Vec<u8>,
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Halt {
        Halt { failure, output: Vec::new() }
    }
}

impl Docker {
    pub(super) async fn start_run(&self, spec: &Arc<Spec>) -> Result<(), Failure> {
        let run = spec.run();
        if !create::is_id(&run.id) {
            return Err(Failure(format!(
                "the task id {:?} cannot name a container; nothing was done",
                &*run.id
            )));
        }
        let entry = self.runs.entry(&run);
        let _gate = entry.gate.lock().await;
        if let Some(ending) = entry.ending() {
            return Err(ending.failure);
        }
        if let Some(group) = self.group(&run).await? {
            return self.earlier(spec, &entry, &group).await;
        }
        if entry.must_stop() {
            return Err(Failure("it was stopped before it was started".to_string()));
        }
        entry.begin(spec);
        let Err(halt) = self.start_now(spec, &entry).await else { return Ok(()) };
        self.give_up(spec, &entry, halt).await
    }

    /// Tells what came of an earlier start of this run.
    async fn earlier(&self, spec: &Arc<Spec>, entry: &Entry, group: &super::Group) -> Result<(), Failure> {
        if group.standing() != super::Standing::Half {
            return Ok(());
        }
        let failure = Failure(CUT_OFF.to_string());
        self.give_up(spec, entry, Halt::from(failure)).await
    }

    async fn give_up(&self, spec: &Arc<Spec>, entry: &Entry, halt: Halt) -> Result<(), Failure> {
        let Halt { failure, output } = halt;
        let grace = spec.definition.kill_timeout;
        let told = || entry.stop.borrow().map_or(grace, |told| told.min(grace));
        while let Err(left) = self.take_back(spec, told()).await {
            let what = format!("{failure}; what may be left of it cannot be removed yet: {left}");
            tracing::warn!(task = %spec.task.id, what);
            entry.waits_for(what);
            tokio::time::sleep(TRY_AGAIN).await;
        }
        entry.end(spec, Ending { exit: EXIT_UNSEEN, failure: failure.clone(), output });
        Err(failure)
    }

    /// Ends and removes what was made of it.
    async fn take_back(&self, spec: &Spec, grace: Span) -> Result<(), Failure> {
        let run = spec.run();
        if let Some(group) = self.group(&run).await? {
            self.end(&group, grace).await?;
        }
        match self.group(&run).await? {
            Some(ended) => self.clear_half(&run, &ended).await,
            None => Ok(()),
        }
    }

    async fn start_now(&self, spec: &Arc<Spec>, entry: &Entry) -> Result<(), Halt> {
        let mounts = entry.unless_stopped(volumes::mounts(spec, &self.allowed)).await?;
        let plans = create::plans(spec, &self.settings, mounts)?;
        for plan in &plans {
            let pulled = self.images.ensure(&self.engine, plan, entry);
            let named = |failure| Failure::of(format_args!("container {}", plan.container.name), failure);
            entry.unless_stopped(pulled).await.map_err(named)?;
            Images::judge(&self.engine, plan.image, &self.settings.policy).await.map_err(named)?;
        }
        for plan in &plans {
            for (number, command) in plan.container.setup.iter().enumerate() {
                self.set_up(plan, number + 1, command, entry).await?;
            }
        }
        entry.waits_for("its containers are created and started".to_string());
        let mut ids = Vec::new();
        for plan in &plans {
            ids.push(self.create(&plan.name, plan, plan.body.clone()).await?);
        }
        for (plan, id) in plans.iter().zip(&ids) {
            entry.go_on()?;
            self.start_container(id, &plan.container.name).await?;
        }
        Ok(())
    }

    /// Runs one setup command to its end, in a container of its own.
    async fn set_up(&self, plan: &Plan<'_>, number: usize, command: &str, entry: &Entry) -> Result<(), Halt> {
        entry.go_on()?;
        let what = format!("setup command {number} of container {}", plan.container.name);
        entry.waits_for(format!("{what} runs"));
        let id = self
            .create(&format!("{}.setup-{number}", plan.name), plan, plan.command(command, Role::Setup))
            .await?;
        self.start_container(&id, &what).await?;
        entry.unless_stopped(self.until_ended(&id)).await?;
        if let Some(how) = self.how_it_failed(&id).await.map_err(|trouble| trouble.doing(&what))? {
            let output = self.output_of(&id, OUTPUT_BYTES_MAX).await.unwrap_or_default();
            let failure = Failure(format!("{what} {how}{}", crate::quote(&output)));
            return Err(Halt { failure, output });
        }
        let removed = self.remove_container(&id, true).await;
        removed.map_err(|trouble| trouble.doing(format_args!("{what} has ended and cannot be removed")))?;
        Ok(())
    }

    pub(super) async fn create(
        &self,
        name: &str,
        plan: &Plan<'_>,
        body: ContainerCreateBody,
    ) -> Result<String, Failure> {
        let options = CreateContainerOptionsBuilder::new().name(name);
        let options = options.platform(plan.platform.as_deref().unwrap_or_default()).build();
        let create =
            |client: bollard::Docker| async move { client.create_container(Some(options), body).await };
        let created = self.engine.change(create).await;
        let doing = format_args!("cannot create container {}", plan.container.name);
        let created = created.map_err(|trouble| trouble.doing(doing))?;
        for warning in created.warnings {
            tracing::warn!(name, warning, "the docker engine warns");
        }
        Ok(created.id)
    }

    pub(super) async fn start_container(&self, id: &str, what: &str) -> Result<(), Failure> {
        let start = |client: bollard::Docker| async move {
            client.start_container(id, None::<StartContainerOptions>).await
        };
        let started = self.engine.change(start).await;
        started.map_err(|trouble| trouble.doing(format_args!("cannot start container {what}")))
    }
}
