//! Images: one that is here is used as it is and one that is missing is pulled, unless its container says otherwise. Tasks
//! that want the same one wait for the same pull, and nobody waits for another's.
//!
//! **Invariant:** an image that is here is pulled again for those alone that say `always`; otherwise what a tag means does
//! not change.

use super::create::Plan;
use super::engine::{Engine, Trouble};
use super::progress::Layers;
use super::runs::Entry;
use super::{Settings, credentials};
use crate::Failure;
use bollard::query_parameters::CreateImageOptionsBuilder;
use callboard_core::model::Pull;
use callboard_core::policy::Docker as Policy;
use futures_util::StreamExt;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How often those that wait for a pull are told how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// How a pull stands.
#[derive(Clone)]
enum Stands {
    /// How far it is, in words.
    UnderWay(String),
    Over(Result<(), Failure>),
}

/// What is being pulled.
pub(super) struct Images {
    pulls: Mutex<BTreeMap<String, watch::Receiver<Stands>>>,
    /// How long a pull may take.
    deadline: Duration,
    /// How long it may take without any progress.
    stall: Duration,
    /// The file with credentials.
    credentials: Option<PathBuf>,
    /// Where it is taken down what was pulled.
    pub(super) dir: PathBuf,
    /// How long what was pulled is kept that nobody wants.
    pub(super) keep: Duration,
}

/// An image's name, taken apart.
struct Reference<'a> {
    registry: &'a str,
    /// All but the tag or digest.
    name: &'a str,
    /// A tag, or a digest with its algorithm; a digest counts where there are both.
    version: &'a str,
}

impl<'a> Reference<'a> {
    fn of(image: &'a str) -> Reference<'a> {
        let (named, digest) = match image.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (image, None),
        };
        let (name, tag) = match named.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            Some(_) | None => (named, "latest"),
        };
        let registry = match name.split_once('/') {
            Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
            Some(_) | None => "docker.io",
        };
        Reference { registry, name, version: digest.unwrap_or(tag) }
    }
}

impl Images {
    /// Makes one that pulls nothing yet, and takes down in `dir` what it will have pulled.
    pub(super) fn new(settings: &Settings, dir: PathBuf) -> Images {
        Images {
            pulls: Mutex::default(),
            deadline: settings.pull_deadline,
            stall: settings.pull_stall,
            credentials: settings.credentials.clone(),
            dir,
            keep: settings.image_keep,
        }
    }

    /// Sees to it that an image is here, as its container wants it, and tells `entry` what it waits for. May be given up at
    /// any time; a pull goes on for others.
    ///
    /// # Errors
    /// It is not here and cannot be pulled, or is not to be; or it is to be pulled and cannot.
    pub(super) async fn ensure(
        self: &Arc<Images>,
        engine: &Arc<Engine>,
        plan: &Plan<'_>,
        entry: &Entry,
    ) -> Result<(), Failure> {
        let Plan { image, pull, .. } = *plan;
        let here = id_of(engine, image).await?;
        // What a digest names is the same wherever it comes from.
        let is_asked_for = pull == Pull::Always && !image.contains('@');
        let what = match (&here, pull) {
            (Some(_), _) if !is_asked_for => {
                self.was_wanted(image, false);
                return Ok(());
            }
            (None, Pull::Never) => {
                return Err(Failure(format!(
                    "image {image} is not on this host, and with pull: never it is not pulled; load it there, as by \
                     docker load or docker pull, or set pull: missing"
                )));
            }
            (Some(_), _) => "is to be pulled before every start",
            (None, _) => "is not on this host",
        };
        let mut pull = self.pull(engine, plan, here);
        let pulled = loop {
            match pull.borrow_and_update().clone() {
                Stands::UnderWay(far) => entry.waits_for(far),
                Stands::Over(pulled) => break pulled,
            }
            if pull.changed().await.is_err() {
                break Err(Failure("was not pulled: that broke off".to_string()));
            }
        };
        pulled.map_err(|Failure(why)| Failure(format!("image {image} {what} and {why}")))
    }

    /// Tells whether an image that is here may run, by all names that it has here: what is asked for may be its id, or a
    /// name that somebody gave it.
    ///
    /// # Errors
    /// None of its names is allowed, or the engine does not tell them.
    pub(super) async fn judge(engine: &Engine, image: &str, policy: &Policy) -> Result<(), Failure> {
        if policy.images.is_none() {
            return Ok(());
        }
        let name = image.to_string();
        let seen = engine.look(|client| async move { client.inspect_image(&name).await }).await;
        let seen = seen.map_err(|trouble| trouble.doing(format_args!("image {image}")))?;
        let named = |of: Option<Vec<String>>| of.unwrap_or_default();
        let names: Vec<String> = named(seen.repo_tags).into_iter().chain(named(seen.repo_digests)).collect();
        let refusals: Option<Vec<String>> = names.iter().map(|name| policy.image_refusal(name)).collect();
        let Some(refusals) = refusals else { return Ok(()) };
        let why = refusals.into_iter().next().unwrap_or_else(|| "it has no name here".to_string());
        Err(Failure(format!("this host's policy refuses what {image:?} is here: {why}")))
    }

    /// Joins a pull, which is begun when there is none. `here` is the id of what has the image's name by now.
    fn pull(
        self: &Arc<Images>,
        engine: &Arc<Engine>,
        plan: &Plan<'_>,
        here: Option<String>,
    ) -> watch::Receiver<Stands> {
        let mut pulls = self.pulls.lock().unwrap_or_else(PoisonError::into_inner);
        let key = format!("{} {}", plan.image, plan.platform.as_deref().unwrap_or_default());
        if let Some(pull) = pulls.get(&key) {
            return pull.clone();
        }
        let (sender, receiver) = watch::channel(Stands::UnderWay(Layers::default().tell(plan.image)));
        pulls.insert(key.clone(), receiver.clone());
        let (images, engine) = (Arc::clone(self), Arc::clone(engine));
        let (image, platform) = (plan.image.to_string(), plan.platform.clone());
        tokio::spawn(async move {
            let pulled = images.fetch(&engine, &image, platform.as_deref(), &sender).await;
            if pulled.is_ok() {
                images.take_down(&engine, &image, here).await;
            }
            images.pulls.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            let _ = sender.send(Stands::Over(pulled));
        });
        receiver
    }

    /// Takes down that an image was pulled, and what had its name before and is left without one: that is ours to remove if
    /// the image was.
    async fn take_down(&self, engine: &Engine, image: &str, before: Option<String>) {
        let Some(before) = before else { return self.was_wanted(image, true) };
        self.was_wanted(image, false);
        let now = id_of(engine, image).await;
        if self.is_ours(image) && now.is_ok_and(|now| now.is_some_and(|now| now != before)) {
            self.was_wanted(&before, true);
        }
    }

    /// Tells whether more than one pull is under way.
    fn are_several(&self) -> bool {
        self.pulls.lock().unwrap_or_else(PoisonError::into_inner).len() > 1
    }

    /// Pulls. The failure says what became of an image whose name comes before it.
    async fn fetch(
        &self,
        engine: &Engine,
        image: &str,
        platform: Option<&str>,
        waiting: &watch::Sender<Stands>,
    ) -> Result<(), Failure> {
        let reference = Reference::of(image);
        let known = match &self.credentials {
            Some(file) => credentials::find(file, reference.registry),
            None => Ok(None),
        };
        // They may not be needed; when they are, the registry says no and this says why there were none.
        let (credentials, unread) = match known {
            Ok(credentials) => (credentials, String::new()),
            Err(failure) => (None, format!("; {failure}")),
        };
        let options = CreateImageOptionsBuilder::new().from_image(reference.name).tag(reference.version);
        let options = options.platform(platform.unwrap_or_default()).build();
        tracing::info!(image, "pulling");
        let stall = self.stall;
        let pulled = engine.within(self.deadline, |client| async move {
            let mut progress = client.create_image(Some(options), None, credentials);
            let (mut layers, mut told) = (Layers::default(), Instant::now());
            loop {
                let Ok(step) = tokio::time::timeout(stall, progress.next()).await else {
                    // Behind the layers of another pull it is no matter of its registry.
                    if layers.wait_their_turn() && self.are_several() {
                        continue;
                    }
                    return Ok(false);
                };
                let Some(step) = step.transpose()? else { return Ok(true) };
                layers.take(&step);
                if told.elapsed() >= TOLD_EVERY {
                    told = Instant::now();
                    waiting.send_replace(Stands::UnderWay(layers.tell(image)));
                }
            }
        });
        let pulled = pulled.await.map_err(|trouble| match trouble {
            Trouble::Away(why) => Failure(format!("was not pulled: {why}")),
            Trouble::Refused(_, why) => Failure(format!(
                "cannot be pulled: {why}{unread}; is its name right, and may this host have it?"
            )),
        })?;
        match pulled {
            true => Ok(()),
            false => Err(Failure(format!(
                "was not pulled: for {} s nothing came of it; does its registry answer?",
                stall.as_secs()
            ))),
        }
    }
}

/// Gives the id of what has an image's name here; `None` when nothing has.
async fn id_of(engine: &Engine, image: &str) -> Result<Option<String>, Failure> {
    let name = image.to_string();
    match engine.look(|client| async move { client.inspect_image(&name).await }).await {
        Ok(seen) => Ok(Some(seen.id.unwrap_or_default())),
        Err(trouble) if trouble.is_absent() => Ok(None),
        Err(trouble) => Err(trouble.doing(format_args!("image {image}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(image: &str, expect: [&str; 3]) {
        let Reference { registry, name, version } = Reference::of(image);
        assert_eq!([registry, name, version], expect, "{image}");
    }

    #[test]
    fn a_name_has_a_registry_and_a_version() {
        check("redis", ["docker.io", "redis", "latest"]);
        check("team/web:7", ["docker.io", "team/web", "7"]);
        check("r.example:5000/web", ["r.example:5000", "r.example:5000/web", "latest"]);
        check("localhost/web:1@sha256:ab", ["localhost", "localhost/web", "sha256:ab"]);
    }
}
