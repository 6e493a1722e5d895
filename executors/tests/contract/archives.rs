//! Archives: what is unpacked, and those that somebody made to get out of the directory, to fill the disk, or to leave
//! there what does not belong there.

use super::artifacts::leaves_nothing;
use super::bench::{BashBench, Bench, container, definition, spec_of, within};
use super::cases::attempt_of;
use callboard_core::model::Bash as Settled;
use callboard_core::work::Spec;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::sync::Arc;
use tar::EntryType as Kind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Serves the same bytes to whoever asks, for as long as the test takes.
async fn serve(bytes: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let _ = connection.read(&mut [0; 4096]).await;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
            let _ = connection.write_all(&[head.as_bytes(), &bytes].concat()).await;
        }
    });
    port
}

async fn fetching(archive: Vec<u8>, attempt: u32) -> Arc<Spec> {
    let digest: String = Sha256::digest(&archive).iter().map(|byte| format!("{byte:02x}")).collect();
    let bash = Settled {
        start: vec!["here/bin/app".to_string()],
        artifact: Some(format!("http://127.0.0.1:{}/archive", serve(archive).await)),
        checksum: Some(format!("sha256:{digest}")),
        download_dir: Some("here".to_string()),
        unpack: true,
        ..Settled::default()
    };
    attempt_of(&spec_of(definition("app", vec![container("main", &[], bash)])), attempt)
}

/// An entry as somebody may write it who is not held back by a library.
fn entry(name: impl AsRef<[u8]>, kind: Kind, mode: u32, body: &[u8]) -> Vec<u8> {
    let (name, mut header) = (name.as_ref(), tar::Header::new_gnu());
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(body.len() as u64);
    if matches!(kind, Kind::Symlink | Kind::Link) {
        header.set_link_name("/etc/passwd").unwrap();
    }
    header.set_cksum();
    let padding = vec![0; body.len().next_multiple_of(512) - body.len()];
    [header.as_bytes().as_slice(), body, &padding].concat()
}

fn file(name: impl AsRef<[u8]>) -> Vec<u8> {
    entry(name, Kind::Regular, 0o644, b"evil")
}

fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    [entries.concat(), vec![0; 1024]].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn an_archive_is_unpacked_where_it_was_wanted() {
    let bench = BashBench::plain().unwrap();
    let app = b"#!/bin/sh\ncat here/lib/*/greeting\n";
    let long = format!("./lib/{}/greeting", "long".repeat(40));
    let entries = [
        entry("comment", Kind::XGlobalHeader, 0o644, b"20 comment=01234567\n"),
        entry("./", Kind::Directory, 0o755, b""),
        entry("./bin/", Kind::Directory, 0o755, b""),
        entry("./bin/app", Kind::Regular, 0o755, app),
        entry("././@LongLink", Kind::GNULongName, 0o644, format!("{long}\0").as_bytes()),
        entry("cut", Kind::Regular, 0o644, b"good "),
        entry("pax", Kind::XHeader, 0o644, b"26 path=lib/next/greeting\n"),
        entry("cut", Kind::Regular, 0o644, b"day"),
    ];
    for (attempt, bytes) in [(0, archive(&entries)), (1, gzip(&archive(&entries)))] {
        let spec = fetching(bytes, attempt).await;
        bench.executor().start(&spec).await.unwrap();
        assert_eq!(bench.executor().exited(&spec.run()).await.code, Some(0));
        assert_eq!(bench.executor().tail(&spec.run(), 100, None).await.unwrap(), b"good day");
        let mut names: Vec<_> =
            std::fs::read_dir(bench.place(&spec.run()).join("work/here")).unwrap().flatten().collect();
        names.sort_by_key(std::fs::DirEntry::file_name);
        assert_eq!(names.iter().map(std::fs::DirEntry::file_name).collect::<Vec<_>>(), ["bin", "lib"]);
    }
}

#[tokio::test]
async fn an_evil_archive_is_refused_and_leaves_nothing() {
    let bench = BashBench::plain().unwrap();
    let outside = bench.dir.path().join("evil");
    let link = |name: &str| entry(name, Kind::Symlink, 0o777, b"");
    let many: Vec<Vec<u8>> = (0..10_001).map(|number| file(format!("f{number}"))).collect();
    let bomb = || gzip(&archive(&[entry("bomb", Kind::Regular, 0o644, &vec![0; 200 << 20])]));
    let long_name = entry("x", Kind::GNULongName, 0o644, &vec![b'x'; 1 << 20]);
    let cases = [
        (archive(&[file("../evil")]), "\"../evil\" leads out of the directory"),
        (archive(&[file(outside.to_str().unwrap())]), "leads out of the directory"),
        (archive(&[file("a/../../evil")]), "\"a/../../evil\" leads out of the directory"),
        (archive(&[link("a"), file("a/evil")]), "\"a\" is neither a file nor a directory"),
        (archive(&[link("a"), entry("a", Kind::Directory, 0o777, b"")]), "\"a\" is neither a file nor"),
        (
            archive(&[file("good"), entry("a", Kind::Link, 0o644, b"")]),
            "\"a\" is neither a file nor a directory",
        ),
        (archive(&[entry("su", Kind::Regular, 0o4755, b"x")]), "\"su\" is setuid, setgid or sticky"),
        (archive(&[entry("d", Kind::Directory, 0o2755, b"")]), "\"d\" is setuid, setgid or sticky"),
        (archive(&[entry("null", Kind::Char, 0o666, b"")]), "\"null\" is neither a file nor a directory"),
        (archive(&[entry("pipe", Kind::Fifo, 0o666, b"")]), "\"pipe\" is neither a file nor a directory"),
        (bomb(), "more than 100 times its size"),
        (archive(&[file("a"), file("./a")]), "\"./a\" is there twice"),
        (archive(&[file("a/Readme"), file("a/README")]), "by small and capital letters alone"),
        (archive(&[file("A/x"), file("a/y")]), "by small and capital letters alone"),
        (archive(&[file("a"), file("a/x")]), "cannot be unpacked"),
        (archive(&[file(b"a\xff")]), "not UTF-8"),
        (archive(&[file("a\nb")]), "control characters"),
        (archive(&[file("a/".repeat(40) + "x")]), "lies too deep"),
        (archive(&many), "more than 10000 entries"),
        (archive(&[long_name, file("x")]), "says more than 16384 bytes of an entry"),
        (archive(&[entry("x", Kind::XHeader, 0o644, b"10 size=1\n"), file("x")]), "not supported: size"),
        (archive(&[]), "nothing in it"),
        (archive(&[file("cut off")])[..700].to_vec(), "broken one"),
        (gzip(&archive(&[file("a")]))[..40].to_vec(), "broken one"),
        (b"#!/bin/sh\necho no archive\n".repeat(100), "no tar archive"),
    ];
    for (attempt, (bytes, why)) in (0..).zip(cases) {
        let spec = fetching(bytes, attempt).await;
        let failure = within(60, why, bench.executor().start(&spec)).await.unwrap_err();
        assert!(failure.0.contains(why), "{why:?} is not in {failure}");
        assert!(!outside.exists());
        leaves_nothing(&bench, &spec).await;
    }
}
