//! S4: every key has one kind of writer.

use super::{By, Check, Findings, Seen};

/// Looks at who wrote what.
#[derive(Clone)]
pub(crate) struct Ownership;

impl Check for Ownership {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        for write in seen.writes {
            let key = write.key.as_str();
            // What a host is offered lies with it, so that it need not listen anywhere else.
            let is_offer = key.starts_with("hosts/") && key.split('/').nth(2) == Some("offers");
            let own = match &seen.by {
                By::Agent(_) if is_offer => false,
                By::Agent(host) => {
                    let rest = key.strip_prefix("hosts/").or_else(|| key.strip_prefix("status/"));
                    rest.and_then(|rest| rest.strip_prefix(&**host)).is_some_and(|rest| rest.starts_with('/'))
                        || key == "meta/store_id"
                }
                By::Scheduler => {
                    // What hosts that are gone left behind is the scheduler's to clear away.
                    let leftover = write.deleted && (key.starts_with("hosts/") || key.starts_with("status/"));
                    let gone = match write.place.speaker() {
                        Some(host) => seen.book.hosts.get(host).is_none_or(|page| !page.alive),
                        None => key.contains("/moves/") || key.contains("/orphans/"),
                    };
                    key.starts_with("state/")
                        || key.starts_with("schedulers/")
                        || key == "meta/store_id"
                        || is_offer
                        || (leftover && gone)
                }
                By::User => key.starts_with("config/"),
                By::Stranger | By::Session => true,
            };
            if !own {
                found.blame("S4", format!("{:?} wrote {key}", seen.by));
            }
        }
    }
}
