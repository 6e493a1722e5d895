//! The run told in sentences, made of facts: what happened, what followed, how it ended.

use super::Told;
use super::numbers::{count, figure, names};
use crate::recording::{Aftermath, Fall, Happened, Kind, Recording};
use callboard_core::machine::{Span, Time};
use maud::{Markup, html};
use std::collections::BTreeMap;

/// How many happenings are told one by one.
const TOLD: usize = 12;
/// How many things that are alike and cost nothing are told one by one.
const ALIKE: usize = 2;
/// How many services a sentence names.
const NAMED: usize = 3;

/// Writes a moment, from the beginning.
pub(super) fn at(time: Time) -> String {
    let tenths = time.0 / 100 % 600;
    match time.0 {
        0 => "0s".into(),
        ms if ms < 600_000 && !ms.is_multiple_of(1_000) => match ms / 60_000 {
            0 => format!("{}.{}s", tenths / 10, tenths % 10),
            minutes => format!("{minutes}m{}.{}s", tenths / 10, tenths % 10),
        },
        ms if ms < 3_600_000 || ms.is_multiple_of(60_000) => Span(ms / 1_000 * 1_000).to_string(),
        ms => format!("{}h{}m{}s", ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60),
    }
}

/// Tells the run.
pub(super) fn story(told: &Told<'_>) -> Markup {
    html! {
        section class="story" {
            p { (beginning(told)) " " (verdict(told)) }
            @if let Some(recording) = &told.outcome.recording {
                @let (sentences, left_out) = sentences(recording);
                @if !sentences.is_empty() {
                    ol {
                        @for (time, sentence) in &sentences {
                            li { span.t { (at(*time)) } span { (sentence) } }
                        }
                    }
                }
                p { (rest(left_out)) (end(told, recording)) }
            }
        }
    }
}

fn beginning(told: &Told<'_>) -> String {
    let outcome = told.outcome;
    let services = outcome.stats.services.len() as u64;
    let tasks = outcome.recording.as_ref().map(|recording| {
        let wanted = recording.total.points.iter().map(|point| point.wanted).max().unwrap_or(0);
        format!(" with {} tasks", figure(u64::from(wanted)))
    });
    format!(
        "{} ran {}{} for {}.",
        count(outcome.hosts as u64, "host", "hosts"),
        count(services, "service", "services"),
        tasks.unwrap_or_default(),
        outcome.simulated
    )
}

fn verdict(told: &Told<'_>) -> String {
    let outcome = told.outcome;
    let (mut promises, mut expected) = (Vec::new(), 0);
    for violation in &outcome.violations {
        if super::said(&violation.promise).is_none() {
            expected += 1;
        } else if !promises.contains(&violation.promise) {
            promises.push(violation.promise.clone());
        }
    }
    let over = if outcome.simulated < told.scenario.duration {
        " The run was ended early, so nothing is said about its end."
    } else {
        ""
    };
    let expectations = count(expected, "expectation", "expectations");
    let broken = names(&promises, promises.len() as u64);
    let is = match (promises.len(), expected) {
        (0, 0) => "No promise was broken, and all was as expected.".into(),
        (0, _) => format!("No promise was broken, but {expectations} of the scenario not met."),
        (1, 0) => format!("Promise {broken} was broken."),
        (_, 0) => format!("Promises {broken} were broken."),
        (_, _) => format!("{broken} broken, and {expectations} of the scenario not met."),
    };
    format!("{is}{over}")
}

/// Tells what happened and what followed, in the order of time; and how many things are left out.
fn sentences(recording: &Recording) -> (Vec<(Time, String)>, u64) {
    let aftermaths = recording.aftermaths();
    let all = recording.happenings.iter().zip(&aftermaths);
    let (harmless, costly): (Vec<_>, Vec<_>) =
        all.partition(|(happened, aftermath)| aftermath.falls.is_empty() && happened.tasks_lost == 0);
    let mut alike: BTreeMap<&str, Vec<(&Happened, &Aftermath)>> = BTreeMap::new();
    for one in harmless {
        alike.entry(kind(&one.0.what)).or_default().push(one);
    }
    let groups = costly.into_iter().map(|one| vec![one]).chain(alike.into_values().flat_map(|group| {
        if group.len() > ALIKE { vec![group] } else { group.into_iter().map(|one| vec![one]).collect() }
    }));
    let mut groups: Vec<Vec<(&Happened, &Aftermath)>> = groups.collect();
    // Where there are many, those count that cost most.
    groups.sort_by_key(|group| {
        let weight = |(happened, aftermath): &(&Happened, &Aftermath)| {
            aftermath.falls.len() as u64 * 10 + happened.tasks_lost + u64::from(happened.hosts)
        };
        (std::cmp::Reverse(group.iter().map(weight).max()), group.first().map(|(happened, _)| happened.at))
    });
    let left_out = groups.iter().skip(TOLD).map(Vec::len).sum::<usize>() as u64 + recording.more_happenings;
    let told = groups.iter().take(TOLD).filter_map(|group| {
        let (happened, aftermath) = group.first()?;
        Some((happened.at, if group.len() > 1 { together(group) } else { sentence(happened, aftermath) }))
    });
    let mut sentences: Vec<(Time, String)> = told.collect();
    let turns = recording.decisions.iter().filter(|decision| {
        matches!(decision.kind, Kind::Rollout | Kind::Braked) && !decision.first.contains("rolling out")
    });
    let turns = turns.filter(|decision| recording.happenings.iter().any(|it| it.at <= decision.at));
    sentences.extend(turns.take(TOLD).map(|decision| (decision.at, capital(&decision.first))));
    sentences.sort_by_key(|(at, _)| *at);
    (sentences, left_out)
}

/// Gives what happened without whom it hit.
fn kind(what: &str) -> &str {
    what.split_once(": ").map_or(what, |(_, kind)| kind)
}

/// Tells of several things that are alike and cost nothing.
fn together(group: &[(&Happened, &Aftermath)]) -> String {
    let what = group.first().map(|(happened, _)| kind(&happened.what)).unwrap_or_default();
    let last = group.last().map(|(happened, _)| happened.at).unwrap_or_default();
    format!(
        "{} until {}: {what}. No service had fewer healthy tasks than it wants.",
        count(group.len() as u64, "time", "times"),
        at(last)
    )
}

fn capital(text: &str) -> String {
    let text = text.trim_end_matches('.');
    format!("{text}.")
}

fn sentence(happened: &Happened, aftermath: &Aftermath) -> String {
    let mut text = capital_first(&happened.what);
    let hosts = u64::from(happened.hosts);
    let said = text.contains(&count(hosts, "host", "hosts"))
        || !happened.named.is_empty() && happened.named.iter().all(|name| text.contains(&**name));
    if hosts > 0 && !said {
        text.push_str(&format!(" ({})", names(&happened.named, hosts)));
    }
    if happened.tasks_lost > 0 {
        text.push_str(&format!(": {} lost", was(happened.tasks_lost, "task", "tasks")));
    }
    text.push('.');
    if aftermath.falls.is_empty() {
        text.push_str(" No service had fewer healthy tasks than it wants.");
        return text;
    }
    let falls: Vec<String> = aftermath.falls.iter().take(NAMED).map(fall).collect();
    text.push_str(&format!(" {}", falls.join(", ")));
    match aftermath.falls.len() - falls.len() {
        0 => text.push('.'),
        more => text.push_str(&format!(", and {} less deep.", count(more as u64, "service", "services"))),
    }
    let low: Vec<&Fall> = aftermath.falls.iter().filter(|fall| fall.dip.low < fall.dip.min).collect();
    match low.as_slice() {
        [] => text.push_str(" None fell below its min."),
        [only] => text.push_str(&format!(" {} fell below its min of {}.", only.service, only.dip.min)),
        several => text.push_str(&format!(" {} services fell below their min.", several.len())),
    }
    match aftermath.recovery {
        Some(_) if aftermath.lasting => text.push_str(" Not all of them were complete again at the end."),
        Some(recovery) => text.push_str(&format!(" All were complete again after {recovery}.")),
        None => {}
    }
    text
}

fn was(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number, one, many), if number == 1 { "was" } else { "were" })
}

fn fall(fall: &Fall) -> String {
    format!("{} fell to {} of {} healthy", fall.service, fall.dip.low, fall.dip.wanted)
}

/// Begins a sentence; a name that it begins with stays as it is.
fn capital_first(text: &str) -> String {
    if text.split_once(": ").is_some_and(|(name, _)| !name.contains(' ')) {
        return text.into();
    }
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

fn rest(left_out: u64) -> String {
    match left_out {
        0 => String::new(),
        more => format!("{} more, which cost less. ", count(more, "thing happened", "things happened")),
    }
}

fn end(told: &Told<'_>, recording: &Recording) -> String {
    let last = recording.total.points.last().copied().unwrap_or_default();
    let healthy = if last.healthy == last.wanted {
        format!("At the end all {} tasks were healthy", figure(u64::from(last.wanted)))
    } else {
        format!(
            "At the end {} tasks were healthy of {} that are wanted",
            figure(u64::from(last.healthy)),
            figure(u64::from(last.wanted))
        )
    };
    let waiting = recording.waits.iter().filter(|wait| wait.until.is_none()).count() as u64;
    let waits = match waiting {
        0 => ", and nothing waited for a place.".into(),
        some => format!(", and {} waited for a place.", count(some, "service", "services")),
    };
    let moves = match told.outcome.stats.moves {
        0 => " No task had to move.".into(),
        some => format!(" {} had to move in all.", count(some, "task", "tasks")),
    };
    format!("{healthy}{waits}{moves}")
}

/// Lists what happened beside what it cost.
pub(super) fn recoveries(recording: &Recording) -> Markup {
    if recording.happenings.is_empty() {
        return html! {};
    }
    let aftermaths = recording.aftermaths();
    let rows: Vec<(&Happened, &Aftermath)> = recording.happenings.iter().zip(&aftermaths).collect();
    let (first, others) = rows.split_at(rows.len().min(TOLD));
    html! {
        section {
            h2 { "What happened, and what it cost" }
            (table(first))
            @if !others.is_empty() {
                details {
                    summary { "The other " (figure(others.len() as u64)) }
                    (table(others))
                }
            }
            @if recording.more_happenings > 0 {
                p.note { "and " (figure(recording.more_happenings)) " more" }
            }
        }
    }
}

fn table(rows: &[(&Happened, &Aftermath)]) -> Markup {
    html! {
        table {
            thead { tr {
                th { "when" } th { "what" } th.n { "hosts" } th.n { "tasks lost" } th { "deepest fall" }
                th.n { "services" } th.n { "recovered after" }
            } }
            tbody {
                @for (happened, aftermath) in rows {
                    tr class=(if aftermath.lasting { "bad" } else { "" }) {
                        td.t { (at(happened.at)) }
                        td { (happened.what) }
                        td.n { (dash(u64::from(happened.hosts))) }
                        td.n { (dash(happened.tasks_lost)) }
                        td { (aftermath.falls.first().map_or("–".into(), fall)) }
                        td.n { (dash(aftermath.falls.len() as u64)) }
                        td.n { (recovered(aftermath)) }
                    }
                }
            }
        }
    }
}

fn dash(number: u64) -> String {
    if number == 0 { "–".into() } else { figure(number) }
}

fn recovered(aftermath: &Aftermath) -> String {
    match aftermath.recovery {
        None => "–".into(),
        Some(_) if aftermath.lasting => "not".into(),
        Some(recovery) => recovery.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        for (ms, text) in [
            (0, "0s"),
            (1_000, "1s"),
            (1_250, "1.2s"),
            (61_500, "1m1.5s"),
            (300_000, "5m"),
            (725_300, "12m5s"),
            (3_600_000, "1h"),
            (3_725_000, "1h2m5s"),
        ] {
            assert_eq!(at(Time(ms)), text);
        }
    }
}
