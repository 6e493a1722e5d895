//! Which images may go: those that this agent pulled and that no task has wanted for long.
//!
//! **Invariant:** an image that somebody else brought here, or that any container still uses, is never removed.

use super::Docker;
use super::images::Images;
use crate::Failure;
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveImageOptionsBuilder};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// How often it is looked for such images, at most.
const LOOK_EVERY: Duration = Duration::from_secs(3600);

impl Images {
    /// Takes down that an image was pulled, or wanted where that was taken down before.
    pub(super) fn was_wanted(&self, image: &str, pulled: bool) {
        let file = self.note_of(image);
        if (pulled || file.exists())
            && let Err(error) = std::fs::create_dir_all(&self.dir).and_then(|()| std::fs::write(&file, image))
        {
            // Then it stays, or goes a little early.
            tracing::warn!(image, %error, "cannot take down that an image is wanted");
        }
    }

    /// Tells whether it was taken down that an image was pulled.
    pub(super) fn is_ours(&self, image: &str) -> bool {
        self.note_of(image).exists()
    }

    /// Gives where it is taken down of an image.
    fn note_of(&self, image: &str) -> PathBuf {
        let name: String =
            Sha256::digest(image.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        self.dir.join(name)
    }

    /// Lists what has not been wanted for long: the image's name, and where that is taken down.
    fn unwanted(&self) -> std::io::Result<Vec<(String, PathBuf)>> {
        let mut unwanted = Vec::new();
        if !self.dir.exists() {
            return Ok(unwanted);
        }
        for entry in std::fs::read_dir(&self.dir)? {
            let path = entry?.path();
            let since = path.metadata()?.modified()?;
            let age = SystemTime::now().duration_since(since).unwrap_or_default();
            if age >= self.keep {
                unwanted.push((std::fs::read_to_string(&path)?, path));
            }
        }
        Ok(unwanted)
    }
}

impl Docker {
    /// Removes images that may go, in the background, when it is time to.
    pub(super) fn sweep_images(&self) {
        let due = {
            let mut last = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
            let due = last.is_none_or(|last| last.elapsed() >= LOOK_EVERY.min(self.images.keep));
            if due {
                *last = Some(Instant::now());
            }
            due
        };
        if due {
            let (engine, images) = (Arc::clone(&self.engine), Arc::clone(&self.images));
            tokio::spawn(async move {
                if let Err(failure) = sweep(&engine, &images).await {
                    tracing::warn!(%failure, "images that nobody wants are still there");
                }
            });
        }
    }
}

async fn sweep(engine: &super::Engine, images: &Images) -> Result<(), Failure> {
    let unwanted = images.unwanted().map_err(|error| Failure::of(images.dir.display(), error))?;
    for (image, file) in unwanted {
        let name = image.as_str();
        // What lost its name to a later pull may have been given another one since.
        if name.starts_with("sha256:") && has_name(engine, name).await? {
            forget(&file)?;
            continue;
        }
        // Of two names of one image, the engine would let go of that by which it runs.
        if is_in_use(engine, name).await? {
            images.was_wanted(&image, false);
            continue;
        }
        let options = RemoveImageOptionsBuilder::new().force(false).build();
        let removed =
            engine.change(|client| async move { client.remove_image(name, Some(options), None).await }).await;
        match removed {
            Ok(_) => tracing::info!(image, "removed an image that no task has wanted for long"),
            Err(trouble) if trouble.is_absent() => {}
            // A container has it.
            Err(trouble) if trouble.is_conflict() => {
                images.was_wanted(&image, false);
                continue;
            }
            Err(trouble) => return Err(trouble.doing(format_args!("cannot remove image {image}"))),
        }
        forget(&file)?;
    }
    Ok(())
}

/// Tells whether a container is made of an image.
async fn is_in_use(engine: &super::Engine, name: &str) -> Result<bool, Failure> {
    let filter = HashMap::from([("ancestor", vec![name])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filter).build();
    let made = engine.look(|client| async move { client.list_containers(Some(options)).await }).await;
    match made {
        Ok(made) => Ok(!made.is_empty()),
        Err(trouble) if trouble.is_absent() => Ok(false),
        Err(trouble) => Err(trouble.doing(format_args!("containers of image {name}"))),
    }
}

async fn has_name(engine: &super::Engine, id: &str) -> Result<bool, Failure> {
    match engine.look(|client| async move { client.inspect_image(id).await }).await {
        Ok(seen) => Ok(seen.repo_tags.is_some_and(|tags| !tags.is_empty())),
        Err(trouble) if trouble.is_absent() => Ok(false),
        Err(trouble) => Err(trouble.doing(format_args!("image {id}"))),
    }
}

fn forget(file: &Path) -> Result<(), Failure> {
    std::fs::remove_file(file).map_err(|error| Failure::of(file.display(), error))
}
