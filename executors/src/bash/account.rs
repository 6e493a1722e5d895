//! The user that tasks run as.
//!
//! **Invariant:** nobody becomes root by another name, and where this process cannot become the user, nothing is run in its
//! place.

use crate::Failure;
use rustix::process::geteuid;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

const ROOT: &str = "root";

/// A user whom this process becomes for its tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Account {
    /// Looks a user up; `None` where that is who this process is anyway.
    ///
    /// # Errors
    /// There is none of this name, it is root by another one, or this process cannot become it.
    pub(super) fn find(name: &str) -> Result<Option<Account>, Failure> {
        let (uid, gid) = (number("-u", name)?, number("-g", name)?);
        let own = geteuid();
        if uid == 0 && name != ROOT {
            return Err(Failure(format!(
                "user {name} is root by another name; bash tasks run as root only where the policy says user: {ROOT}"
            )));
        }
        if uid == own.as_raw() {
            return Ok(None);
        }
        if !own.is_root() {
            return Err(Failure(format!(
                "this agent runs as user {} and cannot run bash tasks as {name}; run it as root, or as {name}",
                own.as_raw()
            )));
        }
        Ok(Some(Account { name: name.to_string(), uid, gid }))
    }

    /// Gives it a directory with all that is in it, links themselves included.
    pub(super) fn own(&self, path: &Path) -> io::Result<()> {
        lchown(path, Some(self.uid), Some(self.gid))?;
        if fs::symlink_metadata(path)?.is_dir() {
            for entry in fs::read_dir(path)? {
                self.own(&entry?.path())?;
            }
        }
        Ok(())
    }

    /// Lets it through a directory of ours on its way to its own, and sees whether it gets there.
    pub(super) fn let_through(&self, dirs: [&Path; 2]) -> Result<(), Failure> {
        for dir in dirs {
            let cannot = |error| Failure::of(format_args!("cannot use {}", dir.display()), error);
            let mode = fs::metadata(dir).map_err(cannot)?.permissions().mode() | 0o011;
            fs::set_permissions(dir, fs::Permissions::from_mode(mode)).map_err(cannot)?;
        }
        let [_, goal] = dirs;
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "cd \"$0\""]).arg(goal).env_clear().uid(self.uid).gid(self.gid);
        shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match shell.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(Failure(format!(
                "user {} cannot reach {}: let others search each directory above it, by chmod o+x, or set another data \
                 directory",
                self.name,
                goal.display()
            ))),
            Err(error) => Err(Failure::of(format_args!("cannot become user {}", self.name), error)),
        }
    }
}

/// Asks the machine, which may have its users from elsewhere.
fn number(option: &str, name: &str) -> Result<u32, Failure> {
    let unknown =
        || Failure(format!("there is no user {name} on this host; make it, or name another in the policy"));
    let asked = Command::new("id").args([option, "--", name]).stdin(Stdio::null()).output();
    let asked = asked.map_err(|error| Failure::of("cannot run id", error))?;
    let said = String::from_utf8_lossy(&asked.stdout).trim().parse().ok();
    said.filter(|_| asked.status.success()).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_those_of_the_machine() {
        let is_root = geteuid().is_root();
        let check = |name: &str, expect: &str| match Account::find(name) {
            Ok(found) => assert_eq!(found.map_or(String::new(), |account| account.name), expect, "{name}"),
            Err(failure) => assert!(failure.0.contains(expect) && !expect.is_empty(), "{name}: {failure}"),
        };
        check("no-such-user-here", "there is no user no-such-user-here");
        check("nobody", if is_root { "nobody" } else { "cannot run bash tasks as nobody" });
        check("root", if is_root { "" } else { "cannot run bash tasks as root" });
        check("0", "user 0 is root by another name");
    }
}
