//! Placement against a reference that looks at every host: they must agree on every pick, in random worlds in which all
//! that can be asked of a host is asked, and hosts come, go, fill, empty and change their labels.

mod looks;
mod preemption;
mod quality;
mod reference;
mod scene;

use proptest::prelude::*;
use scene::{Change, Scene, changes, scenes};

/// How many worlds are drawn; each has several services of several tasks.
const WORLDS: u32 = 10_000;

fn agree(mut scene: Scene, changes: Vec<Change>) -> Result<(), TestCaseError> {
    for change in changes {
        scene.change(&change);
        for service in 0..scene.services.len() {
            let (fast, slow) = (scene.place(service, 4), reference::place(&scene, service, 4));
            prop_assert_eq!(&fast, &slow, "service {} after {:?} in {:#?}", service, &change, &scene);
            scene.settle(service, &fast);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: WORLDS, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_fast_pick_is_the_best_of_all((scene, changes) in scenes().prop_flat_map(|scene| {
        let count = scene.hosts.len();
        (Just(scene), changes(count))
    })) {
        agree(scene, changes)?;
    }

    #[test]
    fn what_was_placed_last_goes_first(mut scene in scenes(), gone in 1..6usize) {
        for service in 0..scene.services.len() {
            let placed = scene.place(service, 6);
            scene.settle(service, &placed);
            let (fast, slow) = (scene.depart(service, gone), reference::depart(&scene, service, gone));
            prop_assert_eq!(&fast, &slow, "service {} in {:#?}", service, &scene);
        }
    }

    #[test]
    fn the_order_in_which_hosts_are_met_does_not_matter(scene in scenes(), seed in any::<u64>()) {
        let shuffled = scene.shuffled(seed);
        for service in 0..scene.services.len() {
            prop_assert_eq!(scene.place(service, 6), shuffled.place(service, 6));
        }
    }
}
