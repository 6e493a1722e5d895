//! Speaks to a daemon's HTTP API.

use crate::api::read_token;
use crate::problem::{Body, Kind, Problem};
use anyhow::Result;
use reqwest::{Method, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use std::time::Duration;

/// Where the daemon is, and how to be let in.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "The daemon to speak to")]
pub(crate) struct ClientArgs {
    /// Address of the daemon's API
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "CALLBOARD_ADDR",
        default_value = "http://127.0.0.1:7700"
    )]
    pub(crate) api: String,
    /// File with the token that the daemon asks for; a daemon given this option asks for it
    #[arg(long, global = true, value_name = "FILE", env = "CALLBOARD_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
}

/// A daemon's API.
pub(crate) struct Client {
    base: String,
    token: Option<String>,
    http: reqwest::Client,
}

impl Client {
    /// Makes a client; nothing is sent yet.
    pub(crate) fn new(args: &ClientArgs) -> Result<Client> {
        let mut base = args.api.trim_end_matches('/').to_owned();
        // As other clients take it: a host and a port.
        if !base.is_empty() && !base.contains("://") {
            base = format!("http://{base}");
        }
        let parsed = reqwest::Url::parse(&base)
            .ok()
            .filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"));
        let Some(url) = parsed else {
            let problem = format!("{base:?} is no address of a daemon");
            return Err(Problem::new(Kind::Invalid, problem)
                .at("--api, CALLBOARD_ADDR")
                .hint("give HOST:PORT, or a URL such as http://127.0.0.1:7700")
                .into());
        };
        if url.path() != "/" || url.query().is_some() || !url.username().is_empty() {
            let problem = format!("{base:?} must be scheme, host and port alone");
            return Err(Problem::new(Kind::Invalid, problem)
                .at("--api")
                .hint("give it as http://127.0.0.1:7700")
                .into());
        }
        let token = args.token_file.as_deref().map(read_token).transpose()?;
        let http = reqwest::Client::builder().no_proxy().connect_timeout(Duration::from_secs(5)).build()?;
        Ok(Client { base, token, http })
    }

    /// Gives the same client for another daemon; nothing for this very one.
    pub(crate) fn at(&self, base: &str) -> Option<Client> {
        let base = base.trim_end_matches('/').to_owned();
        (base != self.base).then(|| Client { base, token: self.token.clone(), http: self.http.clone() })
    }

    /// Gives its address.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Reads.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let request = self.request(Method::GET, path).timeout(Duration::from_secs(40));
        self.parsed(self.send(request).await?).await
    }

    /// Reads something of unknown length, piece by piece.
    pub(crate) async fn stream(&self, path: &str) -> Result<Response> {
        Ok(self.send(self.request(Method::GET, path)).await?)
    }

    /// Sends what may have no end, and reads an answer of unknown length meanwhile.
    pub(crate) async fn exchange(
        &self,
        path: &str,
        query: &[(&str, &str)],
        body: reqwest::Body,
    ) -> Result<Response> {
        let mut url = reqwest::Url::parse(&format!("{}{path}", self.base))?;
        url.query_pairs_mut().extend_pairs(query);
        let path = url.as_str().strip_prefix(&self.base).unwrap_or(path);
        Ok(self.send(self.request(Method::POST, path).body(body)).await?)
    }

    /// Writes.
    pub(crate) async fn send_json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<T> {
        let mut request = self.request(method, path).timeout(Duration::from_secs(60));
        if let Some((kind, bytes)) = body {
            request = request.header("content-type", kind).body(bytes);
        }
        self.parsed(self.send(request).await?).await
    }

    /// Writes a small object.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        let bytes = serde_json::to_vec(body)?;
        self.send_json(Method::POST, path, Some(("application/json", bytes))).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Problem> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let bytes = response.bytes().await.unwrap_or_default();
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| Body {
            error: format!("{} answered {status}", self.base),
            hint: Some("is that a Callboard daemon?".into()),
            ..Body::default()
        });
        Err(Problem { kind: Kind::of_status(status.as_u16()), body })
    }

    async fn parsed<T: DeserializeOwned>(&self, response: Response) -> Result<T> {
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        let parsed = serde_json::from_slice(&bytes).map_err(|error| {
            Problem::failed(format!("{} answered what this version does not understand: {error}", self.base))
                .hint("compare `callboard version` with the daemon's, in `callboard status`")
        });
        Ok(parsed?)
    }

    fn unreachable(&self, error: &reqwest::Error) -> Problem {
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        if error.is_timeout() {
            return Problem::new(Kind::TimedOut, format!("{} did not answer in time", self.base));
        }
        Problem::failed(format!("no daemon answers at {}: {cause}", self.base))
            .hint("start one with `callboard dev`, or name another with --api")
    }
}
