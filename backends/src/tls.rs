//! What TLS to a real store needs, as PEM text: whom to believe, and who we are.
//!
//! **Invariant:** what [`Tls::check`] let through holds at least one certificate wherever one is expected, and a key
//! where one is; no private key is ever shown.

use std::fmt;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Trust and identity for the clients of real stores. Each field is the content of a PEM file.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// The authorities to believe, one certificate or several; `None` for those of the machine.
    pub ca: Option<Vec<u8>>,
    /// What this client shows of itself, where the server asks.
    pub identity: Option<TlsIdentity>,
}

/// A certificate of a client and the key that goes with it.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsIdentity {
    /// The certificate, followed by those between it and the authority.
    pub cert: Vec<u8>,
    /// Its private key (PKCS#8, PKCS#1 or SEC1).
    pub key: Vec<u8>,
}

/// Why TLS could not be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {part} is not what it should be: {why}; give a PEM file that holds one")]
pub struct TlsError {
    /// Which of the files: `CA certificate`, `client certificate` or `client key`.
    pub part: &'static str,
    /// In words.
    pub why: String,
}

impl Tls {
    /// Reads all of it once, so that a wrong file is named before anything is asked of a server.
    ///
    /// # Errors
    /// A file that holds no certificate, or no key.
    pub fn check(&self) -> Result<(), TlsError> {
        if let Some(ca) = &self.ca {
            certificates("CA certificate", ca)?;
        }
        if let Some(identity) = &self.identity {
            certificates("client certificate", &identity.cert)?;
            PrivateKeyDer::from_pem_slice(&identity.key)
                .map_err(|error| TlsError { part: "client key", why: error.to_string() })?;
        }
        Ok(())
    }
}

fn certificates(part: &'static str, pem: &[u8]) -> Result<(), TlsError> {
    let mut found = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        certificate.map_err(|error| TlsError { part, why: error.to_string() })?;
        found += 1;
    }
    if found == 0 {
        return Err(TlsError { part, why: "no certificate is in it".into() });
    }
    Ok(())
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("ca", &self.ca.is_some()).field("identity", &self.identity).finish()
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Tls, TlsIdentity};

    const CERT: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

    fn check(ca: Option<&str>, identity: Option<(&str, &str)>) -> Result<(), &'static str> {
        let identity = identity.map(|(cert, key)| TlsIdentity { cert: cert.into(), key: key.into() });
        let tls = Tls { ca: ca.map(Into::into), identity };
        assert!(!format!("{tls:?}").contains("65, 65"), "a key is shown");
        tls.check().map_err(|error| error.part)
    }

    #[test]
    fn a_wrong_file_is_named() {
        assert_eq!(check(None, None), Ok(()));
        assert_eq!(check(Some(CERT), Some((CERT, KEY))), Ok(()));
        assert_eq!(check(Some(KEY), None), Err("CA certificate"));
        assert_eq!(check(Some("-----BEGIN CERTIFICATE-----\n"), None), Err("CA certificate"));
        assert_eq!(check(Some(""), Some((CERT, KEY))), Err("CA certificate"));
        assert_eq!(check(None, Some((KEY, KEY))), Err("client certificate"));
        assert_eq!(check(None, Some((CERT, CERT))), Err("client key"));
    }
}
