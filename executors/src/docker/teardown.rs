//! Runs the teardown commands of a task whose containers have ended, each in a container of its own, which stays until the
//! run is removed: so an agent that comes later goes on where the one before was killed.
//!
//! **Invariant:** what cannot be torn down holds up nobody for longer than its grace.

use super::Docker;
use super::create::{self, Plan};
use super::end::removing;
use super::labels::{Phase, Role};
use super::runs::{Entry, Group, Standing};
use super::start::OUTPUT_BYTES_MAX;
use crate::Failure;
use callboard_core::machine::Span;
use callboard_core::work::Run;
use std::time::Duration;
use tokio::time::Instant;

impl Docker {
    /// Runs what is left of a run's teardown, unless its containers have not ended or that was tried before. What goes wrong
    /// is told in the log and in the output of the task alone.
    pub(super) async fn tear_down(&self, run: &Run, entry: &Entry, grace: Span) -> Result<(), Failure> {
        let Some(group) = self.group(run).await? else { return Ok(()) };
        if group.standing() != Standing::Ended || entry.is_torn_down() {
            return Ok(());
        }
        let deadline = Instant::now() + Duration::from_millis(grace.0);
        if let Err(failure) = self.tear_down_by(deadline, &group).await {
            tracing::warn!(task = %run.id, %failure, "its teardown did not come to its end");
        }
        entry.tore_down();
        Ok(())
    }

    async fn tear_down_by(&self, deadline: Instant, group: &Group) -> Result<(), Failure> {
        for kept in group.containers.iter().filter(|kept| kept.role == Role::Teardown) {
            match kept.phase {
                Phase::Over => {}
                Phase::Live => self.finish(&kept.id, deadline, "a command of its teardown").await?,
                Phase::Created => {
                    let removed = self.remove_container(&kept.id, true).await;
                    removed.map_err(|trouble| trouble.doing(removing(&kept.id)))?;
                }
            }
        }
        // What lived has ended, and counts.
        let Some(group) = self.group(&group.spec.run()).await? else { return Ok(()) };
        let plans = create::plans(&group.spec, &self.settings, &self.allowed)?;
        for (container, number) in group.teardown_left() {
            let Some(plan) = plans.iter().find(|plan| *plan.container.name == *container) else { continue };
            self.run_teardown(plan, number, deadline).await?;
        }
        Ok(())
    }

    async fn run_teardown(&self, plan: &Plan<'_>, number: usize, deadline: Instant) -> Result<(), Failure> {
        let Some(command) = plan.container.teardown.get(number) else { return Ok(()) };
        let what = format!("teardown command {} of container {}", number + 1, plan.container.name);
        if Instant::now() >= deadline {
            return Err(Failure(format!("{what} is left off: kill_timeout is over")));
        }
        let name = format!("{}.teardown-{}", plan.name, number + 1);
        let id = self.create(&name, plan, plan.command(command, Role::Teardown)).await?;
        self.start_container(&id, &what).await?;
        self.finish(&id, deadline, &what).await
    }

    /// Waits for the end of a command, and kills it when its time is over.
    async fn finish(&self, id: &str, deadline: Instant, what: &str) -> Result<(), Failure> {
        if !self.ends_within(id, deadline.saturating_duration_since(Instant::now())).await? {
            self.kill(id, what).await?;
            return Err(Failure(format!("{what} did not end within kill_timeout and was killed")));
        }
        if let Some(how) = self.how_it_failed(id).await.map_err(|trouble| trouble.doing(what))? {
            let output = self.output_of(id, OUTPUT_BYTES_MAX).await.unwrap_or_default();
            tracing::warn!("{what} {how}{}", crate::quote(&output));
        }
        Ok(())
    }
}
