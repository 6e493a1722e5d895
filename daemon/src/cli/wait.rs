//! Waits for services to get where they shall be, shows how they fare meanwhile, and says why they will not.

use super::client::Client;
use super::out;
use crate::problem::{Kind, Problem};
use crate::views::ServiceView;
use anyhow::Result;
use callboard_core::machine::Span;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// How often the services are looked at.
const LOOK: Duration = Duration::from_millis(300);
/// For how long something may stand in the way before the answer is no: agents and schedulers need a moment, and a host
/// on which a version failed is tried again after a while.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long to wait.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct WaitArgs {
    /// Do not wait: return when the change is written
    #[arg(long)]
    pub(crate) detach: bool,
    /// How long to wait before giving up with exit code 6; what was applied stays
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = Span::parse)]
    pub(crate) timeout: Span,
}

/// Where a service stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// It is where it shall be.
    There,
    /// On its way.
    OnTheWay,
    /// Something stands in the way that may still go away.
    Held(Problem),
    /// It will not get there.
    Never(Problem),
}

/// Waits for all of them.
///
/// # Errors
/// One will not get there, or it took too long.
pub(crate) async fn until_settled(client: &Client, services: &[String], args: &WaitArgs) -> Result<()> {
    if args.detach || services.is_empty() {
        return Ok(());
    }
    let started = Instant::now();
    let mut progress = Progress::new();
    let mut held: BTreeMap<String, Instant> = BTreeMap::new();
    loop {
        let (mut waiting, mut lines, mut hopeless) = (Vec::new(), Vec::new(), Vec::new());
        for name in services {
            let view: ServiceView = client.get(&format!("/v1/services/{name}")).await?;
            lines.push(line(&view));
            match standing(&view) {
                Standing::There => {
                    held.remove(name);
                    continue;
                }
                Standing::OnTheWay => {
                    held.remove(name);
                }
                Standing::Held(problem) => {
                    let since = *held.entry(name.clone()).or_insert_with(Instant::now);
                    if since.elapsed() > PATIENCE {
                        hopeless.push(problem.body);
                    }
                }
                Standing::Never(problem) => hopeless.push(problem.body),
            }
            waiting.push(view);
        }
        progress.show(&lines);
        if !hopeless.is_empty() {
            return Err(Problem::all(Kind::No, hopeless).into());
        }
        if waiting.is_empty() {
            return Ok(());
        }
        if started.elapsed() > Duration::from_millis(args.timeout.0) {
            return Err(late(&waiting, args.timeout).into());
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn late(waiting: &[ServiceView], timeout: Span) -> Problem {
    let names: Vec<&str> = waiting.iter().map(|view| view.name.as_str()).collect();
    let lines: Vec<String> = waiting.iter().map(line).collect();
    Problem::new(Kind::TimedOut, format!("not there after {timeout}: {}", lines.join("; "))).hint(format!(
        "what was applied stays and goes on; `callboard explain {}` tells why it takes so long",
        names.first().copied().unwrap_or_default()
    ))
}

/// Tells in one line where a service stands.
fn line(view: &ServiceView) -> String {
    if view.kind == "batch" {
        return batch_line(view);
    }
    let target = if view.stopped { 0 } else { view.desired };
    let current =
        view.versions.iter().find(|count| count.version == view.version).cloned().unwrap_or_default();
    let old = view.issued - current.issued;
    let mut line =
        format!("{}: {}, v{} {}/{target} healthy", view.name, view.state, view.version, current.healthy);
    if current.issued > current.healthy {
        line += &format!(", {} on the way", current.issued - current.healthy);
    }
    if old > 0 {
        line += &format!(", {old} of older versions");
    }
    if view.stopping > 0 {
        line += &format!(", {} stopping", view.stopping);
    }
    if let Some(why) = &view.blocked {
        line += &format!(", {} not placed: {why}", view.missing);
    }
    line
}

fn batch_line(view: &ServiceView) -> String {
    let ServiceView { name, state, version, completed, desired, issued, .. } = view;
    let mut line = format!("{name}: {state}, v{version} {completed}/{desired} completed");
    if *issued > 0 {
        line += &format!(", {issued} running");
    }
    if let Some(why) = &view.blocked {
        line += &format!(", {} not placed: {why}", view.missing);
    }
    line
}

fn standing(view: &ServiceView) -> Standing {
    let no = |what: String| Problem::new(Kind::No, what).at(format!("service {}", view.name));
    match view.state.as_str() {
        "healthy" | "stopped" | "completed" => Standing::There,
        "failed" => {
            let why = view.failure.clone().unwrap_or_default();
            let stable = view.stable.filter(|stable| *stable != view.version);
            let serving =
                stable.map(|stable| format!("; version {stable} goes on serving")).unwrap_or_default();
            Standing::Never(no(format!("version {} was given up: {why}{serving}", view.version)).hint(format!(
                "`callboard logs TASK` shows what that task wrote, and `callboard explain {0}` tells more; apply a \
                 version that works, or `callboard start {0}` to try again",
                view.name
            )))
        }
        "unlisted" => Standing::Never(
            no("no cluster lists it, so nobody runs it".into())
                .hint(format!("add {:?} to the services of a cluster and apply that", view.name)),
        ),
        _ if view.cluster.is_some() && !view.scheduled => Standing::Held(
            no(format!("no scheduler looks after its cluster {}", view.cluster.clone().unwrap_or_default()))
                .hint("start one: `callboard scheduler`, `combined` or `dev`"),
        ),
        // What runs to its end may take its turn, and comes back to a host on which a try has failed.
        "blocked" if view.kind == "batch" => Standing::OnTheWay,
        "blocked" => Standing::Held(
            no(format!(
                "{} tasks cannot be placed: {}",
                view.missing,
                view.blocked.clone().unwrap_or_default()
            ))
            .hint(format!("`callboard explain {}` tells what each host lacks", view.name)),
        ),
        _ => Standing::OnTheWay,
    }
}

/// Shows lines in place on a terminal, and one after the other as they change elsewhere. On standard error.
struct Progress {
    bar: Option<ProgressBar>,
    shown: Vec<String>,
}

impl Progress {
    fn new() -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Progress { bar, shown: Vec::new() }
    }

    fn show(&mut self, lines: &[String]) {
        for line in lines.iter().filter(|line| !self.shown.contains(line)) {
            match &self.bar {
                Some(bar) => bar.println(line),
                None => out::message(line),
            }
        }
        if let Some(bar) = &self.bar {
            bar.set_message(format!("waiting for {} services", lines.len()));
        }
        self.shown = lines.to_vec();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::VersionCount;

    fn view(state: &str) -> ServiceView {
        ServiceView {
            name: "web".into(),
            cluster: Some("default".into()),
            scheduled: true,
            version: 2,
            desired: 4,
            issued: 4,
            healthy: 3,
            versions: vec![
                VersionCount { version: 2, issued: 1, healthy: 0 },
                VersionCount { version: 1, issued: 3, healthy: 3 },
            ],
            state: state.into(),
            ..ServiceView::default()
        }
    }

    #[test]
    fn one_line_says_it_all() {
        assert_eq!(line(&view("rolling")), "web: rolling, v2 0/4 healthy, 1 on the way, 3 of older versions");
    }

    #[test]
    fn where_a_service_stands() {
        assert_eq!(standing(&view("healthy")), Standing::There);
        assert_eq!(standing(&view("stopped")), Standing::There);
        assert_eq!(standing(&view("rolling")), Standing::OnTheWay);
        let failed = ServiceView { failure: Some("3 failed".into()), stable: Some(1), ..view("failed") };
        let Standing::Never(problem) = standing(&failed) else { panic!("a failed rollout ends the wait") };
        assert_eq!(problem.kind, Kind::No);
        assert_eq!(problem.body.error, "version 2 was given up: 3 failed; version 1 goes on serving");
        assert!(matches!(standing(&view("blocked")), Standing::Held(_)));
        assert!(matches!(standing(&view("unlisted")), Standing::Never(_)));
        let unscheduled = ServiceView { scheduled: false, ..view("starting") };
        assert!(matches!(standing(&unscheduled), Standing::Held(_)));
    }
}
