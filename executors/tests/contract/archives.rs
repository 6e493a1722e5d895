//! Archives: what is unpacked, and those that somebody made to get out of the directory, to fill the disk, or to leave
//! there what does not belong there.

use super::artifacts::leaves_nothing;
use super::bench::{BashBench, Bench, container, definition, spec_of, within};
use super::cases::attempt_of;
use callboard_core::model::Bash as Settled;
use callboard_core::work::Spec;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
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
        (b"#!/bin/sh\necho no archive\n".repeat(100), "no archive of tar or zip"),
    ];
    for (attempt, (bytes, why)) in (0..).zip(cases) {
        let spec = fetching(bytes, attempt).await;
        let failure = within(60, why, bench.executor().start(&spec)).await.unwrap_err();
        assert!(failure.0.contains(why), "{why:?} is not in {failure}");
        assert!(!outside.exists());
        leaves_nothing(&bench, &spec).await;
    }
}

/// A zip archive as somebody may write it who is not held back by a library: names, rights, contents.
fn zipped(entries: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let (mut files, mut list) = (Vec::new(), Vec::new());
    let small = |size: usize| u16::try_from(size).unwrap().to_le_bytes();
    let large = |size: usize| u32::try_from(size).unwrap().to_le_bytes();
    for (name, mode, body) in entries {
        let mut deflated = DeflateEncoder::new(Vec::new(), Compression::best());
        deflated.write_all(body).unwrap();
        let (deflated, mut sum) = (deflated.finish().unwrap(), flate2::Crc::new());
        sum.update(body);
        // What it takes to read it, no flags, deflated, no time; then what the list says, too.
        let begin = [20, 0, 0, 0, 8, 0, 0, 0, 0x21, 0];
        let sizes = [sum.sum().to_le_bytes(), large(deflated.len()), large(body.len())].concat();
        let (at, rights) = (large(files.len()), (mode << 16).to_le_bytes());
        let both = [&begin[..], &sizes, &small(name.len()), &[0, 0]].concat();
        files.extend([&b"PK\x03\x04"[..], &both, name.as_bytes(), &deflated].concat());
        let more = [&[0; 6][..], &rights, &at, name.as_bytes()].concat();
        list.extend([&b"PK\x01\x02\x14\x03"[..], &both, &more].concat());
    }
    let (count, at) = (small(entries.len()), large(files.len()));
    let end = [&b"PK\x05\x06"[..], &[0; 4], &count, &count, &large(list.len()), &at, &[0, 0]].concat();
    [files, list, end].concat()
}

const PLAIN: u32 = 0o100_644;

#[tokio::test]
async fn a_zip_archive_is_unpacked_too() {
    let bench = BashBench::plain().unwrap();
    let options = zip::write::SimpleFileOptions::default();
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.add_directory("lib/", options).unwrap();
    writer.start_file("bin/app", options.unix_permissions(0o755)).unwrap();
    writer.write_all(b"#!/bin/sh\ncat here/lib/greeting\n").unwrap();
    writer.start_file("lib/greeting", options.compression_method(zip::CompressionMethod::Stored)).unwrap();
    writer.write_all(b"good day").unwrap();
    let spec = fetching(writer.finish().unwrap().into_inner(), 0).await;
    bench.executor().start(&spec).await.unwrap();
    assert_eq!(bench.executor().exited(&spec.run()).await.code, Some(0));
    assert_eq!(bench.executor().tail(&spec.run(), 100, None).await.unwrap(), b"good day");
}

#[tokio::test]
async fn an_evil_zip_archive_is_refused_and_leaves_nothing() {
    let bench = BashBench::plain().unwrap();
    let many: Vec<(String, u32, &[u8])> =
        (0..10_001).map(|number| (format!("f{number}"), PLAIN, &b""[..])).collect();
    let many: Vec<(&str, u32, &[u8])> =
        many.iter().map(|(name, mode, body)| (&**name, *mode, *body)).collect();
    let twice = zipped(&[("a", PLAIN, b"1"), ("a", PLAIN, b"2")]);
    let encrypted = {
        let mut bytes = zipped(&[("a", PLAIN, b"1")]);
        let list = bytes.windows(4).position(|it| it == b"PK\x01\x02").unwrap();
        (bytes[6], bytes[list + 8]) = (bytes[6] | 1, bytes[list + 8] | 1);
        bytes
    };
    let overlapping = {
        // The second entry is said to be where the first one is.
        let mut bytes = zipped(&[("a", PLAIN, b"1"), ("b", PLAIN, b"2")]);
        let lists: Vec<usize> =
            (0..bytes.len() - 4).filter(|at| bytes[*at..].starts_with(b"PK\x01\x02")).collect();
        bytes[lists[1] + 42..lists[1] + 46].copy_from_slice(&[0; 4]);
        bytes
    };
    // Its end says that where it begins is told elsewhere, and there more entries may be told of than here.
    let long = {
        let mut bytes = zipped(&[("a", PLAIN, b"1")]);
        let end = bytes.len() - 22;
        bytes[end + 16..end + 20].copy_from_slice(&[0xff; 4]);
        bytes
    };
    let cut = zipped(&[("a", PLAIN, b"1")]);
    let wrong = {
        let mut bytes = zipped(&[("a", PLAIN, &b"content".repeat(100))]);
        // In the midst of what is deflated.
        bytes[36] ^= 0xff;
        bytes
    };
    let cases = [
        (zipped(&[("../evil", PLAIN, b"evil")]), "leads out of the directory"),
        (zipped(&[("/etc/evil", PLAIN, b"evil")]), "leads out of the directory"),
        (zipped(&[("a/../../evil", PLAIN, b"evil")]), "leads out of the directory"),
        (zipped(&[("link", 0o120_777, b"/etc/passwd")]), "is neither a file nor a directory"),
        (zipped(&[("pipe", 0o010_666, b"")]), "is neither a file nor a directory"),
        (zipped(&[("su", 0o104_755, b"x")]), "is setuid, setgid or sticky"),
        (zipped(&[("bomb", PLAIN, &vec![0; 200 << 20])]), "more than 100 times its size"),
        (twice, "there twice"),
        (zipped(&[("a/Readme", PLAIN, b""), ("a/README", PLAIN, b"")]), "by small and capital letters alone"),
        (zipped(&[("a\nb", PLAIN, b"")]), "control characters"),
        (zipped(&many), "more than 10000 entries"),
        (zipped(&[]), "nothing in it"),
        (encrypted, "is encrypted"),
        (overlapping, "overlap"),
        (long, "zip64"),
        (cut[..cut.len() - 30].to_vec(), "broken zip archive"),
        (wrong, "its entry"),
    ];
    for (attempt, (bytes, why)) in (0..).zip(cases) {
        let spec = fetching(bytes, attempt).await;
        let failure = within(60, why, bench.executor().start(&spec)).await.expect_err(why);
        assert!(failure.0.contains(why), "{why:?} is not in {failure}");
        leaves_nothing(&bench, &spec).await;
    }
}
