//! Which store is meant, and opening it.

mod address;
mod consul;
mod etcd;
mod tls;

use crate::problem::{Kind, Problem};
use address::Served;
use anyhow::{Context, Result};
use callboard_backends::{ConsulSettings, Embedded, Memory, MemoryStore, Prefixed, Store};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Where the cluster's state is kept.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Store")]
pub(crate) struct StoreArgs {
    /// Where the state of the cluster is kept: consul://HOST:PORT/PREFIX, etcd://HOST:PORT/PREFIX (several hosts parted
    /// by commas, the prefix may be left out; consul+https:// and etcd+https:// for TLS), `consul:` or `etcd:` for the
    /// one that the variables of Consul or etcd name, embedded:DIR (in this process, durable), or memory: (gone with it)
    #[arg(long, value_name = "STORE", env = "CALLBOARD_STORE", value_parser = store_name)]
    store: Option<StoreName>,
    #[command(flatten)]
    consul: consul::ConsulArgs,
    #[command(flatten)]
    etcd: etcd::EtcdArgs,
}

/// A store as users name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoreName {
    /// `consul:…`
    Consul(Served),
    /// `etcd:…`
    Etcd(Served),
    /// `embedded:DIR`
    Embedded(PathBuf),
    /// `memory:`
    Memory,
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreName::Consul(served) => write!(f, "consul{served}"),
            StoreName::Etcd(served) => write!(f, "etcd{served}"),
            StoreName::Embedded(dir) => write!(f, "embedded:{}", dir.display()),
            StoreName::Memory => f.write_str("memory:"),
        }
    }
}

const FORMS: &str = "give consul://HOST:PORT, etcd://HOST:PORT, embedded:DIR or memory:";

/// Reads the name of a store.
///
/// # Errors
/// Says what may be given instead.
pub(crate) fn store_name(text: &str) -> Result<StoreName, String> {
    let (scheme, rest) = text.split_once(':').ok_or(FORMS)?;
    match scheme {
        "embedded" if !rest.is_empty() => Ok(StoreName::Embedded(rest.into())),
        "embedded" => Err("name a directory, as in embedded:/var/lib/callboard/store".into()),
        "memory" if rest.is_empty() => Ok(StoreName::Memory),
        "consul" | "consul+https" => {
            Served::parse(rest, scheme.ends_with("https"), consul::PORT).map(StoreName::Consul)
        }
        "etcd" | "etcd+https" => {
            Served::parse(rest, scheme.ends_with("https"), etcd::PORT).map(StoreName::Etcd)
        }
        _ => Err(FORMS.into()),
    }
}

/// A store, and what may be told of it.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    /// Its name, addresses filled in.
    pub(crate) name: String,
    /// The Consul whose agent is the registry of this host, where the store is one.
    pub(crate) consul: Option<ConsulSettings>,
}

impl StoreArgs {
    /// Gives the store that is meant.
    ///
    /// # Errors
    /// None is named.
    pub(crate) fn name(&self) -> Result<&StoreName, Problem> {
        self.store.as_ref().ok_or_else(|| {
            Problem::new(Kind::Invalid, "no store is named").at("--store").hint(format!(
                "{FORMS}, by --store, CALLBOARD_STORE or the file of --config; `callboard dev` brings one along"
            ))
        })
    }

    /// Opens the store that is meant. A server need not be there yet.
    ///
    /// # Errors
    /// It cannot be opened: another process has it, it is damaged, it cannot be written; a certificate cannot be read.
    pub(crate) async fn open(&self) -> Result<Opened> {
        let mut consul = None;
        let (store, name) = match self.name()? {
            StoreName::Consul(served) => {
                consul = Some(self.consul.settings(&self.consul.filled(served)?)?);
                self.consul.open(served)?
            }
            StoreName::Etcd(served) => self.etcd.open(served).await?,
            StoreName::Embedded(dir) => return embedded(dir.clone()),
            StoreName::Memory => {
                let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Memory::default()));
                (store, StoreName::Memory)
            }
        };
        Ok(Opened { store, name: name.to_string(), consul })
    }
}

/// Opens an embedded store.
///
/// # Errors
/// Another process has it, it is damaged, or it cannot be written.
pub(crate) fn embedded(dir: PathBuf) -> Result<Opened> {
    let name = StoreName::Embedded(dir.clone());
    let store = Embedded::open(&dir).with_context(|| format!("the store {name} cannot be opened"))?;
    Ok(Opened { store: Arc::new(store), name: name.to_string(), consul: None })
}

/// Keeps to the part of a store that is ours.
fn within(store: Arc<dyn Store>, prefix: &str) -> Arc<dyn Store> {
    if prefix.is_empty() { store } else { Arc::new(Prefixed::new(store, prefix)) }
}

/// Reads a file that a setting names.
fn read(setting: &str, file: &std::path::Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("{setting}: {} cannot be read", file.display()))
}

#[cfg(test)]
mod tests;
