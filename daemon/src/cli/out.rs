//! Where words go: data to standard output, messages to standard error. A reader that has gone away is no error; data that
//! cannot be written are.

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

/// How data is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For programs: the API's own answer.
    Json,
}

/// Writes a line of data.
pub(crate) fn line(text: &str) {
    data(text.as_bytes(), true);
}

/// Writes bytes of data as they are.
pub(crate) fn bytes(bytes: &[u8]) {
    data(bytes, false);
}

/// Writes a message.
pub(crate) fn message(text: &str) {
    // Nobody can be told that nobody can be told.
    let _lost = write_to(io::stderr().lock(), text.as_bytes(), true);
}

/// Writes data as indented JSON.
pub(crate) fn json(data: &impl Serialize) -> anyhow::Result<()> {
    line(&serde_json::to_string_pretty(data)?);
    Ok(())
}

/// Writes data. Ends the process where that cannot be done, as on a full disk; and quietly when nobody reads any more:
/// `callboard tasks | head -1` is no failure.
fn data(bytes: &[u8], newline: bool) {
    let Err(error) = write_to(io::stdout().lock(), bytes, newline) else { return };
    if error.kind() == io::ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    message(&format!("callboard: cannot write to standard output: {error}"));
    std::process::exit(1);
}

fn write_to(mut to: impl Write, bytes: &[u8], newline: bool) -> io::Result<()> {
    to.write_all(bytes)?;
    if newline {
        to.write_all(b"\n")?;
    }
    to.flush()
}

/// Makes an empty table with these columns; columns grow with their content, and rows wrap only on a terminal.
pub(crate) fn table(columns: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(columns.iter().map(|column| column.to_uppercase()));
    if io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    } else {
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

/// Writes a table without trailing blanks, or says that there is nothing to show.
pub(crate) fn show(table: &Table, nothing: &str) {
    if table.is_empty() {
        return message(nothing);
    }
    let text: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    line(&text.join("\n"));
}

/// Colours of words on a terminal.
#[derive(Clone, Copy)]
pub(crate) enum Tint {
    /// All is well.
    Good,
    /// On its way.
    Busy,
    /// Not well.
    Bad,
}

/// Colours a word where standard output is a terminal and `NO_COLOR` is not set.
pub(crate) fn tinted(word: &str, tint: Tint) -> comfy_table::Cell {
    let cell = comfy_table::Cell::new(word);
    if !io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        return cell;
    }
    cell.fg(match tint {
        Tint::Good => comfy_table::Color::Green,
        Tint::Busy => comfy_table::Color::Yellow,
        Tint::Bad => comfy_table::Color::Red,
    })
}

/// Writes MiB for people.
pub(crate) fn size(mib: u64) -> String {
    match mib {
        0..10_240 => format!("{mib} MiB"),
        _ => format!("{}.{} GiB", mib / 1024, mib % 1024 * 10 / 1024),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes() {
        for (mib, text) in [(0, "0 MiB"), (512, "512 MiB"), (10_240, "10.0 GiB"), (11_776, "11.5 GiB")] {
            assert_eq!(size(mib), text);
        }
    }
}
