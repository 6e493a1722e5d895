//! What a daemon is told of docker, and what it makes of it: an executor, and a word on the engine for operators.

use crate::doctor::Finding;
use anyhow::Result;
use callboard_core::machine::Span;
use callboard_core::policy::Docker as Policy;
use callboard_executors::Executor;
use std::path::Path;
use std::sync::Arc;

/// Where the engine is.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Docker")]
pub(crate) struct EngineArgs {
    /// Where the Docker Engine of this host listens: unix:///PATH, or tcp://127.0.0.1:PORT
    #[arg(long, value_name = "ADDRESS", env = "DOCKER_HOST", default_value = "unix:///var/run/docker.sock")]
    pub(crate) docker_host: String,
}

/// How docker tasks are run.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Docker")]
pub(crate) struct DockerArgs {
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
    /// How long to keep an image that was pulled for tasks when none wants it any more and no container has it
    #[arg(long, value_name = "TIME", default_value = "168h", value_parser = Span::parse)]
    docker_image_keep: Span,
}

impl DockerArgs {
    /// Gives the usual ones.
    pub(crate) fn of_dev(engine: EngineArgs) -> DockerArgs {
        DockerArgs { engine, docker_image_keep: Span::secs(7 * 24 * 3600) }
    }

    /// Makes the executor; the engine need not be there.
    ///
    /// # Errors
    /// Its address is none, or this program was built without docker.
    #[cfg(feature = "docker")]
    pub(crate) fn executor(
        &self,
        policy: &Policy,
        data_dir: &Path,
        address: &str,
    ) -> Result<Arc<dyn Executor>> {
        use callboard_executors::docker::{Docker, Settings};
        let mut settings = Settings::new(data_dir.to_owned(), self.engine.docker_host.clone());
        settings.policy = policy.clone();
        settings.image_keep = std::time::Duration::from_millis(self.docker_image_keep.0);
        settings.publish_at(address);
        Ok(Arc::new(Docker::open(settings)?))
    }

    #[cfg(not(feature = "docker"))]
    pub(crate) fn executor(&self, _: &Policy, _: &Path, _: &str) -> Result<Arc<dyn Executor>> {
        anyhow::bail!(
            "this program was built without docker; build it with its feature `docker`, or leave it out"
        )
    }
}

impl EngineArgs {
    /// Tells which engine answers, and what it lacks.
    ///
    /// # Errors
    /// None does, and why.
    #[cfg(feature = "docker")]
    pub(crate) async fn look(&self) -> Result<(String, Vec<String>)> {
        /// An engine at rest answers at once.
        const PATIENCE: std::time::Duration = std::time::Duration::from_secs(3);
        let seen = callboard_executors::docker::examine(&self.docker_host, PATIENCE).await?;
        Ok((seen.what, seen.lacks))
    }

    #[cfg(not(feature = "docker"))]
    pub(crate) async fn look(&self) -> Result<(String, Vec<String>)> {
        anyhow::bail!("this program was built without docker")
    }

    /// Examines the engine for an operator. That none is here is no fault, unless something is where it should be.
    pub(crate) async fn findings(&self) -> Vec<Finding> {
        let there = self.docker_host.strip_prefix("unix://").is_none_or(|socket| Path::new(socket).exists());
        match self.look().await {
            Ok((what, lacks)) => {
                let next = "see `docker info`; without it docker tasks run, and are not held to this";
                let lacks = lacks.into_iter().map(|lack| Finding::warning(lack, next));
                std::iter::once(Finding::fact(what)).chain(lacks).collect()
            }
            Err(error) if there => vec![Finding::warning(
                format!("{error:#}"),
                "start it, or have this user in its group; an agent with --executor docker is unfit until it answers",
            )],
            Err(_) => vec![Finding::fact(format!("no docker engine is here, at {}", self.docker_host))],
        }
    }
}
