//! Runs the teardown commands of a task whose containers have ended, each in a container of its own, which stays until the
//! run is removed: so an agent that comes later goes on where the one before was killed.
//!
//! **Invariant:** what cannot be torn down holds up nobody for longer than its grace, and is tried no more after that.

use super::Docker;
use super::create::{self, Plan};
use super::end::removing;
use super::labels::{Phase, Role};
use super::runs::{Group, Standing};
use super::start::OUTPUT_BYTES_MAX;
use super::volumes;
use crate::Failure;
use callboard_core::machine::Span;
use callboard_core::work::Run;
use std::time::Duration;
use tokio::time::Instant;

/// How long one waits before what the engine did not do is tried again.
const PAUSE: Duration = Duration::from_millis(500);

impl Docker {
    /// Runs what is left of a run's teardown, once its containers have ended and unless its time is over. What goes wrong is
    /// told in the log and in the output of the task alone.
    ///
    /// # Errors
    /// Something of it lives, or the engine does not tell.
    pub(super) async fn tear_down(&self, run: &Run, grace: Span) -> Result<(), Failure> {
        let deadline = Instant::now() + Duration::from_millis(grace.0);
        while let Some(group) = self.group(run).await? {
            if group.standing() != Standing::Ended {
                return Ok(());
            }
            if self.is_torn_down(run) {
                // Its end is not told while something of it lives.
                return self.end(&group, Span(0)).await;
            }
            let done = self.tear_down_by(deadline, &group).await;
            let is_left = |group: &Group| group.standing() == Standing::Ended;
            if done.is_ok() && !self.group(run).await?.as_ref().is_some_and(is_left) {
                return Ok(());
            }
            if Instant::now() + PAUSE < deadline {
                tracing::debug!(task = %run.id, ?done, "its teardown is gone on with");
                tokio::time::sleep(PAUSE).await;
            } else {
                tracing::warn!(task = %run.id, ?done, "its teardown did not come to its end");
                self.mark_torn_down(run);
            }
        }
        Ok(())
    }

    /// Does what is left of it, the last container's first. What one container's commands cannot do is no matter of the
    /// others'.
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
        let mounts = volumes::mounts(&group.spec, &self.allowed).await?;
        let plans = create::plans(&group.spec, &self.settings, mounts)?;
        let mut failed: Option<(&str, Failure)> = None;
        for (container, number) in group.teardown_left() {
            let Some(plan) = plans.iter().find(|plan| *plan.container.name == *container) else { continue };
            if failed.as_ref().is_some_and(|(of, _)| *of == container) {
                continue;
            }
            if let Err(failure) = self.run_teardown(plan, group.image_of(container), number, deadline).await {
                failed = Some((container, failure));
            }
        }
        failed.map_or(Ok(()), |(_, failure)| Err(failure))
    }

    async fn run_teardown(
        &self,
        plan: &Plan<'_>,
        image: Option<&str>,
        number: usize,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let Some(command) = plan.container.teardown.get(number) else { return Ok(()) };
        let what = format!("teardown command {} of container {}", number + 1, plan.container.name);
        if Instant::now() >= deadline {
            return Err(Failure(format!("{what} is left off: kill_timeout is over")));
        }
        let mut body = plan.command(command, Role::Teardown);
        // What its name means may have changed since.
        body.image = image.map(str::to_string).or(body.image);
        let id = self.create(&format!("{}.teardown-{}", plan.name, number + 1), plan, body).await?;
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
