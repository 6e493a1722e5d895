//! `callboard rehearse`: what a change would lead to, played on a copy of the live cluster, with many seeds.

use super::apply::{read, tell};
use super::client::Client;
use super::out::{self, Format};
use crate::problem::{Kind, Problem};
use crate::rehearse::{Assumption, Finding, Forecast, Live, Loss, Question, Rehearsing, page};
use crate::write;
use anyhow::{Context, Result};
use callboard_core::config::{Configuration, Sourced};
use callboard_core::machine::Span;
use callboard_sim::{Mishaps, quoted};
use clap::ValueEnum as _;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// How many steps are shown one by one.
const STEPS_SHOWN: usize = 24;

/// Show what a change, a drain or the loss of hosts would lead to, over many seeds; nothing is written
///
/// Takes all that the cluster's store holds into the simulator and plays what follows with the very scheduler and agents
/// that run in production: what is started, moved and stopped, how long it takes, the lowest number of healthy tasks of
/// each service over all seeds, and which promises break with which seed. Exit code 3 when one breaks, when a rollout
/// would be given up, or when something would wait in the end.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  callboard rehearse -f web.yml\n  \
    callboard rehearse --drain h1 --lose rack=r3 --faults usual\n  \
    callboard rehearse -f web.yml --assume web:2=never-healthy\n  callboard rehearse -f web.yml --save-state state.json")]
pub(crate) struct RehearseArgs {
    /// A configuration file, as for `callboard apply`; may be given several times
    #[arg(short = 'f', long = "file", value_name = "FILE", required_unless_present_any = ["drain", "lose"])]
    files: Vec<PathBuf>,
    /// Drain this host; may be given several times
    #[arg(long, value_name = "HOST")]
    drain: Vec<String>,
    /// Lose these hosts for good after the change: host=NAME, or LABEL=VALUE for all hosts with that label
    #[arg(long, value_name = "LABEL=VALUE", value_parser = Loss::parse)]
    lose: Vec<Loss>,
    /// How long after the change they are lost [default: each seed draws a time within 5m]
    #[arg(long, value_name = "TIME", value_parser = Span::parse, requires = "lose")]
    lose_after: Option<Span>,
    /// Suppose that a version behaves so: TASK:VERSION=sound, slow, never-healthy, fails-to-start, dies, crash-loop, leaks
    #[arg(long, value_name = "TASK:VERSION=BEHAVIOUR", value_parser = Assumption::parse)]
    assume: Vec<Assumption>,
    /// What goes wrong by itself meanwhile: nothing, as much as in an ordinary year, or fifty times as much
    #[arg(long, value_enum, default_value = "none", value_name = "FAULTS")]
    faults: Faults,
    /// How far into the future is looked, in pretended hours
    #[arg(long, value_name = "NUMBER", default_value_t = HOURS, value_parser = clap::value_parser!(u64).range(1..=720))]
    hours: u64,
    /// How many seeds are played
    #[arg(long, value_name = "NUMBER", default_value_t = SEEDS, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Play on the state in this file instead of the live one
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Keep the state that is played on in this file: with it, anybody gets the same answer; it holds all configuration,
    /// with secrets
    #[arg(long, value_name = "FILE", conflicts_with = "state")]
    save_state: Option<PathBuf>,
    /// Also write a page about it, HTML that needs no network: the answer, and what the seeds that tell most look like
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// How far is looked unless told otherwise, in hours.
const HOURS: u64 = 2;
/// How many seeds are played unless told otherwise.
const SEEDS: u64 = 20;

/// How much goes wrong by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Faults {
    /// Nothing.
    None,
    /// As in an ordinary year.
    Usual,
    /// Fifty times as much.
    Rough,
}

impl Faults {
    fn mishaps(self) -> Mishaps {
        match self {
            Faults::None => Mishaps::None,
            Faults::Usual => Mishaps::Usual,
            Faults::Rough => Mishaps::Rough,
        }
    }
}

pub(crate) async fn rehearse(
    client: impl FnOnce() -> Result<Client>,
    args: RehearseArgs,
    format: Format,
) -> Result<()> {
    let wanted = if args.files.is_empty() { None } else { Some(read_all(&args.files)?) };
    let live = match &args.state {
        Some(path) => {
            let bytes = std::fs::read(path).map_err(|error| {
                Problem::new(Kind::Invalid, format!("cannot be read: {error}"))
                    .at(path.display().to_string())
                    .hint("check the path and its permissions")
            })?;
            Live::read(&path.display().to_string(), &bytes)?
        }
        None => client()?.get("/v1/state").await?,
    };
    if let Some(path) = &args.save_state {
        save(path, &live)?;
    }
    let question = Question {
        drain: args.drain.clone(),
        lose: args.lose.clone(),
        lose_after: args.lose_after,
        assume: args.assume.clone(),
        mishaps: args.faults.mishaps(),
        until: Span::secs(args.hours * 3600),
        seeds: args.seeds,
        first_seed: args.seed,
    };
    let (mut forecast, rehearsing) = play(live, wanted.as_ref(), question).await?;
    forecast.again = forecast.worst().map(|worst| args.again(worst.seed));
    if let Some(path) = &args.report {
        let page = page(&rehearsing, &forecast, |seed| args.again(seed));
        std::fs::write(path, page).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    if format == Format::Json {
        out::json(&forecast)?;
    } else {
        show(&forecast)?;
    }
    answer(&forecast)?;
    out::message(&format!(
        "every promise is kept with each of {} seeds; nothing was written",
        forecast.seeds
    ));
    Ok(())
}

/// Rehearses an apply of these files with all as it usually is, and shows what comes of it. Gives the fingerprint of the
/// configuration on which it was tried.
///
/// # Errors
/// It would not come to a good end.
pub(crate) async fn before_apply(client: &Client, files: &[PathBuf], format: Format) -> Result<String> {
    let wanted = read_all(files)?;
    let live: Live = client.get("/v1/state").await?;
    let fingerprint = crate::rehearse::fingerprint(live.desired().stored.values());
    let until = Span::secs(HOURS * 3600);
    let question = Question { until, seeds: SEEDS, first_seed: 1, ..Question::default() };
    let (mut forecast, _) = play(live, Some(&wanted), question).await?;
    forecast.again = forecast.worst().map(|worst| again(files, &[], worst.seed));
    if format == Format::Table {
        show(&forecast)?;
    }
    answer(&forecast).context("nothing was applied")?;
    out::message(&format!("every promise is kept with each of {} seeds; applying it", forecast.seeds));
    Ok(fingerprint)
}

fn read_all(paths: &[PathBuf]) -> Result<Sourced<Configuration>> {
    let mut files = Vec::new();
    for path in paths {
        files.push(read(path)?);
    }
    Ok(write::read_files(files.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])))?)
}

/// Keeps a state for its owner alone: it holds what the configuration holds.
fn save(path: &Path, live: &Live) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(&serde_json::to_vec(live)?));
    written.with_context(|| format!("{} cannot be written", path.display()))?;
    out::message(&format!("the state as of revision {} is in {}", live.revision.0, path.display()));
    Ok(())
}

async fn play(
    live: Live,
    wanted: Option<&Sourced<Configuration>>,
    question: Question,
) -> Result<(Forecast, Rehearsing)> {
    let rehearsing = Rehearsing::new(live, wanted, &question)?;
    let bar = ProgressBar::new(question.seeds);
    if let Ok(style) = ProgressStyle::with_template("rehearsing {pos} of {len} seeds {bar:30} {elapsed}") {
        bar.set_style(style);
    }
    let shown = bar.clone();
    let played =
        tokio::task::spawn_blocking(move || (rehearsing.play(&question, || shown.inc(1)), rehearsing));
    let played = played.await.map_err(|error| {
        Problem::failed(format!("the rehearsal broke down: {error}"))
            .hint("this is a defect; keep the state with --save-state and report it")
    })?;
    bar.finish_and_clear();
    Ok(played)
}

fn show(forecast: &Forecast) -> Result<()> {
    tell(&forecast.applied, Format::Table)?;
    out::line("");
    let steps = forecast.steps.lines();
    steps.iter().take(STEPS_SHOWN).for_each(|step| out::line(&format!("  {step}")));
    if let more @ 1.. = steps.len().saturating_sub(STEPS_SHOWN) {
        out::line(&format!("  and {more} steps more"));
    }
    out::line("");
    let mut table = out::table(&["service", "healthy", "lowest", "seed", "in the end"]);
    for (name, fare) in &forecast.services {
        let seed = if fare.lowest < fare.before { fare.lowest_seed.to_string() } else { String::new() };
        table.add_row([
            name.clone(),
            fare.before.to_string(),
            fare.lowest.to_string(),
            seed,
            fare.end.to_string(),
        ]);
    }
    out::line(&table.to_string());
    out::line("");
    if forecast.seeds == 1 {
        for line in &forecast.story {
            out::line(&format!("  {:>8}  {}", Span(line.after_ms).to_string(), line.what));
        }
        out::line("");
    }
    let took = &forecast.took;
    out::line(&format!(
        "{}; all within {}, {} at most",
        forecast.steps.counts(),
        rounded(took.median_ms),
        rounded(took.most_ms),
    ));
    let each = [("waits", &forecast.waits), ("given up", &forecast.failed), ("BROKEN", &forecast.broken)];
    for (word, findings) in each {
        findings.iter().for_each(|finding| out::line(&found(word, finding, forecast.seeds)));
    }
    if let Some(again) = &forecast.again {
        out::line(&format!("again: {again}"));
    }
    Ok(())
}

fn found(word: &str, finding: &Finding, seeds: u64) -> String {
    let Finding { about, what, seed, seeds: some } = finding;
    format!("{word}: {about}: {what} (seed {seed}; {some} of {seeds} seeds)")
}

fn rounded(ms: u64) -> Span {
    Span::secs(ms.div_ceil(1000))
}

/// Says in the end whether the answer is yes.
fn answer(forecast: &Forecast) -> Result<()> {
    if forecast.passed {
        return Ok(());
    }
    let hint = match forecast.worst() {
        Some(_) => {
            "the last line tells that story step by step; --save-state keeps what it was played on, --report draws it"
        }
        None => "look further with --hours",
    };
    Err(Problem::new(Kind::No, forecast.verdict()).hint(hint).into())
}

impl RehearseArgs {
    /// Gives the command that plays one seed again.
    fn again(&self, seed: u64) -> String {
        let mut more = Vec::new();
        let mut add = |flag: &str, value: String| more.extend([flag.to_owned(), value]);
        self.drain.iter().for_each(|host| add("--drain", host.clone()));
        self.lose.iter().for_each(|loss| add("--lose", loss.to_string()));
        self.lose_after.iter().for_each(|after| add("--lose-after", format!("{}ms", after.0)));
        self.assume.iter().for_each(|assumption| add("--assume", assumption.text.clone()));
        if self.faults != Faults::None {
            let name = self.faults.to_possible_value().map(|value| value.get_name().to_owned());
            add("--faults", name.unwrap_or_default());
        }
        if self.hours != HOURS {
            add("--hours", self.hours.to_string());
        }
        for path in self.state.iter().chain(&self.save_state) {
            add("--state", path.display().to_string());
        }
        again(&self.files, &more, seed)
    }
}

fn again(files: &[PathBuf], more: &[String], seed: u64) -> String {
    let files = files.iter().flat_map(|path| ["-f".to_owned(), path.display().to_string()]);
    let words: Vec<String> = files.chain(more.iter().cloned()).map(|word| quoted(&word)).collect();
    format!("callboard rehearse {} --seed {seed} --seeds 1", words.join(" "))
}
