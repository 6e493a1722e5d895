//! Credentials for registries, from the file in which `docker login` leaves them.
//!
//! **Invariant:** a registry is given only what the file keeps under its own name.

use crate::Failure;
use bollard::BollardRequest;
use bollard::auth::DockerCredentials;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How the file names the registry that is meant when none is named.
const HUB: &str = "https://index.docker.io/v1/";
const HEADER: &str = "x-registry-auth";

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct File {
    auths: BTreeMap<String, Entry>,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

/// Finds the file of the user that this process runs as: in `DOCKER_CONFIG`, else in `.docker` at home.
#[must_use]
pub fn file_of_user() -> Option<PathBuf> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let dir = named("DOCKER_CONFIG").or_else(|| named("HOME").map(|home| home.join(".docker")))?;
    Some(dir.join("config.json"))
}

/// Looks up what is kept for a registry; `None` when there is nothing.
///
/// # Errors
/// The file is there and cannot be read, or leaves the credentials to another program.
pub(super) fn find(file: &Path, registry: &str) -> Result<Option<DockerCredentials>, Failure> {
    let failed = |why: String| Failure(format!("credentials for {registry}: {}: {why}", file.display()));
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(format!("{error}; see to its owner and mode"))),
    };
    let read: File = serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))?;
    let name = if registry == "docker.io" { HUB } else { registry };
    let host = |key: &str| {
        let key = key.trim_start_matches("https://").trim_start_matches("http://");
        key.split('/').next().unwrap_or_default().to_string()
    };
    let entry = read
        .auths
        .get(name)
        .or_else(|| read.auths.iter().find(|(key, _)| host(key) == registry).map(|(_, of)| of));
    let Some(entry) = entry.filter(|entry| entry.is_given()) else {
        return match read.cred_helpers.get(registry).or(read.creds_store.as_ref()) {
            Some(store) => Err(failed(format!(
                "they are left to the program docker-credential-{store}, which is not asked; keep them in the file, \
                 as docker login does without a credsStore"
            ))),
            None => Ok(None),
        };
    };
    let (username, password) = entry.user().map_err(failed)?;
    Ok(Some(DockerCredentials {
        username,
        password,
        identitytoken: entry.identitytoken.clone(),
        registrytoken: entry.registrytoken.clone(),
        serveraddress: Some(name.to_string()),
        ..DockerCredentials::default()
    }))
}

impl Entry {
    fn is_given(&self) -> bool {
        !self.auth.is_empty()
            || !self.username.is_empty()
            || self.identitytoken.is_some()
            || self.registrytoken.is_some()
    }

    fn user(&self) -> Result<(Option<String>, Option<String>), String> {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let given = |text: &str| Some(text.to_string()).filter(|text| !text.is_empty());
        if self.auth.is_empty() {
            return Ok((given(&self.username), given(&self.password)));
        }
        let wrong = || "auth is not user:password in base64; log in again by docker login".to_string();
        let bytes = STANDARD.decode(self.auth.trim()).map_err(|_| wrong())?;
        let text = String::from_utf8(bytes).map_err(|_| wrong())?;
        let (user, password) = text.split_once(':').ok_or_else(wrong)?;
        Ok((given(user), given(password.trim_end_matches('\0'))))
    }
}

/// Writes the header with credentials as the engine reads it: in the alphabet of base64 that is safe in URLs.
pub(super) fn url_safe(mut request: BollardRequest) -> BollardRequest {
    if let Some(value) = request.headers_mut().get_mut(HEADER)
        && let Ok(text) = value.to_str()
        && let Ok(safe) = text.replace('+', "-").replace('/', "_").parse()
    {
        *value = safe;
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_gets_only_what_is_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.json");
        assert_eq!(find(&file, "docker.io"), Ok(None));
        let text = r#"{"auths": {"https://index.docker.io/v1/": {"auth": "bWU6c2VjcmV0Og=="},
            "https://r.example/v2/": {"auth": "YTpi"},
            "r.example:5000": {"identitytoken": "t"}, "broken": {"auth": "%"}, "empty": {}},
            "credHelpers": {"other.example": "pass"}}"#;
        std::fs::write(&file, text).unwrap();
        let user = |registry: &str| {
            find(&file, registry).unwrap().map(|of| (of.username, of.password, of.identitytoken))
        };
        let some = |text: &str| Some(text.to_string());
        assert_eq!(user("docker.io"), Some((some("me"), some("secret:"), None)));
        assert_eq!(user("r.example"), Some((some("a"), some("b"), None)));
        assert_eq!(user("r.example:5000"), Some((None, None, some("t"))));
        assert_eq!((user("evil.example"), user("empty")), (None, None));
        assert!(find(&file, "broken").unwrap_err().0.contains("log in again"));
        assert!(find(&file, "other.example").unwrap_err().0.contains("docker-credential-pass"));
        std::fs::write(&file, "{").unwrap();
        assert!(find(&file, "docker.io").unwrap_err().0.contains("config.json"));
    }
}
