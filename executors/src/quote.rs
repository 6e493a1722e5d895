//! Makes output fit into a message.

/// Quotes the last lines of output: ` (its output ended: "…")`, or nothing where there are none.
pub(crate) fn quote(output: &[u8]) -> String {
    const LINES: usize = 5;
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    match lines.len() {
        0 => String::new(),
        count => format!(" (its output ended: {:?})", lines[count.saturating_sub(LINES)..].join("\n")),
    }
}
