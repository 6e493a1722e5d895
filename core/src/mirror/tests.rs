//! Copies of stores that answer late, end their watches, and go back in time.

use super::*;

#[test]
fn values_that_differ_anywhere_have_other_sums() {
    let text = "{\"generation\":17,\"host\":\"a\"}";
    let mut sums = alloc::collections::BTreeSet::from([digest(text)]);
    for at in 0..text.len() {
        let other: String = text.char_indices().map(|(i, char)| if i == at { '~' } else { char }).collect();
        assert!(sums.insert(digest(&other)), "{other}");
        assert!(sums.insert(digest(&text[..at])), "{at}");
    }
    assert_eq!(sums.len(), 2 * text.len() + 1);
    assert!(sums.insert(digest("\0")), "what is filled up is not the same");
}

#[test]
fn a_revision_that_never_comes_is_asked_for_less_and_less_and_not_for_ever() {
    let mut mirror = Mirror::new([String::from("a/")], "m");
    let listed = |mirror: &mut Mirror, now, revision| {
        let mut out = Vec::new();
        mirror.wake(now, &mut out);
        let listing = Listing { revision: Revision(revision), entries: Vec::new() };
        let reply = Reply::Listed { prefix: "a/".into(), result: Ok(listing) };
        mirror.reply(now, reply, &mut out).is_some()
    };
    let mut now = Time(0);
    assert!(listed(&mut mirror, now, 1));
    mirror.catch_up(now, "a/", Revision(108));
    let mut pause = Span(0);
    for _ in 0..8 {
        now = now + pause;
        assert!(!listed(&mut mirror, now, 5));
        pause = mirror.wake_at().map_or(Span(0), |at| at.since(now));
    }
    assert!(pause >= Span::secs(7), "{pause}");
    assert!(!mirror.is_caught_up());
    mirror.catch_up(now, "a/", Revision(3));
    assert!(!listed(&mut mirror, now + pause, 5), "what was waited for before is waited for still");
    mirror.settle_for(Revision(0));
    assert!(listed(&mut mirror, now + pause + Span::secs(60), 5));
    assert!(mirror.is_caught_up());
}

#[test]
fn what_is_not_watched_is_soon_known_to_be_old_until_it_is_listed() {
    let listing = || Ok(Listing { revision: Revision(1), entries: Vec::new() });
    let reply = |prefix: &str| Reply::Listed { prefix: prefix.into(), result: listing() };
    let mut mirror = Mirror::new(["a/", "b/"].map(String::from), "m");
    let mut out = Vec::new();
    mirror.wake(Time(0), &mut out);
    mirror.reply(Time(0), reply("a/"), &mut out);
    assert!(!mirror.is_followed(Time(0)), "b/ was never listed");
    mirror.reply(Time(0), reply("b/"), &mut out);
    assert!(mirror.is_followed(Time(50_000)));
    let ended = Reply::WatchEnded { prefix: "a/".into(), why: "cut".into() };
    mirror.reply(Time(50_000), ended, &mut out);
    mirror.wake(Time(51_000), &mut out);
    assert!(mirror.is_followed(Time(51_000)), "it is being listed");
    assert!(!mirror.is_followed(Time(53_000)), "and the store does not answer");
    mirror.reply(Time(58_000), reply("a/"), &mut out);
    assert!(mirror.is_followed(Time(58_000)));
}

#[test]
fn watches_that_always_end_leave_moments_in_which_all_is_known() {
    let mut mirror = Mirror::new(["a/", "b/", "c/"].map(String::from), "m");
    let (mut out, mut moments) = (Vec::new(), 0);
    for now in (0..600_000).step_by(50).map(Time) {
        out.clear();
        mirror.wake(now, &mut out);
        for request in core::mem::take(&mut out) {
            let Request::List { prefix } = request else { continue };
            let listing = Listing { revision: Revision(1), entries: Vec::new() };
            mirror.reply(now, Reply::Listed { prefix: prefix.clone(), result: Ok(listing) }, &mut out);
            let why = String::from("cut");
            mirror.reply(now, Reply::WatchEnded { prefix, why }, &mut out);
        }
        if mirror.is_followed(now) {
            moments += 1;
        } else {
            mirror.hasten(now);
        }
    }
    assert!(moments >= 100, "{moments} in ten minutes");
}

#[test]
fn a_slow_store_whose_watches_always_end_leaves_such_moments_too() {
    for answers in [[500, 900, 400], [500, 3_000, 900]] {
        let prefixes = ["a/", "b/", "c/"];
        let mut mirror = Mirror::new(prefixes.map(String::from), "m");
        let (mut out, mut moments) = (Vec::new(), 0);
        let mut due: BTreeMap<(Time, String), Time> = BTreeMap::new();
        // What is decided on was true this long ago at most.
        let mut asked: BTreeMap<String, Time> = BTreeMap::new();
        for now in (0..600_000).step_by(50).map(Time) {
            mirror.wake(now, &mut out);
            for request in core::mem::take(&mut out) {
                let Request::List { prefix } = request else { continue };
                let of = prefixes.iter().position(|of| *of == prefix).unwrap_or_default();
                due.insert((now + Span(answers[of]), prefix), now);
            }
            while let Some(first) = due.first_entry().filter(|first| first.key().0 <= now) {
                let ((_, prefix), since) = first.remove_entry();
                let listing = Listing { revision: Revision(1), entries: Vec::new() };
                mirror.reply(now, Reply::Listed { prefix: prefix.clone(), result: Ok(listing) }, &mut out);
                let ended = Reply::WatchEnded { prefix: prefix.clone(), why: String::from("cut") };
                mirror.reply(now, ended, &mut out);
                asked.insert(prefix, since);
            }
            if mirror.is_followed(now) {
                moments += 1;
                let oldest = asked.values().min().copied().unwrap_or_default();
                assert!(now <= oldest + HASTE + FRESH + FRESH, "{answers:?}: {oldest:?} at {now:?}");
            } else {
                mirror.hasten(now);
            }
        }
        assert!(moments >= 50, "{answers:?}: {moments} in ten minutes");
    }
}

#[test]
fn a_store_went_back_when_two_listings_are_behind_what_it_said() {
    let listed = |mirror: &mut Mirror, revision| {
        let mut out = Vec::new();
        mirror.refresh(Time(0), "a/");
        mirror.wake(Time(0), &mut out);
        let listing = Listing { revision: Revision(revision), entries: Vec::new() };
        let reply = Reply::Listed { prefix: "a/".into(), result: Ok(listing) };
        match mirror.reply(Time(0), reply, &mut out) {
            Some(News::Listed { went_back, .. }) => Some(went_back),
            Some(News::Changed(_) | News::Trouble { .. }) | None => None,
        }
    };
    let mut mirror = Mirror::new([String::from("a/")], "m");
    assert_eq!(listed(&mut mirror, 5), Some(false));
    mirror.know(Revision(9));
    assert_eq!(listed(&mut mirror, 7), None, "one answer may have been on its way for long");
    assert_eq!(listed(&mut mirror, 9), Some(false));
    assert_eq!(listed(&mut mirror, 7), None);
    assert_eq!(listed(&mut mirror, 8), Some(true));
    assert_eq!(listed(&mut mirror, 8), Some(false));
}

#[test]
fn answers_to_what_was_asked_earlier_prove_nothing() {
    let mut mirror = Mirror::new([String::from("a/")], "m");
    let ask = |mirror: &mut Mirror, now| {
        mirror.refresh(now, "a/");
        mirror.wake(now, &mut Vec::new());
    };
    let answer = |mirror: &mut Mirror, now, revision| {
        let listing = Listing { revision: Revision(revision), entries: Vec::new() };
        let reply = Reply::Listed { prefix: "a/".into(), result: Ok(listing) };
        let news = mirror.reply(now, reply, &mut Vec::new());
        mirror.wake(now, &mut Vec::new());
        match news {
            Some(News::Listed { went_back, .. }) => Some(went_back),
            Some(News::Changed(_) | News::Trouble { .. }) | None => None,
        }
    };
    ask(&mut mirror, Time(0));
    ask(&mut mirror, Time(1));
    mirror.know(Revision(9));
    ask(&mut mirror, Time(2));
    for _ in 0..2 {
        assert_eq!(answer(&mut mirror, Time(3), 7), None);
    }
    assert_eq!(answer(&mut mirror, Time(4), 9), Some(false));
    // What is asked when nothing else is on its way is believed at the second answer.
    ask(&mut mirror, Time(6));
    assert_eq!(answer(&mut mirror, Time(7), 7), None);
    assert_eq!(answer(&mut mirror, Time(8), 7), Some(true));
}

#[test]
fn a_store_that_ends_every_watch_is_asked_less_and_less() {
    let mut mirror = Mirror::new([String::from("a/")], "m");
    let mut now = Time(0);
    let end = |mirror: &mut Mirror, now: Time| {
        let ended = Reply::WatchEnded { prefix: "a/".into(), why: "no".into() };
        mirror.reply(now, ended, &mut Vec::new());
        mirror.wake_at().map_or(Span(0), |at| at.since(now))
    };
    let list = |mirror: &mut Mirror, now: Time| {
        let mut out = Vec::new();
        mirror.wake(now, &mut out);
        let listing = Listing { revision: Revision(7), entries: Vec::new() };
        let reply = Reply::Listed { prefix: "a/".into(), result: Ok(listing) };
        assert!(mirror.reply(now, reply, &mut out).is_some());
    };
    let mut pause = Span(0);
    for _ in 0..8 {
        now = now + pause;
        list(&mut mirror, now);
        pause = end(&mut mirror, now);
    }
    assert!(pause >= Span::secs(7), "{pause}");
    // One that speaks is trusted again.
    now = now + pause;
    list(&mut mirror, now);
    let sign = Reply::Changed { prefix: "a/".into(), revision: Revision(7), changes: Vec::new() };
    mirror.reply(now, sign, &mut Vec::new());
    assert!(end(&mut mirror, now) <= Span(250));
}

#[test]
fn a_watch_that_speaks_of_the_past_counts_as_silent() {
    let mut mirror = Mirror::new([String::from("a/")], "m");
    let mut out = Vec::new();
    mirror.wake(Time(0), &mut out);
    let listing = Listing { revision: Revision(7), entries: Vec::new() };
    mirror.reply(Time(0), Reply::Listed { prefix: "a/".into(), result: Ok(listing) }, &mut out);
    for (revision, until) in [(5, Time(60_000)), (7, Time(90_000))] {
        let sign = Reply::Changed { prefix: "a/".into(), revision: Revision(revision), changes: Vec::new() };
        mirror.reply(Time(30_000), sign, &mut out);
        assert_eq!(mirror.wake_at(), Some(until), "{revision}");
    }
}
