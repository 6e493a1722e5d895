//! A program that a person runs inside a task, to look at it or to mend it.

use crate::Failure;
use callboard_core::model::{Container, TaskDefinition};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// What is run, and where its words come from and go.
#[derive(Debug)]
pub struct Exec {
    /// The container to run it in; the first whose end is the task's where none is named.
    pub container: Option<String>,
    /// The program and its arguments as they are: no shell reads them.
    pub words: Vec<String>,
    /// What it reads, piece by piece. Its input ends when the sender is gone.
    pub input: mpsc::Receiver<Vec<u8>>,
    /// Where what it writes goes. When nobody receives any more, it is of no use and ends.
    pub output: mpsc::Sender<Said>,
}

/// A piece of what a program wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// To standard output.
    Out(Vec<u8>),
    /// To standard error.
    Err(Vec<u8>),
}

/// Hands on what a person says; then waits, since a program goes on when its input has ended.
pub(crate) async fn feed(mut input: mpsc::Receiver<Vec<u8>>, mut to: impl AsyncWrite + Unpin) {
    while let Some(piece) = input.recv().await {
        if to.write_all(&piece).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
    drop(to);
    std::future::pending().await
}

/// Chooses among the containers of a task; where none is named, the first whose end is the task's.
///
/// # Errors
/// There is none of that name, or none at all; those that there are are named.
pub(crate) fn choose<'a, T>(
    definition: &TaskDefinition,
    containers: impl Iterator<Item = (&'a Container, T)>,
    named: Option<&str>,
) -> Result<T, Failure> {
    let mut others = Vec::new();
    for (container, value) in containers {
        let is_it =
            named.map_or_else(|| definition.is_essential(container), |named| *container.name == *named);
        if is_it {
            return Ok(value);
        }
        others.push(&*container.name);
    }
    Err(Failure(match named {
        Some(named) => format!("the task has no container {named:?} (it has: {})", others.join(", ")),
        None => "the task has no container".to_string(),
    }))
}
