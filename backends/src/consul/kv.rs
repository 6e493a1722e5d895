//! How everything under a prefix is read, at once or when it has changed, and what of it this store shows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use callboard_core::store::{Entry, Revision, SessionId};
use serde::Deserialize;

use super::http::{Answer, Call, DEADLINE, Http};
use crate::StoreError;

/// Everything under a prefix, as it was at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    /// Consul's index of the prefix: of its last change, unless Consul has forgotten that it deleted something.
    pub(crate) index: u64,
    /// In the order of their keys.
    pub(crate) entries: Vec<Arc<Entry>>,
    /// What it cost, about: how long the answer took to arrive and to be understood.
    pub(crate) cost: Duration,
}

/// A question that Consul answers when the prefix has changed since `index`, and at the latest after `wait`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) index: u64,
    pub(crate) wait: Duration,
}

/// Reads a prefix, including every commit acknowledged before.
pub(crate) async fn read(http: &Http, prefix: &str, patience: Option<Patience>) -> Result<Read, StoreError> {
    let beginning = sayable(prefix);
    let path = format!("kv/{beginning}");
    let mut query = vec![("recurse", ""), ("consistent", "")];
    let (index, wait);
    let mut call = Call::get(&path, &[]);
    if let Some(patience) = patience {
        index = patience.index.to_string();
        wait = format!("{}ms", patience.wait.as_millis());
        query.extend([("index", index.as_str()), ("wait", &wait)]);
        // Consul adds up to a sixteenth.
        call.within = patience.wait + patience.wait / 16 + DEADLINE;
    }
    call.query = &query;
    let answer = http.ask(&call).await?;
    let began = Instant::now();
    let rows = rows(&answer)?;
    let index = answer.index.ok_or_else(|| foreign(&answer))?;
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows.into_iter().filter(|row| row.key.starts_with(prefix)) {
        entries.push(Arc::new(row.entry().ok_or_else(|| foreign(&answer))?));
    }
    entries.sort_unstable_by(|one, other| one.key.cmp(&other.key));
    let bytes = u64::try_from(answer.body.len()).unwrap_or(u64::MAX);
    // The server had its part of the work, too: it hardly makes more than 20 MB a second.
    let cost = (answer.took + began.elapsed()).max(Duration::from_micros(bytes / 20));
    Ok(Read { index, entries, cost })
}

/// Finds how much of a prefix can be said in a URL: up to the first segment that servers and clients would clear away.
fn sayable(prefix: &str) -> &str {
    let mut begin = 0;
    for segment in prefix.split('/') {
        let is_last = begin + segment.len() == prefix.len();
        let is_lost = matches!(segment, "." | "..")
            || (segment.is_empty() && !is_last)
            || segment.contains(char::is_control);
        if is_lost {
            return &prefix[..begin];
        }
        begin += segment.len() + 1;
    }
    prefix
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    key: String,
    /// Base64; null when it is empty.
    value: Option<String>,
    session: Option<String>,
    modify_index: u64,
}

impl Row {
    /// Gives the entry. A value that is not UTF-8 is shown as nearly as can be; whoever reads it will find it odd.
    fn entry(self) -> Option<Entry> {
        let value = BASE64_STANDARD.decode(self.value.unwrap_or_default()).ok()?;
        let value = String::from_utf8(value)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        let session = self.session.filter(|session| !session.is_empty()).map(SessionId);
        Some(Entry { key: self.key, value, revision: Revision(self.modify_index), session })
    }
}

fn rows(answer: &Answer) -> Result<Vec<Row>, StoreError> {
    match answer.status {
        200 => serde_json::from_slice(&answer.body).map_err(|_| foreign(answer)),
        // Nothing is there, if it is Consul that says so.
        404 if answer.index.is_some() => Ok(Vec::new()),
        _ => Err(answer.trouble()),
    }
}

fn foreign(answer: &Answer) -> StoreError {
    StoreError::Refused(format!("that is no answer of Consul: {:?}", answer.text()))
}

#[cfg(test)]
mod tests {
    use super::{Row, sayable};

    #[test]
    fn what_a_url_cannot_say_is_left_out() {
        for (prefix, expect) in [
            ("", ""),
            ("a/b", "a/b"),
            ("a/b/", "a/b/"),
            ("ä b/%2F?#", "ä b/%2F?#"),
            ("a/.b/..c", "a/.b/..c"),
            ("a//b", "a/"),
            ("a//", "a/"),
            ("/a", ""),
            ("a/../b", "a/"),
            ("a/.", "a/"),
            ("a/b\n/c", "a/"),
        ] {
            assert_eq!(sayable(prefix), expect, "{prefix:?}");
        }
    }

    #[test]
    fn odd_rows_are_entries_too() {
        let row = |value: Option<&str>| Row {
            key: "k".into(),
            value: value.map(Into::into),
            session: Some(String::new()),
            modify_index: 7,
        };
        assert_eq!(row(None).entry().expect("an entry").value, "");
        assert_eq!(row(Some("/w==")).entry().expect("an entry").value, "\u{fffd}");
        assert_eq!(row(Some("YQ==")).entry().expect("an entry").session, None);
        assert!(row(Some("no base64")).entry().is_none());
    }
}
