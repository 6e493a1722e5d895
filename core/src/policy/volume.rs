//! What a volume of a container asks for, and whether a policy gives it.

use super::{Volume, listed};
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// A directory that a container wants to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Where it is on the host.
    pub source: &'a str,
    /// Where the container finds it.
    pub target: &'a str,
    /// It shall only be read.
    pub read_only: bool,
}

/// A directory that may be mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root<'a> {
    /// As it is configured.
    pub volume: &'a Volume,
    /// What its path leads to on the host, or in a word why it leads nowhere.
    pub real: Result<Cow<'a, str>, &'static str>,
}

impl<'a> From<&'a Volume> for Root<'a> {
    /// Makes one whose path leads nowhere else.
    fn from(volume: &'a Volume) -> Root<'a> {
        Root { volume, real: Ok(Cow::Borrowed(&volume.path)) }
    }
}

impl Root<'_> {
    /// Tells whether what is at a path is the directory or lies in it.
    fn holds(&self, real: &str) -> bool {
        self.real.as_ref().is_ok_and(|root| holds(root, real))
    }

    fn shown(&self) -> String {
        let path = &self.volume.path;
        self.real.as_ref().map_or_else(|why| format!("{path} ({why})"), |real| with_real(path, real))
    }
}

impl Wanted<'_> {
    /// Reads a volume, `host:container` or `host:container:ro`.
    ///
    /// # Errors
    /// It is neither, or has a path that is not absolute or leads upward.
    pub fn read(volume: &str) -> Result<Wanted<'_>, String> {
        let parts: Vec<&str> = volume.split(':').collect();
        let (source, target, read_only) = match parts.as_slice() {
            [source, target] | [source, target, "rw"] => (*source, *target, false),
            [source, target, "ro"] => (*source, *target, true),
            _ => return Err("is not host:container or host:container:ro".into()),
        };
        let is_plain = |path: &str| {
            path.starts_with('/') && !path.contains('\0') && path.split('/').all(|part| part != "..")
        };
        if !is_plain(source) || !is_plain(target) || target.trim_matches('/').is_empty() {
            return Err("needs two absolute paths without .., the second of which is not /".into());
        }
        Ok(Wanted { source, target, read_only })
    }

    /// Tells why it may not be had where these directories may, with all below them; `None` when it may. Nothing is looked
    /// up here: `real` is what its source leads to on the host.
    #[must_use]
    pub fn refusal(&self, real: &str, allowed: &[Root<'_>]) -> Option<String> {
        let Wanted { source, target, read_only } = self;
        let shown = with_real(source, real);
        let mut holding = allowed.iter().filter(|root| root.holds(real)).peekable();
        if holding.peek().is_none() {
            let roots: Vec<String> = allowed.iter().map(Root::shown).collect();
            let list = listed("what may, with all below it", &roots);
            return Some(format!("this host's policy refuses it: {shown} may not be mounted ({list})"));
        }
        let must_not_write = !read_only && holding.all(|root| root.volume.read_only);
        must_not_write.then(|| {
            format!(
                "this host's policy refuses it: {shown} may only be read; write it as {source}:{target}:ro"
            )
        })
    }
}

/// Names a path as it was configured, and what it leads to where that is another one.
fn with_real(path: &str, real: &str) -> String {
    let is_plain = path.trim_end_matches('/') == real.trim_end_matches('/');
    if is_plain { path.to_string() } else { format!("{path} (really {real})") }
}

/// Tells whether a path is a directory or lies in it.
fn holds(root: &str, path: &str) -> bool {
    let rest = path.strip_prefix(root.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_below_a_directory_may_be_had_as_that_may() {
        let volume = |path: &str, read_only| Volume { path: path.into(), read_only };
        let allowed = [volume("/srv", false), volume("/etc/web/", true), volume("/etc/web/own", false)];
        let roots: Vec<Root<'_>> = allowed.iter().map(Root::from).collect();
        let check = |wanted: &str, expect: &str| {
            let refusal = match Wanted::read(wanted) {
                Ok(wanted) => wanted.refusal(wanted.source, &roots).unwrap_or_default(),
                Err(why) => why,
            };
            assert!(refusal.contains(expect), "{wanted}: {refusal}");
            assert_eq!(refusal.is_empty(), expect.is_empty(), "{wanted}: {refusal}");
        };
        for good in
            ["/srv:/x", "/srv/a:/x:rw", "/srv/:/x", "/etc/web:/x:ro", "/etc/web/a:/x:ro", "/etc/web/own/a:/x"]
        {
            check(good, "");
        }
        for bad in ["/srvs:/x", "/:/x:ro", "/etc:/x:ro", "/etc/webs:/x:ro"] {
            check(bad, "may not be mounted (what may, with all below it: /srv, /etc/web/, /etc/web/own)");
        }
        check("/etc/web/a:/x", "/etc/web/a may only be read; write it as /etc/web/a:/x:ro");
        for bad in ["/srv", "", "/srv:/x:ro:rw", "/srv:/x:exec"] {
            check(bad, "host:container");
        }
        for bad in ["srv:/x", "/srv/../etc:/x", "/srv:/", "/srv:x", "/srv:/x/..:ro"] {
            check(bad, "two absolute paths");
        }
        let all = volume("/", false);
        assert_eq!(Wanted::read("/a:/x").unwrap().refusal("/a", &[Root::from(&all)]), None);
    }

    #[test]
    fn paths_are_named_as_they_are_configured_and_what_they_lead_to() {
        let volume = |path: &str, read_only| Volume { path: path.into(), read_only };
        let (srv, web, lost) = (volume("/srv", false), volume("/etc/web/", true), volume("/lost", false));
        let roots = [
            Root { volume: &srv, real: Ok("/mnt/a".into()) },
            Root { volume: &web, real: Ok("/etc/web".into()) },
            Root { volume: &lost, real: Err("missing") },
        ];
        let check = |wanted: &str, real: &str, expect: &str| {
            let refusal = Wanted::read(wanted).unwrap().refusal(real, &roots);
            assert_eq!(
                refusal.as_deref().map(|why| why.replace("this host's policy refuses it: ", "")).as_deref(),
                Some(expect)
            );
        };
        let may = "may not be mounted (what may, with all below it: /srv (really /mnt/a), /etc/web/, /lost (missing))";
        check("/srv/out:/x", "/etc", &format!("/srv/out (really /etc) {may}"));
        check("/home/:/x", "/home", &format!("/home/ {may}"));
        check("/lost:/x", "/lost", &format!("/lost {may}"));
        check("/w:/x", "/etc/web", "/w (really /etc/web) may only be read; write it as /w:/x:ro");
        assert_eq!(Wanted::read("/data:/x").unwrap().refusal("/mnt/a/b", &roots), None);
    }
}
