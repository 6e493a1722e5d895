//! Which store is meant, and opening it.

use anyhow::{Context, Result};
use callboard_backends::{Embedded, Memory, MemoryStore, Store};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A store as users name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoreName {
    /// `embedded:DIR`
    Embedded(PathBuf),
    /// `memory:`
    Memory,
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreName::Embedded(dir) => write!(f, "embedded:{}", dir.display()),
            StoreName::Memory => f.write_str("memory:"),
        }
    }
}

/// Reads the name of a store.
///
/// # Errors
/// Says what may be given instead.
pub(crate) fn store_name(text: &str) -> Result<StoreName, String> {
    match text.split_once(':') {
        Some(("embedded", dir)) if !dir.is_empty() => Ok(StoreName::Embedded(dir.into())),
        Some(("embedded", _)) => Err("name a directory, as in embedded:/var/lib/callboard/store".into()),
        Some(("memory", "")) => Ok(StoreName::Memory),
        Some((scheme @ ("consul" | "etcd"), _)) => Err(format!(
            "{scheme} is not in this version; use embedded:DIR with `combined`, or `callboard dev`"
        )),
        Some(_) | None => Err("give embedded:DIR or memory:".into()),
    }
}

/// Opens a store.
///
/// # Errors
/// It cannot be opened: another process has it, it is damaged, it cannot be written.
pub(crate) fn open(name: &StoreName) -> Result<Arc<dyn Store>> {
    match name {
        StoreName::Embedded(dir) => {
            let store = Embedded::open(dir).with_context(|| format!("the store {name} cannot be opened"))?;
            Ok(Arc::new(store))
        }
        StoreName::Memory => Ok(Arc::new(MemoryStore::new(Memory::default()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_stores() {
        assert_eq!(store_name("embedded:/d"), Ok(StoreName::Embedded("/d".into())));
        assert_eq!(store_name("memory:"), Ok(StoreName::Memory));
        for bad in ["", "embedded:", "embedded", "memory:x", "consul://127.0.0.1:8500", "etcd:", "/d"] {
            assert!(store_name(bad).is_err(), "{bad}");
        }
    }
}
