//! What is known to be gone before a watch has said so: what was deleted here, or read as absent. News that are older may
//! still be on their way, and must not bring it back.
//!
//! **Invariant:** nothing stays here once a watch or a listing has caught up with it.

use crate::store::Revision;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use serde::{Deserialize, Serialize};

/// Keys that are gone, and at which revision they surely were.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Buried {
    keys: BTreeMap<String, Revision>,
}

impl Buried {
    /// Notes that a key is gone.
    pub(crate) fn bury(&mut self, key: &str, at: Revision) {
        self.keys.insert(key.to_string(), at);
    }

    /// Tells whether what was written at a revision was written after all that is known of the key's end.
    pub(crate) fn outlived(&mut self, key: &str, written: Revision) -> bool {
        if self.keys.is_empty() {
            return true;
        }
        let is_later = self.keys.get(key).is_none_or(|at| *at < written);
        if is_later {
            self.keys.remove(key);
        }
        is_later
    }

    /// Takes in that a watch has told of a key's end, or that the key was read later.
    pub(crate) fn heard(&mut self, key: &str, revision: Revision) {
        if self.keys.get(key).is_some_and(|at| *at <= revision) {
            self.keys.remove(key);
        }
    }

    /// Takes in that everything under a prefix was listed at a revision; at none, of a store that went back.
    pub(crate) fn listed(&mut self, prefix: &str, revision: Option<Revision>) {
        let is_later = |at: &Revision| revision.is_some_and(|revision| *at > revision);
        self.keys.retain(|key, at| !key.starts_with(prefix) || is_later(at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys;
    use crate::machine::Time;
    use crate::store::{Change, Entry, Listing, Op};
    use crate::world::World;
    use alloc::vec::Vec;

    const KEY: &str = "hosts/h1/offers/web";

    fn offer(revision: u64) -> Change {
        let value = r#"{"schema":1,"service":"web","cluster":"main","number":7,"version":1,"memory":64}"#;
        let (key, revision) = (KEY.to_string(), Revision(revision));
        Change::Put(Entry { key, value: value.into(), revision, session: None }.into())
    }

    fn gone(revision: u64) -> Change {
        Change::Delete { key: KEY.into(), revision: Revision(revision) }
    }

    #[test]
    fn old_news_bring_nothing_back_that_was_deleted_here() {
        let check = |late: &[Change], expect: Option<u64>| {
            let mut world = World::default();
            world.change(Time(0), &offer(5));
            world.delete(Time(0), KEY, Revision(5));
            world.change(Time(0), &offer(6));
            world.confirm(&[Op::Delete { key: KEY.into() }], Revision(9));
            late.iter().for_each(|change| world.change(Time(1), change));
            assert_eq!(world.revision(KEY), expect.map(Revision), "{late:?}");
        };
        check(&[], None);
        check(&[offer(5)], None);
        check(&[offer(5), gone(9)], None);
        check(&[offer(12)], Some(12));
        check(&[gone(9), offer(12)], Some(12));
        check(&[offer(12), gone(9)], Some(12));
        check(&[offer(12), gone(13)], None);
    }

    #[test]
    fn what_was_deleted_is_forgotten_once_that_is_heard() {
        let mut world = World::default();
        let delete = |world: &mut World| {
            world.change(Time(0), &offer(6));
            world.confirm(&[Op::Delete { key: KEY.into() }], Revision(9));
            assert_eq!(world.buried.keys.len(), 1);
        };
        delete(&mut world);
        world.change(Time(1), &gone(9));
        assert!(world.buried.keys.is_empty());
        let listing = |revision| Listing { revision: Revision(revision), entries: Vec::new() };
        let mut world = World::default();
        delete(&mut world);
        world.replace(Time(1), keys::HOSTS, &listing(8), false);
        assert_eq!(world.buried.keys.len(), 1);
        world.replace(Time(1), keys::HOSTS, &listing(9), false);
        assert!(world.buried.keys.is_empty());
    }
}
