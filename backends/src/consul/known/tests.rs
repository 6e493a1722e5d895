//! What counts as a store that went back, and what is told then.

use std::sync::Arc;

use callboard_core::store::Revision;

use super::{Contents, Known, LISTINGS_MAX, PREFIXES_MAX, WENT_BACK, went_back};

fn held(entries: &[(&str, u64)]) -> Contents {
    entries.iter().map(|(key, written)| ((*key).to_string(), *written)).collect()
}

fn list(known: &Known, prefix: &str, index: u64, entries: &[(&str, u64)]) -> u64 {
    let asked = known.ask(prefix);
    known.listed(prefix, &asked, index, held(entries)).expect("a listing").0
}

#[test]
fn what_counts_as_going_back() {
    let before = held(&[("a", 10), ("b", 20)]);
    let check = |now: &[(&str, u64)], index, expect| {
        assert_eq!(went_back(&before, 30, &held(now), index), expect, "{now:?} at {index}");
    };
    check(&[("a", 10), ("b", 20)], 20, false);
    // Written, deleted, made anew.
    check(&[("a", 31), ("b", 20)], 31, false);
    check(&[("b", 20)], 33, false);
    check(&[("a", 35), ("b", 36), ("c", 37)], 37, false);
    check(&[], 40, false);
    // A deletion that Consul has forgotten: only the index goes back, or what is gone was older than what is left.
    check(&[("a", 10), ("b", 20)], 12, false);
    check(&[("b", 20)], 20, false);
    // An older write is there again, and a key that was deleted.
    check(&[("a", 10), ("b", 15)], 15, true);
    check(&[("a", 10), ("b", 20), ("c", 5)], 20, true);
    check(&[("a", 5), ("b", 40)], 40, true);
    // A newer one is gone, and nothing says that it was deleted.
    check(&[("a", 10)], 10, true);
    check(&[], 1, true);
}

#[test]
fn revisions_never_fall_behind_what_was_told() {
    let known = Known::new();
    known.learn(100);
    assert_eq!(list(&known, "a/", 7, &[("a/x", 7)]), 100);
    known.learn(120);
    assert_eq!(list(&known, "a/", 7, &[("a/x", 7)]), 120);
    assert_eq!(list(&known, "b/", 130, &[("b/x", 130)]), 130);
    assert_eq!(list(&known, "a/", 7, &[("a/x", 7)]), 130);
    let begun = known.begin("a/", Revision(120)).expect("it was told");
    assert_eq!(*begun.contents, held(&[("a/x", 7)]));
    assert!(known.begin("a/", Revision(125)).is_none(), "nobody was told of that");
    let next = Arc::new(held(&[("a/x", 131)]));
    assert_eq!(known.followed("a/", &begun, 120, 131, &next), Ok(131));
    assert_eq!(list(&known, "b/", 130, &[("b/x", 130)]), 131);
}

#[test]
fn an_answer_that_was_overtaken_is_no_sign_of_going_back() {
    let known = Known::new();
    assert_eq!(list(&known, "a/", 10, &[("a/x", 10)]), 10);
    let early = known.ask("a/");
    assert_eq!(list(&known, "a/", 20, &[("a/x", 20), ("a/y", 15)]), 20);
    assert_eq!(known.listed("a/", &early, 12, held(&[("a/x", 10), ("a/y", 12)])), Ok(Revision(12)));
}

#[test]
fn after_going_back_each_prefix_is_behind_until_it_is_watched() {
    let known = Known::new();
    known.learn(555);
    assert_eq!(list(&known, "a/", 540, &[("a/old", 300), ("a/new", 540)]), 555);
    assert_eq!(list(&known, "b/", 320, &[("b/x", 320)]), 555);
    let begun = known.begin("b/", Revision(555)).expect("it was told");
    let underway = known.ask("b/");
    assert!(!begun.epochs.has_changed().expect("it is open"));

    assert!(list(&known, "a/", 300, &[("a/old", 300)]) < 555);
    assert!(begun.epochs.has_changed().expect("it is open"));
    assert_eq!(known.listed("b/", &underway, 320, held(&[("b/x", 320)])), Err(WENT_BACK.into()));
    let now = Arc::new(held(&[("b/x", 320)]));
    assert_eq!(known.followed("b/", &begun, 555, 320, &now), Err(WENT_BACK.into()));
    assert!(known.begin("b/", Revision(555)).is_none());

    // New writes go on above, also in a prefix that was not yet listed again.
    known.learn(600);
    let behind = list(&known, "b/", 599, &[("b/x", 320), ("b/y", 599)]);
    assert!(behind < 555, "{behind}");
    // Whoever is told that looks again before he believes it, whatever else was learnt meanwhile.
    known.learn(600);
    let again = list(&known, "b/", 599, &[("b/x", 320), ("b/y", 599)]);
    assert!(again < 555, "{again}");
    let other = list(&known, "b/", 601, &[("b/x", 320), ("b/y", 601)]);
    assert!(other < again, "{other} holds something else than {again}");
    assert!(known.begin("b/", Revision(again)).is_some());
    assert_eq!(list(&known, "b/", 599, &[("b/x", 320), ("b/y", 599)]), 601);
    assert_eq!(list(&known, "a/", 300, &[("a/old", 300)]), 601, "nobody watches it: once is enough");
}

#[test]
fn a_deletion_that_was_forgotten_still_moves_a_watch_on() {
    let known = Known::new();
    known.learn(50);
    assert_eq!(list(&known, "a/", 40, &[("a/x", 30), ("a/y", 40)]), 50);
    let begun = known.begin("a/", Revision(50)).expect("it was told");
    assert_eq!(known.followed("a/", &begun, 50, 40, &Arc::new(held(&[("a/y", 40)]))), Ok(51));
}

#[test]
fn memory_is_bounded() {
    let known = Known::new();
    list(&known, "watched/", 1, &[]);
    known.begin("watched/", Revision(1)).expect("it was told");
    for number in 0..2 * u64::try_from(PREFIXES_MAX).expect("few") {
        list(&known, &format!("{number}/"), number + 2, &[]);
    }
    assert_eq!(known.hold().prefixes.len(), PREFIXES_MAX);
    assert!(known.begin("watched/", Revision(1)).is_some());
    for number in 0..100 {
        list(&known, "watched/", 10_000 + number, &[]);
    }
    assert_eq!(known.hold().prefixes["watched/"].told.len(), LISTINGS_MAX);
    known.forget();
    assert!(known.begin("watched/", Revision(10_099)).is_none());
}
