//! A rehearsal as a page for people who were not there: the answer and what it rests on, then the seeds that tell most.

use super::{Forecast, Rehearsing};
use callboard_core::machine::Span;
use callboard_sim::report::{Foreword, Table, Told, answer};
use callboard_sim::{Outcome, Scenario};

/// How many seeds are shown over time.
const SHOWN: usize = 3;
/// How many steps are listed.
const STEPS: usize = 200;

/// Writes the page. `again` gives the command that plays one seed again.
pub(crate) fn page(rehearsing: &Rehearsing, forecast: &Forecast, again: impl Fn(u64) -> String) -> String {
    let seeds = forecast.telling_seeds().into_iter().take(SHOWN);
    let shown: Vec<(Scenario, Outcome)> = seeds
        .map(|seed| {
            let (scenario, mut outcome) = rehearsing.record(seed);
            (outcome.scenario, outcome.again) = (format!("Seed {seed}"), again(seed));
            (scenario, outcome)
        })
        .collect();
    let runs: Vec<Told<'_>> = shown.iter().map(|(scenario, outcome)| Told { scenario, outcome }).collect();
    answer(&foreword(forecast, again), &runs)
}

fn foreword(forecast: &Forecast, again: impl Fn(u64) -> String) -> Foreword {
    let table = |heading: &str, note: &str, columns: Vec<&'static str>, rows| Table {
        heading: heading.into(),
        note: note.into(),
        columns,
        rows,
    };
    let changes = forecast.applied.changes.iter().map(|change| vec![change.to_string()]);
    let services = forecast.services.iter().map(|(name, fare)| {
        let numbers = [u64::from(fare.before), u64::from(fare.lowest), fare.lowest_seed, u64::from(fare.end)];
        std::iter::once(name.clone()).chain(numbers.map(|number| number.to_string())).collect()
    });
    let kinds = [("broken", &forecast.broken), ("given up", &forecast.failed), ("waits", &forecast.waits)];
    let findings = kinds.into_iter().flat_map(|(word, list)| list.iter().map(move |it| (word, it)));
    let findings = findings.map(|(word, it)| {
        let seeds = format!("{} of {}", it.seeds, forecast.seeds);
        vec![word.into(), it.about.clone(), it.what.clone(), seeds, again(it.seed)]
    });
    let steps = forecast.steps.lines();
    let more = steps.len().saturating_sub(STEPS);
    let note = if more > 0 { format!("and {more} steps more") } else { String::new() };
    let tables = vec![
        table("What does not go well", "", vec!["", "what", "seen", "seeds", "again"], findings.collect()),
        table(
            "Services, over all seeds",
            "Healthy tasks before the change, the fewest with any seed, and at the end with any seed.",
            vec!["service", "before", "fewest", "with seed", "in the end"],
            services.collect(),
        ),
        table("What would be written", "", vec!["object"], changes.collect()),
        table(
            "What is done, with the first seed",
            &note,
            vec!["step"],
            steps.into_iter().take(STEPS).map(|step| vec![step]).collect(),
        ),
    ];
    Foreword { title: "Rehearsal of a change".into(), passed: forecast.passed, lead: lead(forecast), tables }
}

fn lead(forecast: &Forecast) -> Vec<String> {
    let seconds = |ms: u64| Span::secs(ms.div_ceil(1_000));
    let took = forecast.took;
    let verdict = if forecast.passed {
        format!("Every promise is kept with each of {} seeds.", forecast.seeds)
    } else {
        let problem = forecast.verdict();
        format!("Of {} seeds not all come to a good end: {problem}.", forecast.seeds)
    };
    vec![
        verdict,
        format!(
            "{}; with half of the seeds all is done within {}, with each within {}.",
            forecast.steps.counts(),
            seconds(took.median_ms),
            seconds(took.most_ms)
        ),
        format!(
            "Played on a copy of the cluster as of revision {}; nothing was written. In the drawings the change is made \
             after a minute.",
            forecast.revision.0
        ),
    ]
}
