//! A registry of one image, on loopback, as an engine pulls from: open or with a password, prompt, slow, hanging or away.

use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What the registry holds and how it behaves.
pub(crate) struct Registry {
    port: u16,
    /// Content by path, with its type.
    files: Mutex<BTreeMap<String, (&'static str, Vec<u8>)>>,
    /// Of what was published last.
    digest: Mutex<String>,
    /// `Basic …`, where it wants a password.
    password: Option<String>,
    /// It takes requests and answers none.
    pub(crate) hangs: AtomicBool,
    /// It ends each connection at once.
    pub(crate) away: AtomicBool,
    /// It takes some seconds to send the layer.
    pub(crate) slow: AtomicBool,
    /// How often it was asked what the image is.
    pub(crate) asked: AtomicUsize,
    /// How often its layer was sent.
    pub(crate) layers: AtomicUsize,
    /// What it was told of who asks.
    pub(crate) asked_by: Mutex<Vec<String>>,
}

/// What a connection in TLS begins with.
const TLS_HANDSHAKE: u8 = 22;

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Makes a layer with a shell, unlike any other.
fn layer(mark: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("bin")).unwrap();
    std::fs::copy("/bin/busybox", dir.path().join("bin/sh")).unwrap();
    std::fs::write(dir.path().join("mark"), mark).unwrap();
    let tar =
        Command::new("tar").args(["-c", "--owner=0", "--group=0", "-C"]).arg(dir.path()).arg(".").output();
    tar.unwrap().stdout
}

impl Registry {
    /// Starts one. With a `password` it wants that, as `user:password` in base64.
    pub(crate) fn start(password: Option<&str>) -> Arc<Registry> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let registry = Arc::new(Registry {
            port,
            files: Mutex::default(),
            digest: Mutex::default(),
            password: password.map(|password| format!("Basic {password}")),
            hangs: AtomicBool::new(false),
            away: AtomicBool::new(false),
            slow: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
            layers: AtomicUsize::new(0),
            asked_by: Mutex::default(),
        });
        registry.publish("pulled");
        let serving = Arc::clone(&registry);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = Arc::clone(&serving);
                std::thread::spawn(move || serving.answer(stream));
            }
        });
        registry
    }

    /// Puts another image under the tag, which writes `says`.
    pub(crate) fn publish(&self, says: &str) {
        let layer = layer(&format!("{} {} {says}", std::process::id(), self.port));
        let command = ["/bin/sh".to_string(), "-c".to_string(), format!("echo {says}")];
        let config = json!({"architecture": "amd64", "os": "linux", "config": {"Cmd": command},
            "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]}});
        let config = config.to_string().into_bytes();
        let part = |kind: &str, bytes: &[u8]| {
            let media = format!("application/vnd.docker.{kind}");
            json!({"mediaType": media, "size": bytes.len(), "digest": digest(bytes)})
        };
        const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST,
            "config": part("container.image.v1+json", &config),
            "layers": [part("image.rootfs.diff.tar.gzip", &layer)]});
        let manifest = manifest.to_string().into_bytes();
        let of_manifest = digest(&manifest);
        let blob = |bytes: &[u8]| format!("/v2/app/blobs/{}", digest(bytes));
        self.files.lock().unwrap().extend([
            ("/v2/".to_string(), ("application/json", b"{}".to_vec())),
            ("/v2/app/manifests/7".to_string(), (MANIFEST, manifest.clone())),
            (format!("/v2/app/manifests/{of_manifest}"), (MANIFEST, manifest)),
            (blob(&config), ("application/octet-stream", config)),
            (blob(&layer), ("application/octet-stream", layer)),
        ]);
        *self.digest.lock().unwrap() = of_manifest;
    }

    /// Names the image by its tag.
    pub(crate) fn by_tag(&self) -> String {
        format!("127.0.0.1:{}/app:7", self.port)
    }

    /// Names the image by its digest.
    pub(crate) fn by_digest(&self) -> String {
        format!("127.0.0.1:{}/app@{}", self.port, self.digest.lock().unwrap())
    }

    /// Names the registry.
    pub(crate) fn name(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn answer(&self, mut stream: TcpStream) -> Option<()> {
        if self.away.load(Ordering::Relaxed) {
            return None;
        }
        // Who greets in TLS is told that this is HTTP, as servers do.
        let mut first = [0];
        stream.peek(&mut first).ok()?;
        if first == [TLS_HANDSHAKE] {
            // What is left unread would have the answer thrown away.
            let _greeting = stream.read(&mut [0; 4096]).ok()?;
            return stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").ok();
        }
        let mut lines = BufReader::new(stream.try_clone().ok()?).lines().map_while(Result::ok);
        let request = lines.next()?;
        let (method, rest) = request.split_once(' ')?;
        let path = rest.split(' ').next()?;
        let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        let of = |name: &str| {
            head.iter().find_map(|line| line.split_once(": ").filter(|(of, _)| of.eq_ignore_ascii_case(name)))
        };
        if let Some((_, who)) = of("Authorization") {
            self.asked_by.lock().unwrap().push(who.to_string());
        }
        while self.hangs.load(Ordering::Relaxed) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        if self.password.is_some() && of("Authorization").map(|(_, who)| who) != self.password.as_deref() {
            let refusal = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"r\"\r\nContent-Length: 0\r\n\
                           Connection: close\r\n\r\n";
            return stream.write_all(refusal.as_bytes()).ok();
        }
        self.asked.fetch_add(usize::from(path.starts_with("/v2/app/manifests/")), Ordering::Relaxed);
        let Some((kind, content)) = self.files.lock().unwrap().get(path).cloned() else {
            return stream
                .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .ok();
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nDocker-Content-Digest: {}\r\n\
             Docker-Distribution-Api-Version: registry/2.0\r\nConnection: close\r\n\r\n",
            content.len(),
            digest(&content)
        );
        stream.write_all(head.as_bytes()).ok()?;
        if method == "GET" {
            self.layers.fetch_add(usize::from(content.len() > 100_000), Ordering::Relaxed);
            for part in content.chunks(256 << 10) {
                stream.write_all(part).ok()?;
                if self.slow.load(Ordering::Relaxed) && content.len() > 100_000 {
                    std::thread::sleep(std::time::Duration::from_millis(600));
                }
            }
        }
        Some(())
    }
}
