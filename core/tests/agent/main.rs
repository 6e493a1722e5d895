//! Tells stories of one agent between a pretended store and a pretended machine.

mod chaos;
mod evidence;
mod lifecycle;
mod presence;
mod stage;
mod store;
