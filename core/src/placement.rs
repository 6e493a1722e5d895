//! Placement: filter, score, pick. Which hosts a task may run on, which of them is the best, and why not the others.
//!
//! The order in which hosts are compared, the first difference deciding:
//!
//! 1. the levels of the service's `spread`, each value by (tasks of the service + 1) ÷ its share, least first;
//! 2. the tasks of the service on the host, where `host` is among these levels;
//! 3. the points of what the service prefers, most first;
//! 4. the cluster's policy: see [`Policy`](crate::model::Policy);
//! 5. the name.
//!
//! **Invariant:** the pick is exact: no host that may run the task comes before it in this order.

mod amount;
mod blocks;
mod cheapest;
mod class;
mod cost;
mod costs;
mod departure;
mod fleet;
mod gain;
mod ground;
mod lane;
mod merit;
mod near;
mod need;
mod obstacle;
mod order;
mod placer;
mod ranked;
mod reasons;
mod remedy;
mod rule;
mod scope;
mod search;
mod spread;
mod stream;
mod victims;

pub use amount::Amount;
pub use departure::Departure;
pub use fleet::{Facts, Fleet, Room, Row};
pub use ground::{SPREAD_MAX, Term};
pub use need::{Crowd, Need};
pub use obstacle::Obstacle;
pub use placer::{Identity, Placer};
pub use reasons::Reasons;
pub use remedy::Remedy;
pub(crate) use remedy::remedies;
pub(crate) use rule::check_rule;
pub use search::{Search, View};
pub use victims::{Bystander, Toll, VICTIMS_MAX, victims};
