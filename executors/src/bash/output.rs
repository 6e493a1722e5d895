//! Keeps what a run writes, within bounds. When the disk refuses, output is lost and the task goes on.

use super::marks::Marks;
use super::place::Place;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::SystemTime;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

struct Log<'a> {
    place: &'a Place,
    bytes_max: u64,
    file: Option<File>,
    bytes: u64,
    marks: Marks<'a>,
}

/// Copies until all writers are gone. At most `bytes_max` bytes are kept in each of two files.
pub(super) async fn keep(place: Place, bytes_max: u64, mut pipe: Receiver) {
    let mut log =
        Log { place: &place, bytes_max: bytes_max.max(1), file: None, bytes: 0, marks: Marks::new(&place) };
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match pipe.read(&mut buffer).await {
            Ok(0) => return,
            Ok(count) => {
                if log.write(&buffer[..count]).is_err() {
                    log.file = None;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

impl Log<'_> {
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = usize::try_from(self.bytes_max.saturating_sub(self.bytes)).unwrap_or(usize::MAX);
            if room == 0 {
                fs::rename(self.place.file("output.log"), self.place.file("output.log.1"))?;
                (self.file, self.bytes) = (None, 0);
                self.marks.rotate();
                continue;
            }
            let (part, rest) = bytes.split_at(room.min(bytes.len()));
            self.file()?;
            self.marks.note(self.bytes, SystemTime::now());
            self.file()?.write_all(part)?;
            self.bytes += u64::try_from(part.len()).unwrap_or(0);
            bytes = rest;
        }
        Ok(())
    }

    fn file(&mut self) -> io::Result<&mut File> {
        if self.file.is_none() {
            let path = self.place.file("output.log");
            let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
            self.bytes = file.metadata()?.len();
            self.file = Some(file);
        }
        self.file.as_mut().ok_or_else(|| io::Error::other("no file"))
    }
}
