//! The values of those flags of `docker run` that may be named, read as docker reads them.

use crate::config::mistake::Mistake;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::net::{IpAddr, Ipv4Addr};

/// What an allowed flag of `docker run` sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagValue<'a> {
    /// That something is so, or is not.
    Truth(bool),
    /// How many; of a size, in bytes.
    Number(i64),
    /// A file system below a path, with the options of its mount.
    Mount {
        /// Absolute, without `..`.
        path: &'a str,
        /// As the engine takes them; none when empty.
        options: &'a str,
    },
    /// Words that the engine reads.
    Text(&'a str),
}

/// Reads the value of an allowed flag.
///
/// # Errors
/// It cannot be the value of this one. The mistake has no place.
pub(super) fn read<'a>(name: &str, value: Option<&'a str>) -> Result<FlagValue<'a>, Box<Mistake>> {
    let form = |allowed: String| Box::new(Mistake { allowed, ..Mistake::default() });
    let is_switch = matches!(name, "init" | "read-only");
    let Some(text) = value.or(is_switch.then_some("true")).filter(|text| !text.is_empty()) else {
        return Err(form(format!("one flag in one word, with a value, as in --{name}={}", example(name))));
    };
    if text.contains('\0') {
        return Err(form(format!("a value without a NUL, as in --{name}={}", example(name))));
    }
    let read = match name {
        "init" | "read-only" => text.parse().ok().map(FlagValue::Truth),
        "pids-limit" => text.parse().ok().filter(|count| *count > 0).map(FlagValue::Number),
        "memory-reservation" | "shm-size" => size(text).map(FlagValue::Number),
        "tmpfs" => mount(text),
        "net" | "network" if text.starts_with("container:") => return Err(Box::new(entering())),
        "ip" if text.parse::<Ipv4Addr>().is_err() => None,
        "dns" if text.parse::<IpAddr>().is_err() => None,
        "add-host" if !is_pair(text) => None,
        _ => Some(FlagValue::Text(text)),
    };
    read.ok_or_else(|| form(format!("{}, as in --{name}={}", wanted(name), example(name))))
}

/// Tells what is wrong with flags that are each as they should be: those about a network need one.
pub(super) fn of_no_network<'a>(flags: impl Iterator<Item = (&'a str, FlagValue<'a>)>) -> Option<Mistake> {
    let (mut needs, mut network) = (None, "");
    for (name, value) in flags {
        match (name, value) {
            ("net" | "network", FlagValue::Text(named)) => network = named,
            ("ip" | "net-alias" | "network-alias", _) => needs = Some(name),
            _ => {}
        }
    }
    let name = needs.filter(|_| matches!(network, "" | "bridge" | "default" | "host" | "none"))?;
    Some(Mistake {
        problem: format!("with --{name} and without a network of your own"),
        allowed: format!("--{name} with --net=NAME"),
        next: "make one by docker network create NAME on each host, and allow it in the policy there".into(),
        ..Mistake::default()
    })
}

fn entering() -> Mistake {
    Mistake {
        problem: "which would enter another container's network: no host's policy can allow that".into(),
        next: "use --net=NAME for both, with a network of your own".into(),
        ..Mistake::default()
    }
}

/// Reads a size: bytes, or with one of k, m, g and t, which b or ib may follow.
fn size(text: &str) -> Option<i64> {
    let lower = text.to_ascii_lowercase();
    let short = lower.strip_suffix("ib").or_else(|| lower.strip_suffix('b')).unwrap_or(&lower);
    let shift = match short.as_bytes().last()? {
        b'k' => 10,
        b'm' => 20,
        b'g' => 30,
        b't' => 40,
        _ => 0,
    };
    let digits = if shift > 0 { short.get(..short.len() - 1)? } else { short };
    digits.parse::<i64>().ok().filter(|number| *number > 0)?.checked_mul(1 << shift)
}

fn mount(text: &str) -> Option<FlagValue<'_>> {
    let (path, options) = text.split_once(':').unwrap_or((text, ""));
    let is_legal = path.starts_with('/') && path.split('/').all(|part| part != "..");
    is_legal.then_some(FlagValue::Mount { path, options })
}

/// Tells whether it names a host and its address, or the machine itself.
fn is_pair(text: &str) -> bool {
    let pair = text.split_once([':', '=']);
    pair.is_some_and(|(name, at)| {
        let bare = at.strip_prefix('[').and_then(|at| at.strip_suffix(']')).unwrap_or(at);
        !name.is_empty() && (at == "host-gateway" || bare.parse::<IpAddr>().is_ok())
    })
}

fn wanted(name: &str) -> &'static str {
    match name {
        "init" | "read-only" => "true or false",
        "pids-limit" => "a whole number from 1",
        "memory-reservation" | "shm-size" => "a size in bytes, or with k, m or g",
        "tmpfs" => "an absolute path without ..",
        "ip" => "an address of version 4",
        "dns" => "an address",
        "add-host" => "a name and its address",
        _ => "a value",
    }
}

fn example(name: &str) -> &'static str {
    match name {
        "init" | "read-only" => "true",
        "pids-limit" => "100",
        "memory-reservation" | "shm-size" => "64m",
        "tmpfs" => "/run:size=64m",
        "ip" => "172.20.0.5",
        "dns" => "10.0.0.2",
        "add-host" => "db:10.0.0.7",
        _ => "value",
    }
}
