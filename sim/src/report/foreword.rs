//! What is said before the runs of a page, where they belong together: an answer, and the tables that bear it out.

use maud::{Markup, html};

/// The beginning of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Foreword {
    /// What the page is about, in a few words.
    pub title: String,
    /// Whether the answer is yes.
    pub passed: bool,
    /// The answer, in sentences: a paragraph each.
    pub lead: Vec<String>,
    /// What bears it out.
    pub tables: Vec<Table>,
}

/// A table with a heading. One without rows is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// What it is about.
    pub heading: String,
    /// What is to be known beside it; may be empty.
    pub note: String,
    /// The columns.
    pub columns: Vec<&'static str>,
    /// The rows: a text for each column. What begins with `callboard ` is shown as a command.
    pub rows: Vec<Vec<String>>,
}

impl Foreword {
    pub(super) fn show(&self) -> Markup {
        html! {
            header {
                h1 { (self.title) " " (super::badge(self.passed)) }
                div class="story" { @for paragraph in &self.lead { p { (paragraph) } } }
                @for table in self.tables.iter().filter(|table| !table.rows.is_empty()) { (table.show()) }
            }
        }
    }
}

impl Table {
    fn show(&self) -> Markup {
        html! {
            section {
                h2 { (self.heading) }
                @if !self.note.is_empty() { p.note { (self.note) } }
                table {
                    thead { tr { @for (index, column) in self.columns.iter().enumerate() {
                        th.n[self.is_number(index)] { (column) }
                    } } }
                    tbody {
                        @for row in &self.rows {
                            tr { @for (index, text) in row.iter().enumerate() {
                                td.n[self.is_number(index)].k[index == 0] {
                                    @if text.starts_with("callboard ") { code { (text) } } @else { (text) }
                                }
                            } }
                        }
                    }
                }
            }
        }
    }

    /// Tells whether a column holds nothing but numbers.
    fn is_number(&self, column: usize) -> bool {
        let mut texts = self.rows.iter().filter_map(|row| row.get(column));
        texts.all(|text| text.chars().all(|letter| letter.is_ascii_digit()))
    }
}
