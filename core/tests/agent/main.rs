//! Tells stories of one agent between a pretended store and a pretended machine.

mod bids;
mod chaos;
mod evidence;
mod leaving;
mod lifecycle;
mod once;
mod presence;
mod progress;
mod records;
mod registration;
mod registry;
mod silence;
mod stage;
mod store;
