//! Who may ask, and whom we believe: settings, TLS with certificates of clients, users with passwords.

use std::path::Path;
use std::process::Command;

use callboard_backends::{Etcd, EtcdError, EtcdSettings, Store, StoreError, Tls, TlsIdentity};
use servers::{Member, Ports};
use tempfile::TempDir;

use crate::{create, eventually};

#[tokio::test]
async fn wrong_settings_are_named() {
    let check = async |endpoints: &[&str], tls: Option<Tls>| {
        let endpoints = endpoints.iter().map(ToString::to_string).collect();
        let settings = EtcdSettings { endpoints, tls, user: None };
        Etcd::open(settings).await.err().map(|error| error.to_string())
    };
    assert_eq!(check(&["http://127.0.0.1:1", "https://localhost:2"], None).await, None);
    let named = |found: Option<String>, word: &str| {
        let found = found.expect("an error");
        assert!(found.contains(word), "{found}");
    };
    named(check(&[], None).await, "no endpoint");
    named(check(&["http://127.0.0.1:1", "127.0.0.1:2"], None).await, "127.0.0.1:2 cannot be used");
    named(check(&["http://a b"], None).await, "http://a b cannot be used");
    let ca = |text: &str| Some(Tls { ca: Some(text.into()), identity: None });
    named(check(&["https://127.0.0.1:1"], ca("nonsense")).await, "CA certificate");
    named(check(&["http://127.0.0.1:1"], ca("nonsense")).await, "CA certificate");
    let whole = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    named(check(&["http://127.0.0.1:1"], ca(whole)).await, "http:// uses none");
    let error = Etcd::open(EtcdSettings::default()).await.err();
    assert_eq!(error, Some(EtcdError::NoEndpoints));
}

/// Makes a certificate of this name, signed by the authority `ca`, or by itself where it is that.
fn certify(dir: &Path, name: &str) {
    let script = if name == "ca" {
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 2 \
         -subj /CN=ca"
            .to_owned()
    } else {
        format!(
            "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.csr \
             -subj /CN={name} && printf 'subjectAltName=IP:127.0.0.1\\nextendedKeyUsage=serverAuth,clientAuth\\n' \
             > {name}.ext && openssl x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
             -out {name}.pem -days 2 -extfile {name}.ext"
        )
    };
    let output = Command::new("sh").args(["-c", &script]).current_dir(dir).output().expect("a shell");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the test makes its certificates by `openssl`, which must be installed: {said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_asked_for_on_both_sides() {
    let (ours, theirs) = (TempDir::new().expect("a directory"), TempDir::new().expect("a directory"));
    for name in ["ca", "server", "client"] {
        certify(ours.path(), name);
    }
    certify(theirs.path(), "ca");
    certify(theirs.path(), "client");
    let ports = Ports::claim();
    let (client, peer) = (format!("https://127.0.0.1:{}", ports.first), ports.first + 1);
    let file = |name: &str| ours.path().join(name).display().to_string();
    let arguments = vec![
        format!("--data-dir={}", file("store")),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
        format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
        format!("--initial-cluster=default=http://127.0.0.1:{peer}"),
        format!("--cert-file={}", file("server.pem")),
        format!("--key-file={}", file("server.key")),
        format!("--trusted-ca-file={}", file("ca.pem")),
        "--client-cert-auth".to_owned(),
        "--logger=zap".to_owned(),
        "--log-level=error".to_owned(),
    ];
    let _server = Member::start("etcd", arguments, ours.path().join("log"));
    let read = |dir: &TempDir, name: &str| std::fs::read(dir.path().join(name)).expect("it was made");
    let identity =
        |dir: &TempDir| Some(TlsIdentity { cert: read(dir, "client.pem"), key: read(dir, "client.key") });
    let open = async |ca: Option<Vec<u8>>, identity: Option<TlsIdentity>| {
        let tls = Some(Tls { ca, identity });
        let settings = EtcdSettings { endpoints: vec![client.clone()], tls, user: None };
        Etcd::open(settings).await.expect("settings that work")
    };
    let store = open(Some(read(&ours, "ca.pem")), identity(&ours)).await;
    eventually(|| store.list("")).await;
    create(&store, "a").await;
    for (ca, identity) in [
        (Some(read(&theirs, "ca.pem")), identity(&ours)),
        (None, identity(&ours)),
        (Some(read(&ours, "ca.pem")), identity(&theirs)),
        (Some(read(&ours, "ca.pem")), None),
    ] {
        let refused = open(ca, identity).await.list("").await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_known_by_name_and_password() {
    let mut servers = servers::Etcd::start(1, &[]);
    for arguments in [
        &["user", "add", "root:secret"][..],
        &["user", "grant-role", "root", "root"],
        &["user", "add", "guest:guest"],
        &["auth", "enable"],
    ] {
        servers.etcdctl(arguments);
    }
    let open = async |user: Option<(&str, &str)>| {
        let endpoints = vec![format!("http://127.0.0.1:{}", servers.port(0))];
        let user = user.map(|(name, password)| (name.to_string(), password.to_string()));
        Etcd::open(EtcdSettings { endpoints, tls: None, user }).await.expect("settings that work")
    };
    let store = open(Some(("root", "secret"))).await;
    create(&store, "a").await;
    for user in [None, Some(("root", "wrong")), Some(("guest", "guest"))] {
        let store = open(user).await;
        let refused = store.list("").await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{user:?}: {refused:?}");
        let refused = store.commit(crate::creates("b", "1")).await;
        assert!(matches!(&refused, callboard_core::store::Outcome::Refused(_)), "{user:?}: {refused:?}");
    }
    // A server that was started anew has forgotten its tokens.
    servers.members[0].restart();
    let listing = eventually(|| store.list("")).await;
    assert_eq!(listing.entries.len(), 1);
    let mut watch = store.watch("", listing.revision).await.expect("a watch");
    // So it has when its users change.
    servers.etcdctl(&["--user=root:secret", "user", "add", "other:other"]);
    crate::patiently(async {
        while !matches!(
            store.commit(crate::creates("b", "1")).await,
            callboard_core::store::Outcome::Committed(_)
        ) {}
    })
    .await;
    assert!(!store.list("b").await.expect("a listing").entries.is_empty());
    let event = crate::patiently(watch.next()).await;
    assert!(matches!(&event, callboard_backends::WatchEvent::Changed { changes, .. } if changes.len() == 1));
}
