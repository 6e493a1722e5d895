//! S20: of one placement at most one copy lives on its host. Where the executors keep silent about what runs, and the store
//! forgot it too, nobody can know of it.

use super::record::Text;
use super::{Alive, Book, Check, Findings};

/// Looks at what is born.
#[derive(Clone)]
pub(crate) struct Copies;

impl Check for Copies {
    fn born(&mut self, book: &Book, host: &Text, id: &Text, alive: &Alive, found: &mut Findings) {
        let copies = book
            .live
            .get(&(host.clone(), id.clone()))
            .map_or(0, |list| list.iter().filter(|other| other.generation == alive.generation).count());
        let is_hidden =
            book.misled.get(host).is_some_and(|until| *until >= book.now) && book.amnesia.is_some();
        if copies > 1 && !is_hidden {
            found.blame("S20", format!("{copies} copies of {id} live on {host}"));
        }
    }
}
