//! How etcd is reached: the variables of etcdctl, read as etcdctl does.

use super::StoreName;
use super::address::{Served, server};
use super::tls::Files;
#[cfg(feature = "etcd")]
use super::within;
use crate::problem::{Kind, Problem};
use crate::settings;
#[cfg(feature = "etcd")]
use anyhow::Context;
use anyhow::Result;
use callboard_backends::{Store, Tls};
use std::path::PathBuf;
use std::sync::Arc;

/// Where etcd listens unless told otherwise.
pub(super) const PORT: u16 = 2379;

/// Variables of etcdctl that cannot be honoured.
const REFUSED: [(&str, &str); 3] = [
    ("ETCDCTL_DISCOVERY_SRV", "name the servers by ETCDCTL_ENDPOINTS, and unset it"),
    (
        "ETCDCTL_INSECURE_SKIP_TLS_VERIFY",
        "name the authority of etcd's certificate by ETCDCTL_CACERT, and unset it",
    ),
    ("ETCDCTL_INSECURE_TRANSPORT", "say http:// or https:// in ETCDCTL_ENDPOINTS, and unset it"),
];

/// What may be said of etcd.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "etcd")]
pub(crate) struct EtcdArgs {
    /// Where etcd is when the store is `etcd:` alone: HOST:PORT or a URL; several parted by commas
    #[arg(long, value_name = "ADDRESSES", env = "ETCDCTL_ENDPOINTS", default_value = "127.0.0.1:2379")]
    etcd_endpoints: String,
    /// Certificates of the authorities to believe when etcd shows its own, PEM [default: those of this machine]
    #[arg(long, value_name = "FILE", env = "ETCDCTL_CACERT")]
    etcd_ca_cert: Option<PathBuf>,
    /// Certificate to show to etcd, PEM
    #[arg(long, value_name = "FILE", env = "ETCDCTL_CERT")]
    etcd_cert: Option<PathBuf>,
    /// Key of that certificate, PEM
    #[arg(long, value_name = "FILE", env = "ETCDCTL_KEY")]
    etcd_key: Option<PathBuf>,
    /// User of etcd, as NAME or NAME:PASSWORD
    #[arg(long, value_name = "NAME", env = "ETCDCTL_USER", hide_env_values = true)]
    etcd_user: Option<String>,
    /// Password of that user; the command line can be seen by others, a file or a variable cannot
    #[arg(long, value_name = "PASSWORD", env = "ETCDCTL_PASSWORD", hide_env_values = true)]
    etcd_password: Option<String>,
}

impl EtcdArgs {
    fn files(&self) -> Files<'_> {
        Files {
            ca: ("--etcd-ca-cert", self.etcd_ca_cert.as_deref()),
            cert: ("--etcd-cert", self.etcd_cert.as_deref()),
            key: ("--etcd-key", self.etcd_key.as_deref()),
        }
    }

    /// Fills in what the name of the store leaves to the variables of etcdctl. Without a scheme, TLS is spoken when any
    /// certificate is named.
    pub(super) fn filled(&self, served: &Served) -> Result<Served, Problem> {
        let mut filled = served.clone();
        filled.tls |= self.files().are_named();
        if !filled.hosts.is_empty() {
            return Ok(filled);
        }
        let wrong =
            |problem: String| Problem::new(Kind::Invalid, problem).at("ETCDCTL_ENDPOINTS, --etcd-endpoints");
        let mut schemes = Vec::new();
        for text in self.etcd_endpoints.split(',').map(str::trim) {
            let (scheme, host) = text.split_once("://").unwrap_or(("", text));
            schemes.push(match scheme {
                "" => filled.tls,
                "http" => false,
                "https" => true,
                _ => {
                    return Err(
                        wrong(format!("{text:?} is no address of etcd")).hint("give HOST:PORT or a URL")
                    );
                }
            });
            filled.hosts.push(server(host.trim_end_matches('/'), PORT).map_err(wrong)?);
        }
        if schemes.windows(2).any(|pair| pair[0] != pair[1]) {
            return Err(
                wrong("some addresses ask for TLS and some do not".into()).hint("give all the same scheme")
            );
        }
        if served.tls && schemes.contains(&false) {
            return Err(wrong(
                "the store is to be spoken to by TLS, and its addresses begin with http://".into(),
            )
            .hint("write https:// before them, or etcd: instead of etcd+https:"));
        }
        filled.tls = schemes.contains(&true);
        Ok(filled)
    }

    /// Opens it.
    #[cfg(feature = "etcd")]
    pub(super) async fn open(&self, served: &Served) -> Result<(Arc<dyn Store>, StoreName)> {
        let served = self.filled(served)?;
        let settings = callboard_backends::EtcdSettings {
            endpoints: served.urls(served.tls),
            tls: self.tls(&served)?,
            user: self.user()?,
        };
        let etcd = callboard_backends::Etcd::open(settings).await.context("etcd cannot be used")?;
        Ok((within(Arc::new(etcd), &served.prefix), StoreName::Etcd(served)))
    }

    /// Says that it cannot be opened.
    #[cfg(not(feature = "etcd"))]
    pub(super) async fn open(&self, served: &Served) -> Result<(Arc<dyn Store>, StoreName)> {
        let served = self.filled(served)?;
        // What else is wrong with the settings is told as well.
        let (_tls, _user) = (self.tls(&served)?, self.user()?);
        let problem =
            format!("{} cannot be opened: this callboard was built without etcd", StoreName::Etcd(served));
        Err(Problem::new(Kind::Invalid, problem)
            .at("--store")
            .hint("build it by `cargo build --release --features callboard-daemon/etcd`, which needs protoc")
            .into())
    }

    fn tls(&self, served: &Served) -> Result<Option<Tls>> {
        settings::refuse(&REFUSED)?;
        served.tls.then(|| self.files().read()).transpose()
    }

    pub(super) fn user(&self) -> Result<Option<(String, String)>, Problem> {
        let Some(user) = &self.etcd_user else { return Ok(None) };
        let (name, password) = match user.split_once(':') {
            // A password that was given by itself is the later word.
            Some((name, password)) => (name, self.etcd_password.as_deref().unwrap_or(password)),
            None => (user.as_str(), self.etcd_password.as_deref().unwrap_or_default()),
        };
        if password.is_empty() {
            return Err(Problem::new(Kind::Invalid, "a user of etcd needs a password")
                .at("ETCDCTL_USER, --etcd-user")
                .hint("give it by ETCDCTL_PASSWORD, or as NAME:PASSWORD"));
        }
        Ok(Some((name.into(), password.into())))
    }
}
