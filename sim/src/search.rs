//! Looking for what breaks: many runs at once, the same run with a death at each deed, other futures of it, and the
//! smallest scenario that still breaks.

mod branch;
mod crash;
mod many;
mod shrink;
mod smaller;

pub use crate::stage::CrashPoint;
pub use branch::{Moment, branches, moments};
pub(crate) use crash::crash_points_with;
pub use crash::{crash_at, crash_points};
pub use many::{cores, in_order};
pub use shrink::{Shrunk, shrink};
