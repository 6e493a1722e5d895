//! Files of rows beside a scenario: CSV with a header. A row is read as an object whose fields are the columns, so that
//! mistakes name file, line and column.

use super::form::{self, Form, Shape};
use super::read::Known;
use super::tree;
use callboard_core::config::{Item, Key, Mistake, Node, Place, Reader, Style, Value, suggestion};

/// The most rows with mistakes that are told of.
const MISTAKES: usize = 20;

/// What the columns of a file are.
pub(super) struct Columns {
    /// Those that hold texts, even where these look like numbers.
    pub(super) texts: &'static [&'static str],
    /// The field that takes all columns that are not known, as texts.
    pub(super) others: Option<&'static str>,
}

/// Reads the file that a field names. Whatever a row leaves empty is as in `basis`.
pub(super) fn read<R: Shape>(
    item: &Item<'_>,
    known: &Known<'_>,
    columns: &Columns,
    basis: &R,
) -> Option<Vec<R>> {
    let path = item.text("the path of a CSV file, from where the scenario is")?;
    let bytes = match known.load(path) {
        Ok(bytes) => bytes,
        Err(why) => {
            item.wrong(
                format!("which cannot be read: {why}"),
                "the path of a CSV file, from where the scenario is",
                "",
            );
            return None;
        }
    };
    let at = |line: u64| Place {
        file: path.into(),
        line: usize::try_from(line).unwrap_or(usize::MAX),
        column: 1,
        path: String::new(),
    };
    let broken = |error: csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        item.report(Mistake { problem: problem(&error), ..Mistake::at(at(line)) });
    };
    let mut csv =
        csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(bytes.as_slice());
    let header = csv.headers().cloned().map_err(broken).ok()?;
    let fields = fields(basis);
    for name in header.iter().filter(|name| !fields.contains(name)) {
        let near = suggestion(name, fields.iter().copied());
        if columns.others.is_none() || near.is_some() || name.is_empty() {
            let next = near.map(|near| format!("did you mean \"{near}\"?")).unwrap_or_default();
            let (path, allowed) = (name.to_string(), fields.join(", "));
            item.report(Mistake {
                path,
                problem: "unknown column".into(),
                allowed,
                next,
                ..Mistake::at(at(1))
            });
            return None;
        }
    }
    let (mut rows, mut wrong) = (Vec::new(), 0);
    for record in csv.records() {
        let record = record.map_err(broken).ok()?;
        let place = at(record.position().map_or(0, csv::Position::line));
        let reader = Reader::new(path);
        let node = object(&header, &record, place.line, columns, &fields);
        rows.extend(form::read(basis.clone(), &reader.root(&node), known));
        if let Err(mistakes) = reader.finish() {
            mistakes.into_iter().for_each(|mistake| item.report(mistake));
            wrong += 1;
        }
        if wrong == MISTAKES {
            break;
        }
    }
    if rows.is_empty() && wrong == 0 {
        item.wrong("in which there are no rows", "a header and a row at least", "");
        return None;
    }
    Some(rows)
}

fn fields<R: Shape>(basis: &R) -> Vec<&'static str> {
    let mut form = Form::description();
    basis.clone().form(&mut form);
    form.names()
}

/// Puts what is wrong with a file into words.
fn problem(error: &csv::Error) -> String {
    if let csv::ErrorKind::UnequalLengths { expected_len, len, .. } = error.kind() {
        return format!("{len} columns, expected {expected_len}, as in the header");
    }
    if let csv::ErrorKind::Utf8 { .. } = error.kind() {
        return "not UTF-8; save it as UTF-8".into();
    }
    format!("not CSV: {error}")
}

/// Makes an object of a row; what is empty is left out.
fn object(
    header: &csv::StringRecord,
    record: &csv::StringRecord,
    line: usize,
    columns: &Columns,
    fields: &[&'static str],
) -> Node {
    let place = |value| Node { line, column: 1, value };
    let cell = |text: &str, style| place(Value::Scalar { text: text.into(), style });
    let key = |text: &str| Key { line, column: 1, text: text.into() };
    let (mut entries, mut others) = (Vec::new(), Vec::new());
    for (name, text) in header.iter().zip(record).filter(|(_, text)| !text.is_empty()) {
        if !fields.contains(&name) {
            others.push((key(name), cell(text, Style::Quoted)));
        } else {
            let style = if columns.texts.contains(&name) { Style::Quoted } else { Style::Plain };
            entries.push((key(name), cell(text, style)));
        }
    }
    if let Some(name) = columns.others.filter(|_| !others.is_empty()) {
        entries.push((key(name), place(Value::Map(others))));
    }
    if entries.is_empty() { tree::object::<String>([]) } else { place(Value::Map(entries)) }
}
