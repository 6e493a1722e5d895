//! Reads what users say of a host.

use super::{Field, Places};
use crate::config::reader::Fields;
use crate::model::HostConfig;
use alloc::collections::BTreeSet;

pub(super) fn read(fields: &mut Fields<'_>, places: &mut Places) -> Option<HostConfig> {
    let item = fields.required("name");
    places.push((Field::Name, item.place().clone()));
    let name = item.name();
    let draining = fields.flag("draining");
    let mut seen = BTreeSet::new();
    let reserved_ports = fields.list("reserved_ports", |item| {
        let port = item.number(1..=u16::MAX)?;
        if !seen.insert(port) {
            item.wrong("already listed", "", "keep one of the two");
        }
        Some(port)
    });
    Some(HostConfig { name: name?, draining, reserved_ports })
}
