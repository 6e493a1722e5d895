//! Ports that no other test has, in this process or another.

use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};

/// Below the ports that the kernel hands out, and beside those that daemons use unless told otherwise.
const PORTS_FIRST: u16 = 10_000;
const BLOCKS: u16 = 400;
const BLOCK: u16 = 20;

/// A block of ports, held as long as this lives.
#[derive(Debug)]
pub struct Ports {
    /// The first of them.
    pub first: u16,
    /// The last.
    pub last: u16,
    /// Holds the claim as long as it is open.
    _claim: File,
}

impl Ports {
    /// Claims a block.
    ///
    /// # Panics
    /// None is free.
    #[must_use]
    pub fn claim() -> Ports {
        let dir = std::env::temp_dir().join("callboard-test-ports");
        fs::create_dir_all(&dir).expect("the directory for temporary files can be written");
        for block in 0..BLOCKS {
            // What another user of this machine has claimed cannot be opened.
            let Ok(file) = File::create(dir.join(block.to_string())) else { continue };
            let first = PORTS_FIRST + block * BLOCK;
            let last = first + BLOCK - 1;
            let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() && (first..=last).all(is_free) {
                return Ports { first, last, _claim: file };
            }
        }
        panic!("no {BLOCK} ports in a row are free");
    }
}
