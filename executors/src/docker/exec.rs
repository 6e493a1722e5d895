//! Runs a program inside a container for a person. Nothing is needed in the image but the program.
//!
//! When nobody wants to know any more, its input ends and its output goes nowhere; the engine has no way to end it.

use super::{Docker, create};
use crate::Failure;
use crate::exec::{Exec, Said, choose};
use bollard::container::LogOutput;
use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use callboard_core::work::Run;
use futures_util::StreamExt;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

impl Docker {
    pub(super) async fn run_program(&self, run: &Run, exec: Exec) -> Result<i32, Failure> {
        let idle = || Failure("the task does not run".to_string());
        let group = self.group(run).await?.ok_or_else(idle)?;
        let names = create::containers(&group.spec).map(|(container, _)| (container, &*container.name));
        let name = choose(names, exec.container.as_deref())?;
        let kept = group.live().find(|kept| kept.container == name).ok_or_else(idle)?;
        let id = kept.id.as_str();
        let config = ExecConfig {
            cmd: Some(exec.words.clone()),
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..ExecConfig::default()
        };
        let cannot = |trouble: super::engine::Trouble| trouble.doing("cannot run the program");
        let made = self.engine.change(|client| async move { client.create_exec(id, config).await }).await;
        let made = made.map_err(cannot)?.id;
        let made = made.as_str();
        let begun = self.engine.change(|client| async move { client.start_exec(made, None).await }).await;
        if let StartExecResults::Attached { mut output, input } = begun.map_err(cannot)? {
            let listen = async {
                while let Some(Ok(piece)) = output.next().await {
                    let said = match piece {
                        LogOutput::StdErr { message } => Said::Err(message.to_vec()),
                        LogOutput::StdOut { message }
                        | LogOutput::Console { message }
                        | LogOutput::StdIn { message } => Said::Out(message.to_vec()),
                    };
                    if exec.output.send(said).await.is_err() {
                        return;
                    }
                }
            };
            tokio::select! {
                () = listen => {}
                () = exec.output.closed() => {}
                () = feed(exec.input, input) => {}
            }
        }
        let seen = self.engine.look(|client| async move { client.inspect_exec(made).await }).await;
        let code = seen.map_err(cannot)?.exit_code;
        Ok(code.and_then(|code| i32::try_from(code).ok()).unwrap_or(-1))
    }
}

/// Hands on what a person says; then waits, since a program goes on when its input has ended.
async fn feed(mut input: mpsc::Receiver<Vec<u8>>, mut to: impl AsyncWrite + Unpin) {
    while let Some(piece) = input.recv().await {
        if to.write_all(&piece).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
    std::future::pending().await
}
