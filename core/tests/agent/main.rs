//! Tells stories of one agent between a pretended store and a pretended machine.

mod lifecycle;
mod stage;
