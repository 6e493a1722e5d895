//! How Consul is reached: its own variables, read as its own tools do.

use super::address::{Served, server};
use super::tls::Files;
use super::{StoreName, read, within};
use crate::problem::{Kind, Problem};
use crate::settings;
use anyhow::{Context, Result};
use callboard_backends::{Consul, ConsulSettings, Store};
use std::path::PathBuf;
use std::sync::Arc;

/// Where Consul listens unless told otherwise.
pub(super) const PORT: u16 = 8500;

/// Variables of Consul's tools that cannot be honoured.
const REFUSED: [(&str, &str); 4] = [
    ("CONSUL_HTTP_AUTH", "give a token by CONSUL_HTTP_TOKEN_FILE, and unset it"),
    ("CONSUL_CAPATH", "put the certificates into one file, name it by CONSUL_CACERT, and unset it"),
    ("CONSUL_TLS_SERVER_NAME", "name Consul by a name that its certificate has, and unset it"),
    ("CONSUL_PARTITION", "unset it: the partition of the agent that is asked is used"),
];

/// What may be said of Consul.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Consul")]
pub(crate) struct ConsulArgs {
    /// Where Consul is when the store is `consul:` alone: HOST:PORT or a URL; several parted by commas
    #[arg(long, value_name = "ADDRESS", env = "CONSUL_HTTP_ADDR", default_value = "127.0.0.1:8500")]
    consul_addr: String,
    /// Speak TLS to Consul, as consul+https:// does
    #[arg(long, value_name = "BOOL", env = "CONSUL_HTTP_SSL", default_value = "false", value_parser = truth,
          action = clap::ArgAction::Set)]
    consul_ssl: bool,
    /// Only `true` is taken: certificates are always checked
    #[arg(long, value_name = "BOOL", env = "CONSUL_HTTP_SSL_VERIFY", default_value = "true", value_parser = truth,
          action = clap::ArgAction::Set)]
    consul_ssl_verify: bool,
    /// Token for Consul; the command line can be seen by others, a file or a variable cannot
    #[arg(long, value_name = "TOKEN", env = "CONSUL_HTTP_TOKEN", hide_env_values = true)]
    consul_token: Option<String>,
    /// File with the token for Consul, which goes before a token given directly
    #[arg(long, value_name = "FILE", env = "CONSUL_HTTP_TOKEN_FILE")]
    consul_token_file: Option<PathBuf>,
    /// Certificates of the authorities to believe when Consul shows its own, PEM [default: those of this machine]
    #[arg(long, value_name = "FILE", env = "CONSUL_CACERT")]
    consul_ca_cert: Option<PathBuf>,
    /// Certificate to show to Consul, PEM
    #[arg(long, value_name = "FILE", env = "CONSUL_CLIENT_CERT")]
    consul_client_cert: Option<PathBuf>,
    /// Key of that certificate, PEM
    #[arg(long, value_name = "FILE", env = "CONSUL_CLIENT_KEY")]
    consul_client_key: Option<PathBuf>,
    /// Namespace in Consul Enterprise
    #[arg(long, value_name = "NAME", env = "CONSUL_NAMESPACE")]
    consul_namespace: Option<String>,
    /// Datacenter whose keys are meant [default: that of the agent that is asked]
    #[arg(long, value_name = "NAME", env = "CALLBOARD_CONSUL_DATACENTER")]
    consul_datacenter: Option<String>,
}

/// Reads a truth value as Consul's tools do.
fn truth(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("give true or false".into()),
    }
}

impl ConsulArgs {
    /// Opens it.
    pub(super) fn open(&self, served: &Served) -> Result<(Arc<dyn Store>, StoreName)> {
        let served = self.filled(served)?;
        let consul = Consul::open(&self.settings(&served)?).context("Consul cannot be used")?;
        Ok((within(Arc::new(consul), &served.prefix), StoreName::Consul(served)))
    }

    /// Fills in what the name of the store leaves to the variables of Consul.
    pub(super) fn filled(&self, served: &Served) -> Result<Served, Problem> {
        let mut filled = served.clone();
        filled.tls |= self.consul_ssl;
        if filled.hosts.is_empty() {
            let mut schemes = Vec::new();
            for address in self.consul_addr.split(',') {
                let (tls, host) = self.address(address.trim())?;
                schemes.push(tls);
                filled.hosts.push(host);
            }
            if schemes.windows(2).any(|pair| pair[0] != pair[1]) {
                let problem = "some of its addresses ask for TLS and some do not";
                return Err(Problem::new(Kind::Invalid, problem)
                    .at("--consul-addr")
                    .hint("give all the same scheme"));
            }
            filled.tls |= schemes.contains(&true);
        }
        Ok(filled)
    }

    /// Reads an address as Consul's tools do: with or without a scheme.
    fn address(&self, text: &str) -> Result<(bool, String), Problem> {
        let wrong =
            |problem: String| Problem::new(Kind::Invalid, problem).at("CONSUL_HTTP_ADDR, --consul-addr");
        let (scheme, host) = text.split_once("://").unwrap_or(("", text));
        let tls = match scheme {
            "" | "http" => self.consul_ssl,
            "https" => true,
            "unix" => {
                return Err(wrong("Consul cannot be asked through a unix socket".into())
                    .hint("have Consul listen on a port of this machine, and name that"));
            }
            _ => {
                return Err(
                    wrong(format!("{text:?} is no address of Consul")).hint("give HOST:PORT or a URL")
                );
            }
        };
        let host = server(host.trim_end_matches('/'), PORT).map_err(wrong)?;
        Ok((tls, host))
    }

    pub(super) fn settings(&self, served: &Served) -> Result<ConsulSettings> {
        settings::refuse(&REFUSED)?;
        if !self.consul_ssl_verify {
            let problem = "certificates are always checked, whoever wants them not to be is refused";
            return Err(Problem::new(Kind::Invalid, problem)
                .at("CONSUL_HTTP_SSL_VERIFY, --consul-ssl-verify")
                .hint(
                    "name the authority that Consul's certificate comes from by CONSUL_CACERT, and unset it",
                )
                .into());
        }
        let files = Files {
            ca: ("--consul-ca-cert", self.consul_ca_cert.as_deref()),
            cert: ("--consul-client-cert", self.consul_client_cert.as_deref()),
            key: ("--consul-client-key", self.consul_client_key.as_deref()),
        };
        if files.are_named() && !served.tls {
            tracing::warn!(
                "certificates for Consul are named and not used: it is asked without TLS; \
                 say consul+https:// or CONSUL_HTTP_SSL=true"
            );
        }
        let tls = served.tls.then(|| files.read()).transpose()?;
        Ok(ConsulSettings {
            addresses: served.urls(served.tls),
            token: self.token()?,
            namespace: self.consul_namespace.clone(),
            datacenter: self.consul_datacenter.clone(),
            tls,
        })
    }

    pub(super) fn token(&self) -> Result<Option<String>> {
        let Some(file) = &self.consul_token_file else { return Ok(self.consul_token.clone()) };
        let text = String::from_utf8_lossy(&read("--consul-token-file", file)?).trim().to_owned();
        if text.is_empty() {
            let problem = format!("{} holds no token", file.display());
            return Err(Problem::new(Kind::Invalid, problem).at("--consul-token-file").into());
        }
        Ok(Some(text))
    }
}
