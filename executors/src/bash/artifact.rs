//! Downloads the artifact of a container. The URL comes from whoever may define tasks, so it is not trusted with what
//! this host can reach: each address is checked before it is connected to, also behind names and redirects.
//!
//! **Invariant:** a file appears in the task's directory only whole and with the checksum it was announced with.

use super::fetching::Fetching;
use super::unpack::{self, Scrap};
use crate::Failure;
use crate::check::causes;
use crate::waits::Waits;
use callboard_core::machine::Span;
use callboard_core::model::Bash;
use callboard_core::policy;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect;
use sha2::{Digest, Sha256};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

/// What this host allows to be downloaded. Never allowed are link-local addresses, among them those that give out a
/// machine's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Also http, not only https.
    pub allow_http: bool,
    /// Also from this machine itself.
    pub allow_loopback: bool,
    /// Also from private networks, such as 10.0.0.0/8.
    pub allow_private: bool,
    /// Largest size.
    pub bytes_max: u64,
    /// Longest time for one download.
    pub time_max: Span,
    /// The fewest bytes a second, on average, once a download has taken a while.
    pub rate_min: u64,
    /// That while.
    pub rate_after: Span,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            allow_http: false,
            allow_loopback: false,
            allow_private: true,
            bytes_max: 1 << 30,
            time_max: Span::secs(600),
            rate_min: 1024,
            rate_after: Span::secs(30),
        }
    }
}

const REDIRECTS_MAX: usize = 3;

/// Checks what can be checked without asking anybody. A container without an artifact is fine.
pub(super) fn check(bash: &Bash, policy: &Policy) -> Result<(), Failure> {
    let Some(artifact) = &bash.artifact else { return Ok(()) };
    let url = parse(artifact)?;
    policy.check(&url).map_err(|why| Failure(format!("artifact {artifact}: {why}")))?;
    digest(bash)?;
    directory(bash).map(drop)
}

/// Downloads the artifact, if there is one, to its place below `work`, or unpacks it there, and tells `waits` how far that
/// is. A file may be executed. Whatever it leads on to must be allowed by the second of the rules.
pub(super) async fn fetch(
    bash: &Bash,
    work: &Path,
    rules: (&Policy, &policy::Bash),
    waits: &Waits,
) -> Result<(), Failure> {
    let Some(artifact) = &bash.artifact else { return Ok(()) };
    let url = parse(artifact)?;
    let time_max = rules.0.time_max;
    let time = Duration::from_millis(time_max.0);
    let result = tokio::time::timeout(time, download(&url, bash, work, rules, waits)).await;
    let result = result.unwrap_or_else(|_| Err(Failure(format!("it took longer than {time_max}"))));
    result.map_err(|why| Failure(format!("artifact {artifact}: {why}")))
}

async fn download(
    url: &Url,
    bash: &Bash,
    work: &Path,
    (policy, sources): (&Policy, &policy::Bash),
    waits: &Waits,
) -> Result<(), Failure> {
    let expected = digest(bash)?;
    let directory = work.join(directory(bash)?);
    let path = directory.join(file_name(url));
    let part = Scrap(directory.join(".artifact.part"));
    let failed = |error| Failure::of(format!("cannot write {}", path.display()), error);
    fs::create_dir_all(&directory).map_err(failed)?;
    if !bash.unpack && path.exists() {
        return Err(Failure(format!("{} is there already; give it another download_dir", path.display())));
    }
    let mut fetching = Fetching { url: url.as_str(), of: None };
    waits.tell(fetching.tell(0));
    let mut answer =
        client(policy, sources)?.get(url.clone()).send().await.map_err(|error| Failure(causes(&error)))?;
    if !answer.status().is_success() {
        return Err(Failure(format!("the server answered with status {}", answer.status())));
    }
    let too_large =
        || Failure(format!("it is larger than the {} bytes that this host allows", policy.bytes_max));
    if answer.content_length().is_some_and(|length| length > policy.bytes_max) {
        return Err(too_large());
    }
    fetching.of = answer.content_length();
    let mut options = tokio::fs::OpenOptions::new();
    let options = options.create(true).truncate(true).write(true).mode(0o700);
    let mut file = options.open(&part.0).await.map_err(failed)?;
    let (mut hash, mut bytes, begun) = (Sha256::new(), 0_u64, Instant::now());
    while let Some(chunk) = answer.chunk().await.map_err(|error| Failure(causes(&error)))? {
        bytes = bytes.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if bytes > policy.bytes_max {
            return Err(too_large());
        }
        policy.check_rate(bytes, begun.elapsed())?;
        waits.tell(fetching.tell(bytes));
        hash.update(&chunk);
        file.write_all(&chunk).await.map_err(failed)?;
    }
    let actual: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if actual != expected {
        return Err(Failure(format!(
            "its checksum is sha256:{actual}, not sha256:{expected}; it was thrown away"
        )));
    }
    file.flush().await.map_err(failed)?;
    file.sync_all().await.map_err(failed)?;
    if !bash.unpack {
        return fs::rename(&part.0, &path).map_err(failed);
    }
    waits.tell(format!("unpacking {url}"));
    let (stop, bytes_max) = (Stop::default(), policy.bytes_max);
    let told = Arc::clone(&stop.0);
    let unpacked =
        tokio::task::spawn_blocking(move || unpack::unpack(&part.0, &directory, bytes_max, &told)).await;
    unpacked.map_err(|error| Failure::of("unpacking ended", error))?
}

/// Tells whoever unpacks to end, once nobody waits for it any more.
#[derive(Default)]
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn client(policy: &Policy, sources: &policy::Bash) -> Result<reqwest::Client, Failure> {
    let (hops, sources) = (policy.clone(), sources.clone());
    let redirects = redirect::Policy::custom(move |attempt| {
        let secure = attempt.previous().iter().any(|url| url.scheme() == "https");
        let downgraded = secure && attempt.url().scheme() != "https";
        if attempt.previous().len() > REDIRECTS_MAX {
            attempt.error(format!("more than {REDIRECTS_MAX} redirects"))
        } else if downgraded {
            attempt.error("redirected from https to http")
        } else if let Err(why) = hops.check(attempt.url()) {
            let url = attempt.url().clone();
            attempt.error(format!("redirected to {url}: {why}"))
        } else if let Some(why) = sources.artifact_refusal(attempt.url().as_str()) {
            attempt.error(format!("redirected, and this host's policy refuses what to: {why}"))
        } else {
            attempt.follow()
        }
    });
    let client = reqwest::Client::builder()
        .redirect(redirects)
        .dns_resolver(Arc::new(Checked(policy.clone())))
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(Duration::from_secs(30))
        .no_proxy()
        .user_agent("callboard")
        .build();
    client.map_err(|error| Failure(causes(&error)))
}

impl Policy {
    fn check_rate(&self, bytes: u64, taken: Duration) -> Result<(), Failure> {
        let millis = u64::try_from(taken.as_millis()).unwrap_or(u64::MAX);
        match millis > self.rate_after.0 && bytes.saturating_mul(1000) / millis.max(1) < self.rate_min {
            true => Err(Failure(format!("it came at less than {} bytes a second", self.rate_min))),
            false => Ok(()),
        }
    }

    /// Tells why a URL is not allowed. Names are checked when they are resolved.
    fn check(&self, url: &Url) -> Result<(), String> {
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            "http" => return Err("this host allows https only".to_string()),
            other => return Err(format!("{other} is not supported; use https")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a user or password in the URL is not allowed".to_string());
        }
        let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        host.parse().map_or(Ok(()), |address| self.check_address(address))
    }

    fn check_address(&self, address: IpAddr) -> Result<(), String> {
        const METADATA: [IpAddr; 3] = [
            IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
            IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
            IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
        ];
        let address = address.to_canonical();
        let (link_local, private, odd) = match address {
            IpAddr::V4(v4) => (v4.is_link_local(), v4.is_private(), v4.is_broadcast() || v4.octets()[0] == 0),
            IpAddr::V6(v6) => (v6.is_unicast_link_local(), v6.is_unique_local(), false),
        };
        let refused = if link_local || METADATA.contains(&address) {
            "is link-local or gives out the machine's own metadata"
        } else if odd || address.is_multicast() || address.is_unspecified() {
            "is not the address of one machine"
        } else if address.is_loopback() && !self.allow_loopback {
            "is this machine itself, which this host does not allow"
        } else if private && !self.allow_private {
            "is private, which this host does not allow"
        } else {
            return Ok(());
        };
        Err(format!("{address} {refused}"))
    }
}

/// Resolves names to the addresses that are allowed; the connection is made to these and no others.
struct Checked(Policy);

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0.clone();
        Box::pin(async move {
            let resolved: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            for address in &resolved {
                policy.check_address(address.ip()).map_err(|why| format!("{}: {why}", name.as_str()))?;
            }
            Ok(Box::new(resolved.into_iter()) as Addrs)
        })
    }
}

fn parse(artifact: &str) -> Result<Url, Failure> {
    Url::parse(artifact).map_err(|error| Failure(format!("artifact {artifact:?} is not a URL: {error}")))
}

fn digest(bash: &Bash) -> Result<String, Failure> {
    let text = bash.checksum.as_deref().unwrap_or_default();
    let digits = text.strip_prefix("sha256:").unwrap_or_default().to_ascii_lowercase();
    match digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(digits),
        false => Err(Failure(format!(
            "checksum {text:?}: an artifact needs one, \"sha256:\" and 64 hexadecimal digits, as sha256sum prints"
        ))),
    }
}

fn directory(bash: &Bash) -> Result<PathBuf, Failure> {
    let text = bash.download_dir.as_deref().unwrap_or_default();
    let path = Path::new(text);
    let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    match inside && !text.contains('\0') {
        true => Ok(path.to_path_buf()),
        false => Err(Failure(format!(
            "download_dir {text:?} must be relative to the task's own directory and stay inside, such as \"bin\""
        ))),
    }
}

/// The last part of the path, made harmless.
fn file_name(url: &Url) -> String {
    let last = url.path_segments().and_then(Iterator::last).unwrap_or_default();
    let safe = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_' | '+');
    let name: String = last.chars().map(|letter| if safe(letter) { letter } else { '_' }).take(200).collect();
    match name.trim_start_matches('.') {
        "" => "artifact".to_string(),
        name => name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(policy: &Policy, url: &str) -> Option<String> {
        policy.check(&parse(url).unwrap()).err()
    }

    #[test]
    fn only_harmless_addresses_pass() {
        let policy = Policy { allow_http: true, ..Policy::default() };
        for url in ["http://example.com/a", "https://10.1.2.3/a", "https://[2001:db8::1]/a"] {
            assert_eq!(refused(&policy, url), None, "{url}");
        }
        for url in [
            "http://169.254.169.254/latest",
            "http://2852039166/latest",
            "http://[::ffff:169.254.169.254]/",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
            "http://127.0.0.1/",
            "http://0x7f.1/",
            "http://[::1]/",
            "http://0.0.0.0/",
            "http://224.0.0.1/",
            "https://user:word@example.com/",
            "ftp://example.com/a",
            "file:///etc/passwd",
        ] {
            assert!(refused(&policy, url).is_some(), "{url}");
        }
        assert!(refused(&Policy::default(), "http://example.com/").is_some());
        let strict = Policy { allow_private: false, ..Policy::default() };
        assert!(refused(&strict, "https://10.1.2.3/a").is_some());
    }

    #[test]
    fn names_and_directories_stay_inside() {
        let name = |url: &str| file_name(&parse(url).unwrap());
        assert_eq!(name("http://host/a/app-1.2?x=/y"), "app-1.2");
        assert_eq!(name("http://host/"), "artifact");
        assert!(!name("http://host/%2e%2e%2f.bashrc").contains('/'));
        for dir in ["/usr/local/bin", "..", "a/../../b", "a/.."] {
            let bash = Bash { download_dir: Some(dir.to_string()), ..Bash::default() };
            assert!(directory(&bash).is_err(), "{dir}");
        }
        let bash = Bash { download_dir: Some("./a/b".to_string()), ..Bash::default() };
        assert!(directory(&bash).is_ok());
    }
}
