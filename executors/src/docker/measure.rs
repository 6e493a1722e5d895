//! Measures what tasks use, and whether the engine is fit to take more.

use super::Docker;
use super::runs::{Group, Standing};
use crate::Failure;
use crate::cpu::Counter;
use crate::process::age_in_container;
use bollard::models::{ContainerCpuStats, ContainerMemoryStats};
use bollard::query_parameters::StatsOptionsBuilder;
use callboard_core::machine::Span;
use callboard_core::model::Usage;
use futures_util::StreamExt;
use std::collections::BTreeMap;
use std::time::Duration;

/// So many containers are asked after at once.
const AT_ONCE: usize = 8;

impl Docker {
    /// Gives memory and processor use of each task; without an engine, why this host should get nothing new for docker. What
    /// a start left that was cut off is removed in passing.
    pub(super) async fn measure(&self) -> Usage {
        let mut usage = self.machine.usage();
        let groups = match self.groups(None).await {
            Ok(groups) => groups,
            Err(failure) => {
                usage.unfit_for.insert("docker".into(), failure.0);
                return usage;
            }
        };
        let mut asked = Vec::new();
        for (run, group) in &groups {
            if group.standing() == Standing::Half
                && let Err(failure) = self.end_half(run).await
            {
                tracing::warn!(task = %run.id, %failure, "what a start left is still there");
            }
            asked.extend(group.live().map(|kept| (run.id.clone(), kept.id.clone())));
        }
        let measured = asked.into_iter().map(|(task, id)| async move {
            let (memory, cpu) = self.use_of(&id).await;
            (task, id, memory, cpu)
        });
        let measured: Vec<_> = futures_util::stream::iter(measured).buffer_unordered(AT_ONCE).collect().await;
        let (mut bytes, mut counters) = (BTreeMap::new(), BTreeMap::new());
        for (task, id, memory, cpu) in measured {
            *bytes.entry(task.clone()).or_default() += memory;
            counters.extend(cpu.map(|cpu| ((task, id), cpu)));
        }
        // Little is not nothing.
        usage.tasks =
            bytes.into_iter().map(|(task, bytes): (_, u64)| (task, bytes.div_ceil(1 << 20))).collect();
        for ((task, _), cpu) in self.cpu.rates(counters) {
            *usage.tasks_cpu.entry(task).or_default() += cpu;
        }
        usage
    }

    /// Tells for how long the oldest container of a run has run, where that is limited.
    pub(super) async fn age_of(&self, group: &Group) -> Result<Option<Span>, Failure> {
        let mut age = None;
        for kept in group.live().filter(|_| group.spec.is_limited()) {
            let id = &kept.id;
            match self.engine.look(|client| async move { client.inspect_container(id, None).await }).await {
                Ok(seen) => {
                    let pid = seen.state.and_then(|state| i32::try_from(state.pid?).ok());
                    age = age.max(pid.and_then(|pid| age_in_container(pid, id)));
                }
                Err(trouble) if trouble.is_absent() => {}
                Err(trouble) => return Err(trouble.doing(format_args!("container {}", kept.container))),
            }
        }
        Ok(age)
    }

    /// Gives the memory of a container in bytes, 0 when it has just ended, and the processor time that it has used so far.
    async fn use_of(&self, id: &str) -> (u64, Option<Counter>) {
        let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
        let ask = |client: bollard::Docker| async move {
            let mut answers = Box::pin(client.stats(id, Some(options)));
            answers.next().await.transpose()
        };
        let Some(stats) = self.engine.look(ask).await.ok().flatten() else { return (0, None) };
        let memory = stats.memory_stats.map_or(0, |memory| in_use(&memory));
        (memory, stats.cpu_stats.and_then(used).map(Counter::new))
    }
}

/// The processor time that all its processes used, also those that ended; nothing where the engine found none to ask.
fn used(cpu: ContainerCpuStats) -> Option<Duration> {
    cpu.cpu_usage?.total_usage.map(Duration::from_nanos)
}

/// What cannot be dropped at once, as the engine's own command counts it.
fn in_use(memory: &ContainerMemoryStats) -> u64 {
    let stats = memory.stats.clone().unwrap_or_default();
    let cached =
        stats.get("total_inactive_file").or_else(|| stats.get("inactive_file")).copied().unwrap_or(0);
    memory.usage.unwrap_or(0).saturating_sub(cached)
}
