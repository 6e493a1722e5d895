//! One scheduler among puppets, under random turmoil: hosts come and go, builds are bad, counts change, answers of the
//! store are lost. Whatever happens, no stop by choice takes a service below `min`, no more than `max` are issued; and
//! when the turmoil ends, everything is as desired.

use callboard_core::machine::Span;
use callboard_core::model::Desired;
use callboard_core::store::Outcome;
use proptest::prelude::*;
use stage::{Act, Stage};

#[derive(Clone, Debug)]
enum Event {
    Silence(u32),
    Wake(u32),
    Drain(u32, bool),
    Version(usize, u32),
    Counts(usize, u32, u32, u32),
    Build(u32, u8),
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => (0..6_u32).prop_map(Event::Silence),
        3 => (0..6_u32).prop_map(Event::Wake),
        1 => ((0..6_u32), any::<bool>()).prop_map(|(host, on)| Event::Drain(host, on)),
        3 => ((0..2_usize), (1..5_u32)).prop_map(|(service, version)| Event::Version(service, version)),
        2 => ((0..2_usize), (0..9_u32), (0..9_u32), (1..4_u32)).prop_map(|(s, d, m, x)| Event::Counts(s, d, m.min(d), d + x)),
        2 => ((1..5_u32), (0..4_u8)).prop_map(|(version, act)| Event::Build(version, act)),
        4 => (1..90_u64).prop_map(Event::Pass),
    ]
}

struct Services {
    version: [u32; 2],
    counts: [(u32, u32, u32); 2],
}

const NAMES: [&str; 2] = ["api", "web"];

impl Services {
    fn write(&self, stage: &mut Stage, index: usize) {
        stage.service(NAMES[index], self.version[index], self.counts[index]);
    }
}

fn happen(stage: &mut Stage, services: &mut Services, event: &Event) {
    let name = |host: u32| format!("h{host:04}");
    match event {
        Event::Silence(host) => stage.silence_if_alive(&name(*host)),
        Event::Wake(host) => stage.wake_up(&name(*host)),
        Event::Drain(host, draining) => stage.drain(&name(*host), *draining),
        Event::Version(index, version) => {
            services.version[*index] = *version;
            services.write(stage, *index);
        }
        Event::Counts(index, desired, min, max) => {
            services.counts[*index] = (*desired, *min, *max);
            services.write(stage, *index);
        }
        Event::Build(version, act) => {
            let act = [Act::Healthy, Act::Unhealthy, Act::Failed, Act::Ignore][usize::from(*act)];
            stage.acts.insert(*version, act);
        }
        Event::Pass(seconds) => stage.run(Span::secs(*seconds)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn holds_its_promises(events in prop::collection::vec(event(), 1..40), lossy in any::<bool>()) {
        let mut stage = Stage::new(6);
        if lossy {
            stage.answer = |commit, outcome| if commit % 5 == 0 { Outcome::Unknown("cut".into()) } else { outcome };
        }
        for version in 1..5 {
            stage.definition("app", version, 700);
        }
        let mut services = Services { version: [1; 2], counts: [(4, 3, 5); 2] };
        services.write(&mut stage, 0);
        services.write(&mut stage, 1);
        stage.cluster("default", &NAMES);
        for event in &events {
            happen(&mut stage, &mut services, event);
        }
        stage.run(Span::secs(10));
        stage.acts.clear();
        for host in 0..6 {
            stage.wake_up(&format!("h{host:04}"));
            stage.drain(&format!("h{host:04}"), false);
        }
        // A version nobody has tried: what failed before is not in question.
        for index in 0..2 {
            stage.definition("app", 9, 700);
            services.version[index] = 9;
            services.write(&mut stage, index);
        }
        stage.run(Span::secs(1800));
        for (index, name) in NAMES.iter().enumerate() {
            let running = stage.running(name);
            let target = services.counts[index].0 as usize;
            prop_assert_eq!(running.len(), target, "{} {:#?}", name, stage.notes);
            prop_assert!(running.iter().all(|task| task.version == 9), "{:#?}", stage.notes);
        }
        prop_assert!(stage.tasks().iter().all(|task| task.desired == Desired::Run));
        let commits = stage.commits;
        stage.run(Span::secs(600));
        prop_assert_eq!(stage.commits, commits, "still writing: {:#?}", &stage.notes[stage.notes.len().saturating_sub(20)..]);
    }
}
