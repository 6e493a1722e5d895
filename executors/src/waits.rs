//! What a start waits for, in words, told to whoever follows it.

use tokio::sync::watch;

/// What one start waits for. Clones are one and the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waits(watch::Sender<String>);

impl Waits {
    /// Gives what tells of it.
    pub(crate) fn follow(&self) -> watch::Receiver<String> {
        self.0.subscribe()
    }

    /// Tells whether anybody follows.
    pub(crate) fn is_followed(&self) -> bool {
        self.0.receiver_count() > 0
    }

    /// Tells what it waits for now, where that is new.
    pub(crate) fn tell(&self, what: String) {
        self.0.send_if_modified(|waits| {
            let is_news = *waits != what;
            *waits = what;
            is_news
        });
    }
}
