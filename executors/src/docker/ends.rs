//! Hears from the engine that containers have ended: over one connection for all of them, however many there are.
//!
//! **Invariant:** an end that is not heard costs a delay and nothing else. Whoever waits looks again by itself now and then,
//! and at once when the connection breaks off.

use super::engine::{Engine, Trouble};
use super::labels;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use callboard_core::work::Run;
use futures_util::TryStreamExt;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

/// How long it is followed at most before that is begun anew.
const FOLLOWED: Duration = Duration::from_secs(3600);
/// How long after it broke off it is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// What happened so long before it was begun to follow is told, too: the engine counts in whole seconds.
const OVERLAP: Duration = Duration::from_secs(3);
/// The attribute of an end that says with what.
const CODE: &str = "exitCode";

/// A container that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) id: String,
    /// With what; `None` where the engine does not say.
    pub(super) code: Option<i64>,
}

/// Those who listen, each for one run; `None` is told to all of them when ends may have gone unheard.
type Listeners = Arc<Mutex<BTreeMap<Run, UnboundedSender<Option<End>>>>>;

/// What hears of ends, once somebody listens.
pub(super) struct Ends {
    engine: Arc<Engine>,
    agent: String,
    listeners: Listeners,
    follower: OnceLock<AbortHandle>,
}

/// Somebody who listens; no longer, when it is dropped.
pub(super) struct Listener {
    run: Run,
    listeners: Listeners,
    told: UnboundedReceiver<Option<End>>,
}

impl Ends {
    pub(super) fn of(engine: Arc<Engine>, agent: String) -> Ends {
        Ends { engine, agent, listeners: Listeners::default(), follower: OnceLock::new() }
    }

    /// Listens for ends of a run's containers from now on. One listens for a run at a time: who did before hears no more.
    pub(super) fn listen(&self, run: &Run) -> Listener {
        let (sender, told) = unbounded_channel();
        locked(&self.listeners).insert(run.clone(), sender);
        self.follower.get_or_init(|| {
            let (engine, agent) = (Arc::clone(&self.engine), self.agent.clone());
            tokio::spawn(follow(engine, agent, Arc::clone(&self.listeners))).abort_handle()
        });
        Listener { run: run.clone(), listeners: Arc::clone(&self.listeners), told }
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.follower.get().inspect(|follower| follower.abort());
    }
}

impl Listener {
    /// Waits for the next end; `None` when one may have gone unheard.
    pub(super) async fn next(&mut self) -> Option<End> {
        let end = self.told.recv().await.flatten();
        if end.is_none() {
            self.pass_over();
        }
        end
    }

    /// Passes over what was told by now: whoever looks next sees it.
    pub(super) fn pass_over(&mut self) {
        while self.told.try_recv().is_ok() {}
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Somebody else may listen by now.
        self.told.close();
        let mut listeners = locked(&self.listeners);
        if listeners.get(&self.run).is_some_and(UnboundedSender::is_closed) {
            listeners.remove(&self.run);
        }
    }
}

fn locked(listeners: &Listeners) -> MutexGuard<'_, BTreeMap<Run, UnboundedSender<Option<End>>>> {
    listeners.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hears of ends for ever.
async fn follow(engine: Arc<Engine>, agent: String, listeners: Listeners) {
    let mut since = SystemTime::now();
    loop {
        let begun = SystemTime::now();
        if let Err(trouble) = hear(&engine, &agent, since, &listeners).await {
            tracing::debug!(?trouble, "the engine tells of no ends; looking now and then");
        }
        for listener in locked(&listeners).values() {
            // It may listen no more.
            let _gone = listener.send(None);
        }
        since = begun;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Hears of ends from a moment on, until the connection breaks off.
async fn hear(engine: &Engine, agent: &str, since: SystemTime, listeners: &Listeners) -> Result<(), Trouble> {
    let since = since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().saturating_sub(OVERLAP);
    let mut filters = labels::filter(agent, None);
    filters.insert("type".to_string(), vec!["container".to_string()]);
    filters.insert("event".to_string(), vec!["die".to_string()]);
    let options = EventsOptionsBuilder::new().since(&since.as_secs().to_string()).filters(&filters).build();
    let heard = |client: bollard::Docker| async move {
        let tell = |event: EventMessage| {
            if let Some((run, end)) = end(event)
                && let Some(listener) = locked(listeners).get(&run)
            {
                let _gone = listener.send(Some(end));
            }
            std::future::ready(Ok(()))
        };
        client.events(Some(options)).try_for_each(tell).await
    };
    engine.within(FOLLOWED, heard).await
}

/// Reads which container has ended, and of which run.
fn end(event: EventMessage) -> Option<(Run, End)> {
    let actor = event.actor?;
    let attributes = actor.attributes?;
    let code = attributes.get(CODE).and_then(|code| code.parse().ok());
    Some((labels::run(&attributes)?, End { id: actor.id?, code }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::EventActor;

    fn ends() -> Ends {
        let engine = Engine::at("tcp://127.0.0.1:1", Duration::from_secs(1)).unwrap();
        Ends::of(Arc::new(engine), "agent".to_string())
    }

    fn run() -> Run {
        Run { id: "web-1".into(), generation: 7, attempt: 2 }
    }

    #[test]
    fn an_end_says_of_what_it_is() {
        let attributes = [
            ("callboard.task", "web-1"),
            ("callboard.generation", "7"),
            ("callboard.attempt", "2"),
            ("exitCode", "137"),
        ];
        let attributes = attributes.map(|(name, value)| (name.to_string(), value.to_string()));
        let actor = EventActor { id: Some("c1".to_string()), attributes: Some(attributes.into()) };
        let event = EventMessage { actor: Some(actor), ..EventMessage::default() };
        assert_eq!(end(event), Some((run(), End { id: "c1".to_string(), code: Some(137) })));
        assert_eq!(end(EventMessage::default()), None);
    }

    #[tokio::test]
    async fn who_listens_hears_that_the_engine_is_away() {
        let ends = ends();
        let mut listener = ends.listen(&run());
        assert_eq!(listener.next().await, None);
    }

    #[tokio::test]
    async fn who_listens_no_more_is_forgotten_and_nobody_else() {
        let ends = ends();
        let (first, second) = (ends.listen(&run()), ends.listen(&run()));
        drop(first);
        assert_eq!(locked(&ends.listeners).len(), 1);
        drop(second);
        assert!(locked(&ends.listeners).is_empty());
    }
}
