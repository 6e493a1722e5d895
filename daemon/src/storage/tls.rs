//! Reads the certificates that the connection to a store needs.

use super::read;
use crate::problem::{Kind, Problem};
use anyhow::{Context, Result};
use callboard_backends::{Tls, TlsIdentity};
use std::path::Path;

/// Files of a connection, each with the option that names it.
pub(super) struct Files<'a> {
    pub(super) ca: (&'static str, Option<&'a Path>),
    pub(super) cert: (&'static str, Option<&'a Path>),
    pub(super) key: (&'static str, Option<&'a Path>),
}

impl Files<'_> {
    /// Tells whether any is named.
    pub(super) fn are_named(&self) -> bool {
        self.ca.1.is_some() || self.cert.1.is_some() || self.key.1.is_some()
    }

    /// Reads them.
    ///
    /// # Errors
    /// One cannot be read or is not what it should be, or one of certificate and key is missing.
    pub(super) fn read(&self) -> Result<Tls> {
        let ca = self.ca.1.map(|file| read(self.ca.0, file)).transpose()?;
        let identity = match (self.cert.1, self.key.1) {
            (Some(cert), Some(key)) => {
                Some(TlsIdentity { cert: read(self.cert.0, cert)?, key: read(self.key.0, key)? })
            }
            (None, None) => None,
            (given, _) => {
                let missing = if given.is_some() { self.key.0 } else { self.cert.0 };
                let problem = "a client certificate and its key belong together, and one is missing";
                return Err(Problem::new(Kind::Invalid, problem)
                    .at(missing)
                    .hint("name both, or neither")
                    .into());
            }
        };
        let tls = Tls { ca, identity };
        tls.check().context("TLS to the store cannot be set up")?;
        Ok(tls)
    }
}
