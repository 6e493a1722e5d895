//! What the kernel tells of a process.

/// A process, as far as tests must know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// It has ended and waits to be reaped.
    pub ended: bool,
    /// The pid of its parent.
    pub parent: u32,
    /// When it began, in clock ticks since boot.
    pub start: u64,
}

impl Stat {
    /// Looks a process up by its pid; `None` when there is none.
    #[must_use]
    pub fn read(pid: u32) -> Option<Stat> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may itself hold blanks and parentheses.
        let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect();
        Some(Stat {
            ended: matches!(*fields.first()?, "Z" | "X"),
            parent: fields.get(1)?.parse().ok()?,
            start: fields.get(19)?.parse().ok()?,
        })
    }
}
