//! Looking for what breaks: many runs at once.

mod many;

pub use many::{cores, in_order};
