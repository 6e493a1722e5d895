//! How full the hosts were over time, and which were away.

use crate::check::Book;
use crate::host::Host;
use callboard_core::machine::{Span, Time};

/// How many rows there are at most.
const ROWS: usize = 64;

/// A host, or several that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The first and the last host, or the only one.
    pub name: String,
    /// How many hosts.
    pub hosts: u32,
    /// One a column.
    pub cells: Vec<Cell>,
}

/// A row in a column. Shares are those of hosts that are up, in thousandths of what tasks may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Memory that is issued.
    pub issued: u32,
    /// Memory that is really in use by the machine and its tasks.
    pub used: u32,
    /// Processor share that is issued.
    pub cpu: u32,
    /// Hosts that are switched off.
    pub down: u32,
    /// Hosts that are up, but stand still, have no agent, or do not reach the store.
    pub apart: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Fleet {
    pub(super) rows: Vec<Row>,
    width: Span,
    columns: u32,
    looked: u32,
}

impl Fleet {
    pub(super) fn new(width: Span, columns: u32) -> Fleet {
        Fleet { rows: Vec::new(), width, columns, looked: 0 }
    }

    pub(super) fn is_due(&self, now: Time) -> bool {
        self.looked < self.columns && now.0 >= (u64::from(self.looked) + 1) * self.width.0
    }

    /// Looks at the hosts for every column that is over.
    pub(super) fn look(&mut self, now: Time, hosts: &[Host], book: &Book) {
        if !self.is_due(now) {
            return;
        }
        let each = hosts.len().div_ceil(ROWS).max(1);
        if self.rows.is_empty() {
            self.rows = hosts.chunks(each).map(row).collect();
        }
        // Nothing happened in the columns between the last look and this moment.
        let cells: Vec<Cell> = hosts.chunks(each).map(|chunk| cell(self.ends(now), chunk, book)).collect();
        while self.is_due(now) {
            self.rows.iter_mut().zip(&cells).for_each(|(row, cell)| row.cells.push(*cell));
            self.looked += 1;
        }
    }

    /// Gives the end of the first column that was not looked at, or the present moment if that comes first.
    fn ends(&self, now: Time) -> Time {
        Time(((u64::from(self.looked) + 1) * self.width.0).min(now.0))
    }
}

fn row(hosts: &[Host]) -> Row {
    let name = match hosts {
        [only] => only.name().to_owned(),
        [first, .., last] => format!("{} … {}", first.name(), last.name()),
        [] => String::new(),
    };
    Row { name, hosts: u32::try_from(hosts.len()).unwrap_or(u32::MAX), cells: Vec::new() }
}

fn cell(now: Time, hosts: &[Host], book: &Book) -> Cell {
    let mut cell = Cell::default();
    let (mut issued, mut used, mut cpu) = (0, 0, 0);
    let (mut memory, mut total, mut cores) = (0, 0, 0);
    for host in hosts {
        if !host.up {
            cell.down += 1;
            continue;
        }
        let apart = host.agent.is_none() || !host.link.is_open(now) || host.frozen_until > now;
        cell.apart += u32::from(apart);
        memory += host.registration.memory;
        cores += host.registration.cpu_units;
        total += host.memory_total * 1024;
        used += host.memory_kib(now);
        let claims = book.hosts.get(&host.registration.host).map(|page| page.ledger.clusters.values());
        for claim in claims.into_iter().flatten() {
            issued += claim.memory;
            cpu += claim.cpu_units;
        }
    }
    cell.issued = share(issued, memory);
    cell.used = share(used, total);
    cell.cpu = share(cpu, cores);
    cell
}

fn share(part: u64, whole: u64) -> u32 {
    u32::try_from(part * 1_000 / whole.max(1)).unwrap_or(u32::MAX)
}
