//! The connection to a Docker Engine. It is asked once which API it speaks, and nothing is waited for without end.
//!
//! **Invariant:** only the engine of this machine is spoken to: ports, paths and processes of another would be told as ours.

use crate::{Failure, failpoint};
use bollard::errors::Error;
use bollard::{ClientVersion, Docker as Client};
use std::net::IpAddr;
use std::time::Duration;
use tokio::sync::OnceCell;

/// Where an engine listens unless told otherwise.
pub const HOST_DEFAULT: &str = "unix:///var/run/docker.sock";
/// The oldest API that has all we use: that of Docker 20.10.
const VERSION_MIN: ClientVersion = ClientVersion { major_version: 1, minor_version: 41 };
/// How much longer than looking a change may take: it writes to disks and starts processes.
const CHANGE_TIMES: u32 = 4;
/// The client's own deadline, never met: each call has ours.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// An engine, which may be away.
pub(super) struct Engine {
    host: String,
    client: OnceCell<Client>,
    patience: Duration,
}

/// Why an engine did not do what it was asked.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// It cannot be asked, or does not answer: whether it was done is not known.
    Away(String),
    /// It says no, by a status and in words.
    Refused(u16, String),
}

impl Trouble {
    /// There is no such thing.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Trouble::Refused(404, _))
    }

    /// It is not in a state for this, as killing what has ended.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Trouble::Refused(409, _))
    }

    /// Says what was being done.
    pub(super) fn doing(self, doing: impl std::fmt::Display) -> Failure {
        match self {
            Trouble::Away(why) => Failure::of(doing, why),
            Trouble::Refused(_, why) => Failure::of(doing, format!("the docker engine says: {why}")),
        }
    }
}

impl Engine {
    /// Takes an address as in `DOCKER_HOST`. Nothing is connected yet.
    pub(super) fn at(host: &str, patience: Duration) -> Result<Engine, Failure> {
        let is_ours = match host.split_once("://") {
            Some(("unix", path)) => path.starts_with('/'),
            Some(("tcp" | "http", address)) => is_loopback(address),
            Some(_) | None => false,
        };
        if !is_ours {
            return Err(Failure(format!(
                "{host:?} is no address of a docker engine on this machine; set DOCKER_HOST to unix:///PATH, or to \
                 tcp://127.0.0.1:PORT, or unset it for {HOST_DEFAULT}"
            )));
        }
        Ok(Engine { host: host.to_string(), client: OnceCell::new(), patience })
    }

    /// Gives its address.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Gives the path of its socket, where it has one.
    pub(super) fn socket(&self) -> Option<&str> {
        self.host.strip_prefix("unix://")
    }

    /// Asks for something that is only looked at.
    pub(super) async fn look<T, F>(&self, call: impl FnOnce(Client) -> F) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, Error>>,
    {
        self.within(self.patience, call).await
    }

    /// Asks for a change.
    pub(super) async fn change<T, F>(&self, call: impl FnOnce(Client) -> F) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, Error>>,
    {
        failpoint::step();
        let done = self.within(self.patience * CHANGE_TIMES, call).await;
        failpoint::step();
        done
    }

    /// Asks for something that may take a time of its own.
    pub(super) async fn within<T, F>(
        &self,
        deadline: Duration,
        call: impl FnOnce(Client) -> F,
    ) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let client = self.client().await?.clone();
        match tokio::time::timeout(deadline, call(client)).await {
            Ok(answer) => answer.map_err(|error| self.trouble(&error)),
            Err(_) => Err(self.silent(deadline)),
        }
    }

    async fn client(&self) -> Result<&Client, Trouble> {
        let connect = async {
            let client = Client::connect_with_host(&self.host).map_err(|error| self.trouble(&error))?;
            let client = client.with_timeout(NEVER).with_request_modifier(super::credentials::url_safe);
            let asked = tokio::time::timeout(self.patience, client.negotiate_version()).await;
            let client = match asked {
                Ok(client) => client.map_err(|error| self.trouble(&error))?,
                Err(_) => return Err(self.silent(self.patience)),
            };
            match client.client_version() {
                version if version < VERSION_MIN => Err(Trouble::Away(format!(
                    "the docker engine at {} speaks API {version}, and {VERSION_MIN} is needed; have Docker 20.10 or \
                     later",
                    self.host
                ))),
                _ => Ok(client),
            }
        };
        self.client.get_or_try_init(|| connect).await
    }

    fn silent(&self, deadline: Duration) -> Trouble {
        Trouble::Away(format!(
            "the docker engine at {} did not answer within {} ms; is it overloaded, or does it hang?",
            self.host,
            deadline.as_millis()
        ))
    }

    fn trouble(&self, error: &Error) -> Trouble {
        if let Error::DockerResponseServerError { status_code, message } = error {
            return Trouble::Refused(*status_code, message.trim().to_string());
        }
        if let Error::DockerStreamError { error } = error {
            return Trouble::Refused(500, error.trim().to_string());
        }
        let (host, why) = (&self.host, root(error));
        Trouble::Away(format!(
            "the docker engine at {host} cannot be asked: {why}; does it run, and may this user ask it?"
        ))
    }
}

/// Tells what an error comes down to: what wraps it says little.
fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

fn is_loopback(address: &str) -> bool {
    let host = address.trim_end_matches('/').rsplit_once(':').map_or(address, |(host, _)| host);
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Answers like an engine that speaks APIs from one to another, of which it tells; gives where.
    async fn pretend(oldest: (u32, u32), newest: (u32, u32)) -> String {
        let speaks = move |path: &str| {
            let Some((version, _)) = path.strip_prefix("/v").and_then(|rest| rest.split_once('/')) else {
                return true;
            };
            let version = version.split_once('.').map(|(major, minor)| (major.parse(), minor.parse()));
            matches!(version, Some((Ok(major), Ok(minor))) if (oldest..=newest).contains(&(major, minor)))
        };
        let answer = move |path: &str| match path.rsplit('/').next() {
            _ if !speaks(path) => {
                ("400 Bad Request", r#"{"message":"that version is not spoken here"}"#.to_string())
            }
            Some("version") => ("200 OK", format!(r#"{{"ApiVersion":"{}.{}"}}"#, newest.0, newest.1)),
            Some("json") => ("200 OK", "[]".to_string()),
            _ => ("404 Not Found", r#"{"message":"page not found"}"#.to_string()),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("tcp://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (mut asked, mut part) = (Vec::new(), [0; 1024]);
                while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
                    match stream.read(&mut part).await {
                        Ok(0) | Err(_) => break,
                        Ok(read) => asked.extend_from_slice(&part[..read]),
                    }
                }
                let asked = String::from_utf8_lossy(&asked);
                let path = asked.split(' ').nth(1).unwrap_or_default();
                let (status, said) = answer(path.split('?').next().unwrap_or_default());
                let head =
                    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close");
                let whole = format!("{head}\r\nContent-Length: {}\r\n\r\n{said}", said.len());
                let _gone = stream.write_all(whole.as_bytes()).await;
            }
        });
        host
    }

    /// Docker 20.10 speaks no API after 1.41, 29 none before 1.44.
    #[tokio::test]
    async fn engines_are_spoken_to_as_they_speak_and_those_too_old_are_refused() {
        let list = |client: Client| async move { client.list_containers(None).await };
        for (oldest, newest) in
            [((1, 12), (1, 41)), ((1, 24), (1, 48)), ((1, 44), (1, 52)), ((1, 44), (1, 99))]
        {
            let engine = Engine::at(&pretend(oldest, newest).await, Duration::from_secs(10)).unwrap();
            let listed = engine.look(list).await;
            assert!(listed.as_ref().is_ok_and(Vec::is_empty), "{newest:?}: {listed:?}");
        }
        let host = pretend((1, 12), (1, 40)).await;
        let refused = Engine::at(&host, Duration::from_secs(10)).unwrap().look(list).await;
        let Err(Trouble::Away(why)) = refused else { panic!("an engine too old was asked: {refused:?}") };
        let say = format!(
            "the docker engine at {host} speaks API 1.40, and 1.41 is needed; have Docker 20.10 or later"
        );
        assert_eq!(why, say);
    }

    #[test]
    fn only_an_engine_of_this_machine_is_spoken_to() {
        for good in
            [HOST_DEFAULT, "unix:///x", "tcp://127.0.0.1:2375", "tcp://[::1]:2375", "http://localhost:1"]
        {
            assert!(Engine::at(good, Duration::ZERO).is_ok(), "{good}");
        }
        for bad in
            ["", "/var/run/docker.sock", "unix://x", "tcp://10.0.0.1:2375", "ssh://me@here", "https://a"]
        {
            assert!(Engine::at(bad, Duration::ZERO).is_err(), "{bad}");
        }
    }
}
