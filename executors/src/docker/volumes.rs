//! Which directories of the host a container may see. Names are followed to what they mean before anything is decided, and
//! the engine is given what was decided upon; what is missing is refused, for the engine would make it, as root.
//!
//! **Invariant:** no container gets the engine's socket, nor a directory in which it lies: who has it owns the host.

use super::create::containers;
use crate::Failure;
use bollard::models::{Mount, MountType};
use callboard_core::model::Name;
use callboard_core::policy::Volume;
use callboard_core::policy::volume::{Root, Wanted};
use callboard_core::work::Spec;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Sockets that give their user the whole host.
const SOCKETS: [&str; 4] = [
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
];

/// What may be mounted.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowed {
    /// Directories which, with all below them, may be.
    pub(super) below: Vec<Volume>,
    /// What may not, wherever it lies: the engine's socket, the agent's own directory.
    pub(super) never: Vec<PathBuf>,
}

/// So many look at directories at a time: a file system that hangs keeps whoever looks.
static LOOKS: Semaphore = Semaphore::const_new(LOOKS_MAX);
const LOOKS_MAX: usize = 8;
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Reads the volumes of all containers of a task that are ours, in order, each `host:container` or `host:container:ro`.
/// Names are followed on a thread of its own, which may hang in a file system that does.
///
/// # Errors
/// One of them may not be mounted, or is not there, or nobody can tell; the container is named.
pub(super) async fn mounts(spec: &Spec, allowed: &Arc<Allowed>) -> Result<Vec<Vec<Mount>>, Failure> {
    let all: Vec<(Name, Vec<String>)> = containers(spec)
        .map(|(container, docker)| (container.name.clone(), docker.volumes.clone()))
        .collect();
    if all.iter().all(|(_, volumes)| volumes.is_empty()) {
        return Ok(vec![Vec::new(); all.len()]);
    }
    let allowed = Arc::clone(allowed);
    let look = move || all.iter().map(|(name, volumes)| mounts_of(name, volumes, &allowed)).collect();
    looked(PATIENCE, look).await?
}

/// Has a look at file systems, which may hang, and gives up on it after a while.
async fn looked<T: Send + 'static>(
    patience: Duration,
    look: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let looking = async {
        let turn = LOOKS.acquire().await;
        let look = move || {
            let _turn = turn;
            look()
        };
        tokio::task::spawn_blocking(look).await
    };
    match tokio::time::timeout(patience, looking).await {
        Ok(seen) => seen.map_err(|error| Failure::of("the volumes cannot be looked at", error)),
        Err(_) => Err(Failure(format!(
            "the volumes cannot be looked at within {} s: a file system of this host hangs, theirs or that of a directory \
             that its policy names; `mount` tells which there are",
            patience.as_secs()
        ))),
    }
}

fn mounts_of(container: &str, volumes: &[String], allowed: &Allowed) -> Result<Vec<Mount>, Failure> {
    let named = |failure| Failure::of(format_args!("container {container}"), failure);
    volumes.iter().map(|volume| mount(volume, allowed).map_err(named)).collect()
}

fn mount(volume: &str, allowed: &Allowed) -> Result<Mount, Failure> {
    let wrong = |why: String| Failure(format!("volume {volume:?}: {why}"));
    let wanted = Wanted::read(volume).map_err(wrong)?;
    let Wanted { source, target, read_only } = wanted;
    let real = Path::new(source).canonicalize().map_err(|error| {
        if is_missing(&error) {
            return wrong(format!(
                "there is no {source} on this host; make it first, with the owner it shall have"
            ));
        }
        wrong(format!("{source} cannot be looked at: {error}"))
    })?;
    let shown = real.display();
    if let Some(secret) = allowed.never.iter().chain(sockets().iter()).find(|never| is_or_holds(&real, never))
    {
        let secret = secret.display();
        return Err(wrong(match real.as_path() == Path::new(source) {
            true => format!("is not allowed: it would give the container {secret}"),
            false => format!("is not allowed: {source} is {shown}, which would give the container {secret}"),
        }));
    }
    if let Some(inside) = allowed.never.iter().find(|never| real.starts_with(never)) {
        return Err(wrong(format!("is not allowed: it lies in {}", inside.display())));
    }
    let Some(shown) = real.to_str() else {
        return Err(wrong(format!("{} is not UTF-8; give it another name", real.display())));
    };
    let led = |volume| Root { volume, real: real_of(volume).map(Into::into) };
    let roots: Vec<Root<'_>> = allowed.below.iter().map(led).collect();
    if let Some(why) = wanted.refusal(shown, &roots) {
        return Err(wrong(why));
    }
    Ok(Mount {
        typ: Some(MountType::BIND),
        source: Some(shown.to_string()),
        target: Some(target.to_string()),
        read_only: Some(read_only),
        ..Default::default()
    })
}

/// Gives what the path of a volume leads to, or in a word why nothing can be mounted there.
fn real_of(volume: &Volume) -> Result<String, &'static str> {
    let why = |error| if is_missing(&error) { "missing" } else { "unreadable" };
    let real = Path::new(&volume.path).canonicalize().map_err(why)?;
    real.into_os_string().into_string().map_err(|_| "not UTF-8")
}

fn is_missing(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound
}

/// Tells whether a path is another, by name or by what it is, or a directory above it.
fn is_or_holds(path: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |path: &Path| path.metadata().ok().map(|of| (of.dev(), of.ino()));
    let other = other.canonicalize().unwrap_or_else(|_| other.to_path_buf());
    other.starts_with(path) || identity(path).is_some_and(|this| identity(&other) == Some(this))
}

fn sockets() -> [PathBuf; 4] {
    SOCKETS.map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_system_that_hangs_holds_up_nobody_for_long() {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let failure = looked(Duration::from_millis(20), move || held.recv()).await.unwrap_err();
        assert!(failure.0.contains("a file system of this host hangs"), "{failure}");
        assert_eq!(looked(PATIENCE, || 7).await, Ok(7));
        release.send(()).unwrap();
    }

    #[test]
    fn only_what_is_allowed_and_there_is_mounted() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let path = |name: &str| root.join(name).display().to_string();
        for name in ["ok/below", "okay", "own/tasks", "run", "read/below"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        let link = |name: &str, to: &str| std::os::unix::fs::symlink(to, root.join(name)).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(root.join("run/engine.sock")).unwrap();
        std::fs::hard_link(root.join("run/engine.sock"), root.join("ok/hard")).unwrap();
        link("ok/out", "/etc");
        link("ok/sock", &path("run/engine.sock"));
        link("ok/run", &path("run"));
        link("ok/docker", "/var/run/docker.sock");
        link("allowed", &path("ok"));
        link("loop", &path("loop"));
        let never = vec![root.join("run/engine.sock"), root.join("own")];
        let volume = |name: &str| Volume { path: path(name), read_only: name == "read" };
        let allowed =
            Allowed { below: ["ok", "own", "run", "read", "lost", "loop"].map(volume).into(), never };
        let check = |volume: String, expect: &str| match mount(&volume, &allowed) {
            Ok(mount) => assert_eq!(mount.source.as_deref(), Some(expect), "{volume}"),
            Err(failure) => assert!(failure.0.contains(expect) && !expect.is_empty(), "{volume}: {failure}"),
        };
        check(format!("{}:/x", path("ok")), &path("ok"));
        check(format!("{}:/x:ro", path("ok/below/")), &path("ok/below"));
        check(format!("{}:/x", path("allowed/below")), &path("ok/below"));
        check(format!("{}:/x", path("okay")), "may not be mounted (what may, with all below it: ");
        check(format!("{}:/x:ro", path("read/below")), &path("read/below"));
        let unusable = format!("{} (missing), {} (unreadable))", path("lost"), path("loop"));
        check(format!("{}:/x", path("okay")), &unusable);
        check(format!("{}:/x", path("lost/below")), "make it first");
        for writes in ["", ":rw"] {
            check(format!("{}:/x{writes}", path("read/below")), "may only be read");
        }
        let out = path("ok/out");
        check(format!("{out}:/x"), &format!("{out} (really /etc) may not be mounted"));
        check(format!("{}:/x", path("ok/missing")), "make it first");
        for holds in ["run/engine.sock", "run", "ok/sock", "ok/run", "ok/hard"] {
            check(format!("{}:/x", path(holds)), "engine.sock");
        }
        check(format!("{}:/x", path("own")), "would give the container");
        check(format!("{}:/x", path("own/tasks")), "lies in");
        for holds in ["/", "/var/run", "/run"] {
            check(format!("{holds}:/x"), "would give the container");
        }
        for wrong in
            ["relative:/x", "/ok/../etc:/x", "/ok:/", "/ok:x", "/ok:/x:ro:rw", "/ok", "", "/ok:/x:exec"]
        {
            check(
                wrong.to_string(),
                if wrong.matches(':').count() == 1 { "absolute" } else { "host:container" },
            );
        }
        assert!(mount(&format!("{}:/x", path("ok/docker")), &allowed).is_err());
    }
}
