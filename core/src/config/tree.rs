//! Text to tree: reads YAML, and JSON as the YAML it is, into nodes that know their line. What makes YAML surprising or
//! dangerous is refused here: aliases, merge keys, tags, several documents, duplicate keys, deep nesting.
//!
//! **Invariant:** the tree is at most [`DEPTH_MAX`] deep and no larger than its text, so whoever walks it may recurse.

use super::mistake::{Mistake, shown};
use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, StructureStyle};

/// The largest file that is read, in bytes.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;
/// How deep lists and objects may be nested.
pub const DEPTH_MAX: usize = 32;

/// A value in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What stands there.
    pub value: Value,
}

/// What a node holds. What a scalar means is for its reader to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// A single value.
    Scalar {
        /// Escapes resolved.
        text: String,
        /// How it was written.
        style: Style,
    },
    /// A list.
    Seq(Vec<Node>),
    /// An object, in the order of the file. Keys are unique.
    Map(Vec<(Key, Node)>),
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Bare: it may be a number or a truth value.
    Plain,
    /// In quotes or as a block: it is text.
    Quoted,
}

/// The name of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// The name.
    pub text: String,
}

/// Reads a file into a tree. `file` is only named in mistakes.
///
/// # Errors
/// Names the first thing that is not text, not YAML, or more of YAML than is accepted here: always one mistake.
pub fn parse(file: &str, bytes: &[u8]) -> Result<Node, Vec<Mistake>> {
    let text = decode(bytes).map_err(|fault| fault.in_file(file))?;
    let options = granit_parser::options! {
        emit_unresolved_aliases: true,
        emit_comments: false,
        disallow_directives: true,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    let mut builder = Builder { text, ..Builder::default() };
    for event in Parser::new_from_str_with_options(text, options) {
        let step = match event {
            Ok((event, span)) => builder.take(event, span.start),
            Err(error) => Err(explain(&error)),
        };
        step.map_err(|fault| fault.in_file(file))?;
    }
    builder.root.ok_or_else(|| Fault::whole("the file is empty", "").in_file(file))
}

/// A mistake that does not know its file yet.
struct Fault {
    line: usize,
    column: usize,
    found: String,
    problem: String,
    next: String,
}

impl Fault {
    fn new(mark: Marker, found: &str, problem: impl Into<String>, next: &str) -> Fault {
        let found = if found.is_empty() { String::new() } else { format!("\"{}\"", shown(found)) };
        Fault { line: mark.line(), column: mark.col() + 1, found, problem: problem.into(), next: next.into() }
    }

    fn whole(problem: &str, next: &str) -> Fault {
        Fault { line: 0, column: 0, found: String::new(), problem: problem.into(), next: next.into() }
    }

    fn in_file(self, file: &str) -> Vec<Mistake> {
        let Fault { line, column, found, problem, next } = self;
        vec![Mistake { file: file.into(), line, column, found, problem, next, ..Mistake::default() }]
    }
}

/// Checks that the bytes are text, and takes off the byte order mark.
fn decode(bytes: &[u8]) -> Result<&str, Fault> {
    if bytes.len() > FILE_BYTES_MAX {
        let problem = format!("the file has {} bytes, expected at most {FILE_BYTES_MAX}", bytes.len());
        return Err(Fault::whole(&problem, "split it into several files"));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Fault::whole("the file is UTF-16, expected UTF-8", "save it as UTF-8"));
    }
    let text = core::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
        Fault { line, column: 1, ..Fault::whole("the file is not UTF-8", "save it as UTF-8") }
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.split('\n').enumerate() {
        let control = line.chars().position(|c| c.is_control() && c != '\t' && c != '\r');
        if let Some(column) = control {
            let mark = Marker::new(0, index + 1, column);
            let found = line.chars().nth(column).map(|c| c.to_string()).unwrap_or_default();
            return Err(Fault::new(mark, &found, "control characters are not allowed", "remove it"));
        }
    }
    Ok(text)
}

/// Puts the parser's own errors into words for the user.
fn explain(error: &ScanError) -> Fault {
    let mark = *error.marker();
    let tabs = [
        ErrorKind::TabAtBlockScalarStart,
        ErrorKind::TabInBlockIndentation,
        ErrorKind::TabInIndentation,
        ErrorKind::TabInPlainScalar,
        ErrorKind::TabNotAllowed,
    ];
    if tabs.contains(error.kind()) {
        return tab_indents(mark);
    }
    if *error.kind() == ErrorKind::RecursionLimitExceeded {
        return too_deep(mark);
    }
    if *error.kind() == ErrorKind::ExpectedDocumentStart {
        return Fault::new(mark, "", "something follows the end of the object or list", "remove it");
    }
    if *error.kind() == ErrorKind::DirectiveDisallowed {
        return Fault::new(mark, "%", "directives are not supported", "remove the line");
    }
    let odd = matches!(error.kind(), ErrorKind::UnexpectedCharacter { .. });
    let next = if odd { "put text that begins with this character in quotes" } else { "" };
    Fault::new(mark, "", format!("not valid YAML: {}", error.kind()), next)
}

fn tab_indents(mark: Marker) -> Fault {
    Fault::new(mark, "\t", "a tab cannot indent", "use spaces")
}

fn too_deep(mark: Marker) -> Fault {
    let problem = format!("nested more than {DEPTH_MAX} deep");
    Fault::new(mark, "", problem, "")
}

/// A list or an object that is not complete yet.
enum Open {
    Seq { mark: Marker, items: Vec<Node> },
    Map { mark: Marker, entries: Vec<(Key, Node)>, lines: BTreeMap<String, usize>, key: Option<Key> },
}

#[derive(Default)]
struct Builder<'a> {
    text: &'a str,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
}

impl Builder<'_> {
    /// Takes one event.
    fn take(&mut self, event: Event<'_>, mark: Marker) -> Result<(), Fault> {
        match event {
            Event::DocumentStart(..) => self.start_document(mark),
            Event::Scalar(text, style, anchor, tag) => {
                self.check_properties(mark, anchor, tag.is_some())?;
                self.scalar(mark, text, style)
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.check_indentation(mark, style)?;
                self.check_properties(mark, anchor, tag.is_some())?;
                self.open(mark, Open::Seq { mark, items: Vec::new() })
            }
            Event::MappingStart(style, anchor, tag) => {
                self.check_indentation(mark, style)?;
                self.check_properties(mark, anchor, tag.is_some())?;
                let (entries, lines) = (Vec::new(), BTreeMap::new());
                self.open(mark, Open::Map { mark, entries, lines, key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(_) | Event::UnresolvedAlias(_) => Err(Fault::new(
                mark,
                "*",
                "aliases are not supported",
                "write the value out, or quote the text",
            )),
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd | Event::Anchor(..) | _ => Ok(()),
        }
    }

    fn start_document(&mut self, mark: Marker) -> Result<(), Fault> {
        self.documents += 1;
        if self.documents > 1 {
            return Err(Fault::new(
                mark,
                "",
                "a second document begins here",
                "put it into a file of its own",
            ));
        }
        Ok(())
    }

    /// Refuses a tab in front of what indentation holds together. JSON may be indented as it likes.
    fn check_indentation(&self, mark: Marker, style: StructureStyle) -> Result<(), Fault> {
        if style == StructureStyle::Flow {
            return Ok(());
        }
        let before = mark.byte_offset().and_then(|offset| self.text.get(..offset)).unwrap_or_default();
        let tab = before.bytes().rev().take_while(|byte| *byte != b'\n').any(|byte| byte == b'\t');
        if tab { Err(tab_indents(mark)) } else { Ok(()) }
    }

    fn check_properties(&self, mark: Marker, anchor: usize, tagged: bool) -> Result<(), Fault> {
        if anchor > 0 {
            return Err(Fault::new(mark, "&", "anchors are not supported", "write the value out"));
        }
        if tagged {
            return Err(Fault::new(mark, "!", "tags are not supported", "remove the tag"));
        }
        Ok(())
    }

    fn open(&mut self, mark: Marker, open: Open) -> Result<(), Fault> {
        if let Some(Open::Map { key: None, .. }) = self.open.last() {
            return Err(Fault::new(mark, "", "the name of a field must be a single word", ""));
        }
        if self.open.len() == DEPTH_MAX {
            return Err(too_deep(mark));
        }
        self.open.push(open);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Fault> {
        match self.open.pop() {
            Some(Open::Seq { mark, items }) => self.add(mark, Value::Seq(items)),
            Some(Open::Map { mark, entries, .. }) => self.add(mark, Value::Map(entries)),
            None => Ok(()),
        }
    }

    fn scalar(&mut self, mark: Marker, text: Cow<'_, str>, style: ScalarStyle) -> Result<(), Fault> {
        let style = if style == ScalarStyle::Plain { Style::Plain } else { Style::Quoted };
        if let Some(Open::Map { lines, key: key @ None, .. }) = self.open.last_mut() {
            if text == "<<" && style == Style::Plain {
                return Err(Fault::new(mark, "<<", "merge keys are not supported", "write the fields out"));
            }
            if let Some(line) = lines.insert(text.to_string(), mark.line()) {
                let problem = format!("the same field as on line {line}");
                return Err(Fault::new(mark, &text, problem, "keep one of the two"));
            }
            *key = Some(Key { line: mark.line(), column: mark.col() + 1, text: text.into_owned() });
            return Ok(());
        }
        let null = style == Style::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
        self.add(mark, if null { Value::Null } else { Value::Scalar { text: text.into_owned(), style } })
    }

    /// Adds a complete value to what is open.
    fn add(&mut self, mark: Marker, value: Value) -> Result<(), Fault> {
        let node = Node { line: mark.line(), column: mark.col() + 1, value };
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::Seq { items, .. }) => items.push(node),
            Some(Open::Map { entries, key, .. }) => {
                // An absent key was refused when the value was opened.
                entries.extend(key.take().map(|key| (key, node)));
            }
        }
        Ok(())
    }
}
