//! Runs a program inside a container for a person. Nothing is needed in the image but the program.
//!
//! When nobody wants to know any more, its input ends and its output goes nowhere; the engine has no way to end it.

use super::engine::Trouble;
use super::{Docker, create};
use crate::Failure;
use crate::exec::{Exec, Said, choose, feed};
use bollard::container::LogOutput;
use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use callboard_core::work::Run;
use futures_util::StreamExt;

impl Docker {
    pub(super) async fn run_program(&self, run: &Run, exec: Exec) -> Result<i32, Failure> {
        let idle = || Failure("the task does not run".to_string());
        let group = self.group(run).await?.ok_or_else(idle)?;
        let names = create::containers(&group.spec).map(|(container, _)| (container, &*container.name));
        let name = choose(&group.spec.definition, names, exec.container.as_deref())?;
        let kept = group.live_mains().find(|kept| kept.container == name).ok_or_else(idle)?;
        let cannot = |trouble: Trouble| trouble.doing("cannot run the program");
        let (begun, at) = self.begin_exec(&kept.id, exec.words.clone(), true).await.map_err(cannot)?;
        if let StartExecResults::Attached { mut output, input } = at {
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
        let code = self.exec_code(&begun).await.map_err(cannot)?;
        Ok(code.and_then(|code| i32::try_from(code).ok()).unwrap_or(-1))
    }

    /// Begins a command inside a container; gives the engine's name for it, and where its words come from and go.
    pub(super) async fn begin_exec(
        &self,
        container: &str,
        words: Vec<String>,
        listens: bool,
    ) -> Result<(String, StartExecResults), Trouble> {
        let config = ExecConfig {
            cmd: Some(words),
            attach_stdin: Some(listens),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..ExecConfig::default()
        };
        let made = self.engine.change(|client| async move { client.create_exec(container, config).await });
        let made = made.await?.id;
        let id = made.as_str();
        let begun = self.engine.change(|client| async move { client.start_exec(id, None).await }).await?;
        Ok((made, begun))
    }

    /// Tells how a command ended; `None` when that cannot be told.
    pub(super) async fn exec_code(&self, begun: &str) -> Result<Option<i64>, Trouble> {
        let seen = self.engine.look(|client| async move { client.inspect_exec(begun).await });
        Ok(seen.await?.exit_code)
    }
}
