//! What a run wrote: the output of all its containers, in the order in which the engine took it down.

use super::Docker;
use crate::Failure;
use bollard::query_parameters::LogsOptionsBuilder;
use callboard_core::work::Run;
use futures_util::TryStreamExt;
use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

/// So many lines are asked for at most, however short they are.
const LINES_MAX: usize = 100_000;

/// A piece of output, behind the time at which it was taken down.
type Piece = (String, Vec<u8>);

impl Docker {
    /// Reads the last bytes of what a run wrote. Of a start that failed it is what its setup wrote.
    pub(super) async fn read_output(
        &self,
        run: &Run,
        bytes_max: usize,
        since: Option<SystemTime>,
    ) -> Result<Vec<u8>, Failure> {
        let group = self.group(run).await?;
        let Some(group) = group.filter(|group| !group.containers.is_empty()) else {
            let ending = self.runs.entry(run).ending();
            let none = || Failure(format!("there is no such run of task {} on this host", run.id));
            return ending.map(|ending| last(&ending.output, bytes_max)).ok_or_else(none);
        };
        let mut pieces: Vec<Piece> = Vec::new();
        for kept in &group.containers {
            pieces.extend(self.pieces(&kept.id, bytes_max, since).await?);
        }
        Ok(join(pieces, bytes_max))
    }

    /// Reads the last bytes of what one container wrote.
    pub(super) async fn output_of(&self, id: &str, bytes_max: usize) -> Result<Vec<u8>, Failure> {
        Ok(join(self.pieces(id, bytes_max, None).await?, bytes_max))
    }

    async fn pieces(
        &self,
        id: &str,
        bytes_max: usize,
        since: Option<SystemTime>,
    ) -> Result<Vec<Piece>, Failure> {
        // For the engine, 0 is the beginning.
        let since = since.and_then(|since| since.duration_since(UNIX_EPOCH).ok());
        let since = since.map_or(0, |since| i32::try_from(since.as_secs()).unwrap_or(i32::MAX));
        let lines = bytes_max.clamp(1, LINES_MAX).to_string();
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .timestamps(true)
            .tail(&lines)
            .since(since)
            .build();
        let read = |client: bollard::Docker| async move {
            let mut logs = client.logs(id, Some(options));
            let mut last = Last::new(bytes_max);
            while let Some(log) = logs.try_next().await? {
                last.push(piece(log.as_ref()));
            }
            Ok(last.pieces.into())
        };
        let read = self.engine.look(read).await;
        read.map_err(|trouble| trouble.doing(format_args!("cannot read the output of container {id}")))
    }
}

/// The last pieces of an output: what is before them is let go of as they come, since lines may be long.
struct Last {
    bytes_max: usize,
    bytes: usize,
    pieces: VecDeque<Piece>,
}

impl Last {
    fn new(bytes_max: usize) -> Last {
        Last { bytes_max, bytes: 0, pieces: VecDeque::new() }
    }

    fn push(&mut self, piece: Piece) {
        self.bytes += piece.1.len();
        self.pieces.push_back(piece);
        while let Some((_, first)) = self.pieces.front()
            && self.bytes - first.len() >= self.bytes_max
        {
            self.bytes -= first.len();
            self.pieces.pop_front();
        }
    }
}

fn piece(bytes: &[u8]) -> Piece {
    let end = bytes.iter().position(|byte| *byte == b' ').unwrap_or(0);
    let (time, text) = bytes.split_at(end);
    (String::from_utf8_lossy(time).into_owned(), text.get(1..).unwrap_or_default().to_vec())
}

fn join(mut pieces: Vec<Piece>, bytes_max: usize) -> Vec<u8> {
    pieces.sort_by(|(one, _), (other, _)| one.cmp(other));
    last(&pieces.into_iter().flat_map(|(_, text)| text).collect::<Vec<u8>>(), bytes_max)
}

fn last(bytes: &[u8], bytes_max: usize) -> Vec<u8> {
    bytes[bytes.len().saturating_sub(bytes_max)..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_pieces_are_held() {
        let mut last = Last::new(5);
        for text in ["aaaaaaaa", "bbb", "ccc", "dd"] {
            last.push((String::new(), text.as_bytes().to_vec()));
        }
        let held: Vec<&[u8]> = last.pieces.iter().map(|(_, text)| &**text).collect();
        assert_eq!(held, [b"ccc".as_slice(), b"dd"]);
    }

    #[test]
    fn pieces_are_joined_in_the_order_of_their_times() {
        let pieces =
            ["2026-01-01T00:00:00.2Z b c\n", "2026-01-01T00:00:00.1Z a\n"].map(|text| piece(text.as_bytes()));
        assert_eq!(join(pieces.to_vec(), 100), b"a\nb c\n");
        assert_eq!(join(pieces.to_vec(), 4), b"b c\n");
    }
}
