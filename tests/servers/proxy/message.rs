//! Requests and answers of HTTP 1, as far as faults need to know them.

use std::io::{BufRead, Read, Result};

/// Reads one request, the body included; nothing at the end of the connection.
///
/// Its length must be told by `Content-Length`, as the clients of Consul do.
pub(super) fn request(from: &mut impl BufRead) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        if from.read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
    }
    let length = field(&bytes, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    from.take(length).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Gives a field of a head, where it is there.
fn field<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let lines = std::str::from_utf8(head).ok()?.lines();
    let fields = lines.filter_map(|line| line.split_once(':'));
    fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, text)| text.trim()).next()
}

/// Writes an answer of the proxy itself.
pub(super) fn answer(status: u16) -> Vec<u8> {
    let body = "said by the proxy";
    format!("HTTP/1.1 {status} Fault\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Finds where the head of an answer ends.
pub(super) fn head_ends(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// Lowers Consul's index in the head of an answer.
pub(super) fn rewind(head: &[u8], by: u64) -> Vec<u8> {
    let text = String::from_utf8_lossy(head);
    let lower = |line: &str| match line.split_once(": ") {
        Some((name, index)) if name.eq_ignore_ascii_case("x-consul-index") => {
            let index: u64 = index.trim().parse().unwrap_or_default();
            format!("{name}: {}\r\n", index.saturating_sub(by))
        }
        _ => line.to_owned(),
    };
    text.split_inclusive('\n').map(lower).collect::<String>().into_bytes()
}
