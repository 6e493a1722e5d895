//! Expectations as short texts, such as `min_healthy web >= 3`. A form is a row of words; those in capitals stand for what
//! the user chooses.

use super::expectations::{Delay, Expectation, RolloutEnd};
use super::kinds::exact;
use super::read::{Known, What};
use callboard_core::config::{Item, Mistake, shown, suggestion};
use callboard_core::machine::Span;
use callboard_core::model::Name;

/// What the user chose in a text.
#[derive(Default)]
struct Chosen {
    service: Option<Name>,
    count: u32,
    percent: u32,
    times: Vec<Span>,
}

impl Chosen {
    fn count(&self) -> u64 {
        u64::from(self.count)
    }

    fn time(&self, index: usize) -> Span {
        self.times.get(index).copied().unwrap_or_default()
    }

    fn named(&self) -> Name {
        self.service.clone().unwrap_or_else(|| "".into())
    }

    fn rollout(&self, state: RolloutEnd) -> Expectation {
        Expectation::Rollout { service: self.named(), state, by: self.times.first().copied() }
    }

    fn delay(&self, of: Delay) -> Expectation {
        Expectation::DelayBelow { percent: self.percent, of, below: self.time(0) }
    }

    fn min_healthy(&self) -> Expectation {
        let (service, at_least) = (self.service.clone(), Some(self.count));
        Expectation::MinHealthy { service, at_least, from: None, until: None }
    }
}

type Make = fn(&Chosen) -> Expectation;

/// The forms, each with what it means.
const FORMS: [(&str, Make); 21] = [
    ("min_healthy SERVICE >= COUNT", Chosen::min_healthy),
    ("min_healthy >= COUNT", Chosen::min_healthy),
    ("healthy by TIME", |it| Expectation::HealthyBy { service: None, count: None, at: it.time(0) }),
    ("healthy SERVICE by TIME", |it| Expectation::HealthyBy {
        service: it.service.clone(),
        count: None,
        at: it.time(0),
    }),
    ("healthy SERVICE >= COUNT by TIME", |it| Expectation::HealthyBy {
        service: it.service.clone(),
        count: Some(it.count),
        at: it.time(0),
    }),
    ("recovered within TIME", |it| Expectation::RecoveredWithin { after: None, within: it.time(0) }),
    ("recovered within TIME of TIME", |it| Expectation::RecoveredWithin {
        after: Some(it.time(1)),
        within: it.time(0),
    }),
    ("moves <= COUNT", |it| Expectation::MovesAtMost { count: it.count() }),
    ("moves >= COUNT", |it| Expectation::MovesAtLeast { count: it.count() }),
    ("moves <= COUNT per hour", |it| Expectation::MovesPerHour { count: it.count() }),
    ("unplaced == 0", |_| Expectation::UnplacedAtMost { count: 0 }),
    ("unplaced <= COUNT", |it| Expectation::UnplacedAtMost { count: it.count() }),
    ("restarts <= COUNT", |it| Expectation::RestartsAtMost { count: it.count() }),
    ("out_of_memory <= COUNT", |it| Expectation::OutOfMemoryAtMost { count: it.count() }),
    ("PERCENTILE placement < TIME", |it| it.delay(Delay::Placement)),
    ("PERCENTILE healthy < TIME", |it| it.delay(Delay::Healthy)),
    ("rollout SERVICE done", |it| it.rollout(RolloutEnd::Done)),
    ("rollout SERVICE failed", |it| it.rollout(RolloutEnd::Failed)),
    ("rollout SERVICE failed by TIME", |it| it.rollout(RolloutEnd::Failed)),
    ("version SERVICE == COUNT", |it| Expectation::VersionAtEnd { service: it.named(), version: it.count }),
    ("drained by TIME", |it| Expectation::DrainedBy { at: it.time(0) }),
];

/// Lists the forms.
pub(super) fn forms() -> impl Iterator<Item = &'static str> {
    FORMS.iter().map(|(form, _)| *form)
}

/// Reads a text.
pub(super) fn read(item: &Item<'_>, known: &Known<'_>) -> Option<Expectation> {
    let text = item.text("an expectation, as in \"min_healthy web >= 3\"")?;
    let words: Vec<&str> = text.split_whitespace().collect();
    // The form that goes along with the text the furthest says what is wrong with it.
    let mut furthest: (usize, &str) = (0, "");
    for (form, make) in &FORMS {
        match follow(form, &words, known) {
            Ok(chosen) => return Some(make(&chosen)),
            Err(at) if at > furthest.0 => furthest = (at, form),
            Err(_) => {}
        }
    }
    item.report(mistake(item, &words, furthest, known));
    None
}

/// Goes along a form; or says how many words are as in it.
fn follow(form: &str, words: &[&str], known: &Known<'_>) -> Result<Chosen, usize> {
    let mut chosen = Chosen::default();
    let mut given = words.iter();
    for (at, part) in form.split(' ').enumerate() {
        let word = given.next().ok_or(at)?;
        match part {
            "SERVICE" if known.has(What::Service, word) => chosen.service = Some((*word).into()),
            "COUNT" => chosen.count = number(word).ok_or(at)?,
            "TIME" => chosen.times.push(Span::parse(word).map_err(|_| at)?),
            "PERCENTILE" => {
                let percent =
                    word.strip_prefix('p').and_then(number).filter(|percent| (1..=99).contains(percent));
                chosen.percent = percent.ok_or(at)?;
            }
            part if part == *word => {}
            _ => return Err(at),
        }
    }
    if given.next().is_some() { Err(form.split(' ').count()) } else { Ok(chosen) }
}

fn number(word: &str) -> Option<u32> {
    word.parse().ok().filter(|number| *number <= 1_000_000_000)
}

fn mistake(item: &Item<'_>, words: &[&str], (at, form): (usize, &str), known: &Known<'_>) -> Mistake {
    let first = words.first().copied().unwrap_or_default();
    let alike: Vec<&str> = forms().filter(|form| form.split(' ').next() == Some(first) && at > 0).collect();
    let allowed = if alike.is_empty() { forms().collect() } else { alike };
    let part = form.split(' ').nth(at);
    let (problem, next) = match (words.get(at), part) {
        (Some(word), Some("SERVICE")) => {
            let near = known.near(What::Service, word);
            let next = near.map(|near| format!("did you mean \"{near}\"?")).unwrap_or_default();
            (format!("\"{}\" is no service of this scenario", shown(word)), next)
        }
        (Some(word), Some("TIME")) => {
            (format!("\"{}\" is no duration", shown(word)), "add a unit, as in 30s, 5m or 250ms".into())
        }
        (Some(word), Some("COUNT")) => (format!("\"{}\" is no whole number", shown(word)), String::new()),
        (Some(word), Some(part)) if at > 0 => {
            (format!("\"{}\" stands where {part} should", shown(word)), String::new())
        }
        (Some(word), None) if at > 0 => (format!("\"{}\" is too much", shown(word)), String::new()),
        (None, Some(part)) if at > 0 => (format!("{part} is missing at the end"), String::new()),
        (word, _) => {
            let firsts = forms().filter_map(|form| form.split(' ').next());
            let near = word.and_then(|word| suggestion(word, firsts));
            let next = near.map(|near| format!("did you mean \"{near}\"?")).unwrap_or_default();
            ("no expectation begins so".into(), next)
        }
    };
    Mistake { problem, allowed: allowed.join(" | "), next, ..item.mistake() }
}

/// Writes an expectation as a text, if there is one for it.
pub(super) fn write(expectation: &Expectation) -> Option<String> {
    let text = match expectation {
        Expectation::MinHealthy {
            service: Some(service),
            at_least: Some(count),
            from: None,
            until: None,
        } => {
            format!("min_healthy {service} >= {count}")
        }
        Expectation::MinHealthy { service: None, at_least: Some(count), from: None, until: None } => {
            format!("min_healthy >= {count}")
        }
        Expectation::HealthyBy { service: None, count: None, at } => format!("healthy by {}", exact(*at)),
        Expectation::HealthyBy { service: Some(service), count: None, at } => {
            format!("healthy {service} by {}", exact(*at))
        }
        Expectation::HealthyBy { service: Some(service), count: Some(count), at } => {
            format!("healthy {service} >= {count} by {}", exact(*at))
        }
        Expectation::RecoveredWithin { after: None, within } => {
            format!("recovered within {}", exact(*within))
        }
        Expectation::RecoveredWithin { after: Some(after), within } => {
            format!("recovered within {} of {}", exact(*within), exact(*after))
        }
        Expectation::MovesAtMost { count } => format!("moves <= {count}"),
        Expectation::MovesAtLeast { count } => format!("moves >= {count}"),
        Expectation::MovesPerHour { count } => format!("moves <= {count} per hour"),
        Expectation::UnplacedAtMost { count: 0 } => "unplaced == 0".into(),
        Expectation::UnplacedAtMost { count } => format!("unplaced <= {count}"),
        Expectation::RestartsAtMost { count } => format!("restarts <= {count}"),
        Expectation::OutOfMemoryAtMost { count } => format!("out_of_memory <= {count}"),
        Expectation::DelayBelow { percent, of, below } => format!("p{percent} {of} < {}", exact(*below)),
        Expectation::Rollout { service, state: RolloutEnd::Done, by: None } => {
            format!("rollout {service} done")
        }
        Expectation::Rollout { service, state: RolloutEnd::Failed, by: None } => {
            format!("rollout {service} failed")
        }
        Expectation::Rollout { service, state: RolloutEnd::Failed, by: Some(by) } => {
            format!("rollout {service} failed by {}", exact(*by))
        }
        Expectation::VersionAtEnd { service, version } => format!("version {service} == {version}"),
        Expectation::DrainedBy { at } => format!("drained by {}", exact(*at)),
        Expectation::MinHealthy { .. } | Expectation::HealthyBy { .. } | Expectation::Rollout { .. } => {
            return None;
        }
    };
    Some(text)
}
