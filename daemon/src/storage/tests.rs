//! Names of stores, and what they mean together with the variables of Consul and etcd, given as options here.

use super::*;
use clap::Parser;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    store: StoreArgs,
}

fn parse(line: &str) -> StoreArgs {
    Line::try_parse_from(std::iter::once("callboard").chain(line.split_whitespace())).unwrap().store
}

#[test]
fn names_of_stores() {
    let same = |text: &str| assert_eq!(store_name(text).unwrap().to_string(), text);
    for text in [
        "embedded:/d",
        "memory:",
        "consul:",
        "consul:/a/b",
        "consul://h:1",
        "consul+https://h:1,i:2/a",
        "etcd://[::1]:1",
        "etcd+https:",
    ] {
        same(text);
    }
    let check = |text: &str, expect: &str| assert_eq!(store_name(text).unwrap().to_string(), expect);
    check("consul://h", "consul://h:8500");
    check("etcd://h,i/", "etcd://h:2379,i:2379");
    check("etcd://h/a/", "etcd://h:2379/a");
    for bad in [
        "",
        "embedded:",
        "embedded",
        "memory:x",
        "/d",
        "http://h:1",
        "consul://",
        "consul://h:0",
        "consul://h:x",
        "consul://u:p@h:1",
        "consul://h:1//a",
        "consul://h:1/../a",
        "consul://h:1/a b",
        "etcd://h:1,",
        "etcd://h:1?x",
    ] {
        assert!(store_name(bad).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn a_store_must_be_named() {
    assert!(parse("").open().await.err().unwrap().to_string().contains("--store"));
}

#[test]
fn where_consul_is() {
    let check = |line: &str, expect: &str| {
        let args = parse(line);
        let StoreName::Consul(served) = args.name().unwrap() else { panic!("{line}") };
        let settings = args.consul.filled(served).map_err(anyhow::Error::from);
        let settings = settings.and_then(|served| args.consul.settings(&served));
        let said = settings.map_or_else(|error| error.to_string(), |settings| settings.addresses.join(" "));
        assert!(said.starts_with(expect), "{line}: {said}");
    };
    check("--store consul:", "http://127.0.0.1:8500");
    check("--store consul: --consul-addr https://c:1/", "https://c:1");
    check("--store consul: --consul-addr c:1,d:2 --consul-ssl true", "https://c:1 https://d:2");
    check("--store consul: --consul-addr http://c:1 --consul-ssl T", "https://c:1");
    check("--store consul://h:1 --consul-addr https://c:1", "http://h:1");
    check("--store consul+https://h:1,i:2", "https://h:1 https://i:2");
    check(
        "--store consul: --consul-addr unix:///run/c",
        "CONSUL_HTTP_ADDR, --consul-addr: Consul cannot be asked through",
    );
    check(
        "--store consul: --consul-addr https://c:1,d:2",
        "--consul-addr: some of its addresses ask for TLS",
    );
    check(
        "--store consul: --consul-addr tcp://c:1",
        "CONSUL_HTTP_ADDR, --consul-addr: \"tcp://c:1\" is no address",
    );
    check(
        "--store consul: --consul-ssl-verify 0",
        "CONSUL_HTTP_SSL_VERIFY, --consul-ssl-verify: certificates are always",
    );
    check(
        "--store consul+https: --consul-client-key k",
        "--consul-client-cert: a client certificate and its key",
    );
    check("--store consul+https: --consul-ca-cert /nowhere", "--consul-ca-cert: /nowhere cannot be read");
}

#[test]
fn the_token_of_consul() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    let token = |line: &str| parse(line).consul.token().map_err(|error| error.to_string());
    assert_eq!(token(""), Ok(None));
    assert_eq!(token("--consul-token direct"), Ok(Some("direct".into())));
    let both = format!("--consul-token direct --consul-token-file {}", file.display());
    assert!(token(&both).is_err());
    std::fs::write(&file, " \n").unwrap();
    assert!(token(&both).is_err());
    std::fs::write(&file, "from-file\n").unwrap();
    assert_eq!(token(&both), Ok(Some("from-file".into())));
}

#[test]
fn where_etcd_is_and_as_whom() {
    let check = |line: &str, expect: &str| {
        let args = parse(line);
        let StoreName::Etcd(served) = args.name().unwrap() else { panic!("{line}") };
        let said = args.etcd.filled(served);
        let said = said.map_or_else(|error| error.to_string(), |served| served.urls(served.tls).join(" "));
        assert!(said.starts_with(expect), "{line}: {said}");
    };
    check("--store etcd:", "http://127.0.0.1:2379");
    check("--store etcd: --etcd-endpoints a:1,https://b:2 --etcd-ca-cert x", "https://a:1 https://b:2");
    check("--store etcd: --etcd-endpoints http://a:1 --etcd-ca-cert x", "http://a:1");
    check(
        "--store etcd: --etcd-endpoints http://a:1,https://b",
        "ETCDCTL_ENDPOINTS, --etcd-endpoints: some addresses",
    );
    check("--store etcd://a:1 --etcd-endpoints b:1", "http://a:1");
    check("--store etcd://a:1 --etcd-cert x --etcd-key y", "https://a:1");
    let user = |line: &str| parse(line).etcd.user().map_err(|problem| problem.to_string());
    assert_eq!(user("--etcd-user root:a:b"), Ok(Some(("root".into(), "a:b".into()))));
    assert_eq!(user("--etcd-user root --etcd-password p"), Ok(Some(("root".into(), "p".into()))));
    assert!(user("--etcd-user root").is_err());
    assert_eq!(user(""), Ok(None));
}
