//! How many hosts are filled by a plan that sees all that waits, where it is known how many would do.

use callboard_core::keys::Key;
use callboard_core::machine::Span;
use callboard_core::mirror::mix;
use serde_json::{Value, json};
use stage::Stage;
use std::collections::BTreeSet;
use std::io::Write as _;

/// What each host has: memory and processor share.
const HAS: [u64; 2] = [16_384, 8192];
/// How many hosts can be filled to the last byte and share.
const FULL: u64 = 60;
const WORLDS: u64 = 10;

/// Draws numbers that are the same everywhere.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = mix(self.0, 1);
        self.0 % bound
    }

    /// Cuts an amount into parts of at least a twentieth.
    fn cut(&mut self, amount: u64, parts: u64) -> Vec<u64> {
        let least = amount / 20;
        let mut cuts: Vec<u64> = (1..parts).map(|_| self.below(amount - parts * least)).collect();
        cuts.extend([0, amount - parts * least]);
        cuts.sort_unstable();
        cuts.windows(2).map(|pair| least + pair[1] - pair[0]).collect()
    }
}

/// Writes a definition with these fields.
fn define(stage: &mut Stage, name: &str, fields: &Value) {
    let mut definition = json!({"name": name, "version": 1,
        "containers": [{"name": "c", "type": "bash", "executor": {"start": ["x"]}}]});
    let more = fields.as_object().expect("an object").clone();
    definition.as_object_mut().expect("an object").extend(more);
    stage.write(&Key::Definition(name.into(), 1), &definition);
}

/// Writes a service of one task of the definition of its name.
fn want_one(stage: &mut Stage, name: &str) {
    stage.of_kind(name, 1, &json!({"task_name": name, "desired": 1, "max": 1}));
}

/// Writes a cluster that packs these services.
fn pack(stage: &mut Stage, services: &[String]) {
    let cluster = json!({"name": "default", "services": services, "policy": "binpack"});
    stage.write(&Key::Cluster("default".into()), &cluster);
}

/// Gives how many hosts are used by services of one task each, which come together or one after the other.
fn used(seed: u64, together: bool) -> usize {
    let mut draw = Draw(seed);
    let mut stage = Stage::new(120);
    stage.quiet = true;
    let mut services: Vec<String> = Vec::new();
    for host in 0..FULL {
        let parts = 3 + draw.below(6);
        let [memory, cpu_units] = HAS.map(|amount| draw.cut(amount, parts));
        for (number, (memory, cpu_units)) in (0..).zip(memory.into_iter().zip(cpu_units)) {
            // No name tells what belongs together.
            let name = format!("{:016x}", mix(seed, host * 10 + number));
            define(&mut stage, &name, &json!({"memory": memory, "cpu_units": cpu_units}));
            services.push(name);
        }
    }
    services.sort();
    pack(&mut stage, &services);
    for name in &services {
        want_one(&mut stage, name);
        if !together {
            stage.run(Span(100));
        }
    }
    stage.run(Span::secs(10));
    let tasks = stage.tasks();
    assert_eq!(tasks.len(), services.len());
    tasks.into_iter().map(|task| task.host).collect::<BTreeSet<_>>().len()
}

#[test]
fn what_waits_together_is_packed_nearly_as_well_as_can_be() {
    for (how, together, at_most) in [("together", true, 1050), ("one after the other", false, 1200)] {
        let hosts: usize = (1..=WORLDS).map(|seed| used(seed, together)).sum();
        let permille = hosts as u64 * 1000 / (FULL * WORLDS);
        let told = format!("packing what comes {how}: {permille} permille of the hosts of the optimum");
        writeln!(std::io::stdout(), "{told}").expect("it is told");
        assert!((1000..=at_most).contains(&permille), "{told}");
    }
}

#[test]
fn what_is_more_important_is_placed_before_what_fits_better() {
    let mut stage = Stage::new(1);
    let memory = HAS[0];
    for (name, part, priority) in [("a", memory / 2, 9), ("b", memory / 4, 5), ("c", memory / 2, 1)] {
        define(&mut stage, name, &json!({"memory": part, "priority": priority}));
        want_one(&mut stage, name);
    }
    pack(&mut stage, &["a", "b", "c"].map(String::from));
    stage.run(Span::secs(10));
    assert_eq!(["a", "b", "c"].map(|name| stage.running(name).len()), [1, 1, 0], "{:#?}", stage.notes);
}
