//! What kind of service it is: how many tasks it has, and what becomes of one that ends.

use serde::{Deserialize, Serialize};

/// What kind of service it is. Source: users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// As many tasks as are desired; one that ends is started again.
    #[default]
    Service,
    /// One task on each host that qualifies; one that ends is started again.
    System,
}

impl Kind {
    /// Tells whether users say how many tasks it has.
    #[must_use]
    pub fn is_counted(self) -> bool {
        self == Kind::Service
    }
}
