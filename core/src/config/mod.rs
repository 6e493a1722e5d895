//! Reads what users wrote: configuration files in YAML or JSON, of clusters, services, task definitions and hosts.
//!
//! Bytes become a tree ([`parse`]), the tree becomes objects ([`read`]), several files become one configuration
//! ([`merge`]), and that is compared with what is stored (`check`). Each step reports all it finds, with file and line.
//! The middle step is a general [`Reader`], which reads other files as well.
//!
//! **Invariant:** no bytes whatsoever make it panic, and what comes out is valid by itself.

mod address;
mod caution;
mod check;
mod decode;
mod item;
mod mistake;
mod name;
mod reader;
mod scalar;
mod tree;

pub use address::with_port;
pub use caution::cautions;
pub use check::{Delete, Stored, check, check_delete, check_fallback};
pub use decode::{
    CONTAINERS_MAX, Configuration, DESIRED_MAX, DOCKER_FLAGS, Field, FlagValue, Kind, Sourced, docker_flag,
    docker_flags_together, merge, read, read_lists,
};
pub use item::Item;
pub use mistake::{Mistake, Place, distance, is_unprintable, shown, suggestion};
pub use name::{NAME_LENGTH_MAX, RESERVED_NAMES, is_name};
pub use reader::{Fields, MISTAKES_MAX, Reader};
pub use tree::{DEPTH_MAX, FILE_BYTES_MAX, Key, Node, Style, Value, parse};
