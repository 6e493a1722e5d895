//! A drawing: rectangles, paths, lines and words. Lengths are whole tenths of a unit, so that the same drawing has the same
//! bytes everywhere.

use std::fmt::{self, Write};

/// A length or place, in tenths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tenths(pub(super) u64);

impl fmt::Display for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 % 10 {
            0 => write!(f, "{}", self.0 / 10),
            rest => write!(f, "{}.{rest}", self.0 / 10),
        }
    }
}

/// Makes a length of whole units.
pub(super) fn units(units: u64) -> Tenths {
    Tenths(units * 10)
}

/// A box: left, top, width, height.
pub(super) type Area = (Tenths, Tenths, Tenths, Tenths);

/// A drawing that is being made.
#[derive(Clone, Debug)]
pub(super) struct Svg {
    body: String,
    width: u64,
    height: u64,
    label: String,
}

impl Svg {
    pub(super) fn new(width: u64, height: u64, label: &str) -> Svg {
        Svg { body: String::new(), width, height, label: label.into() }
    }

    fn put(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.body.write_fmt(text);
    }

    /// Draws a box, with words that show when one points at it.
    pub(super) fn rect(&mut self, class: &str, (left, top, width, height): Area, title: &str) {
        self.put(format_args!(
            "<rect class=\"{class}\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\""
        ));
        self.close("rect", title);
    }

    /// Draws along a path.
    pub(super) fn path(&mut self, class: &str, path: &str, title: &str) {
        if !path.is_empty() {
            self.put(format_args!("<path class=\"{class}\" d=\"{path}\""));
            self.close("path", title);
        }
    }

    fn close(&mut self, element: &str, title: &str) {
        if title.is_empty() {
            self.put(format_args!("/>"));
        } else {
            self.put(format_args!("><title>{}</title></{element}>", escaped(title)));
        }
    }

    /// Draws a line.
    pub(super) fn line(&mut self, class: &str, from: (Tenths, Tenths), to: (Tenths, Tenths)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.put(format_args!("<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>"));
    }

    /// Writes words; the class says how they are aligned.
    pub(super) fn text(&mut self, class: &str, (x, y): (Tenths, Tenths), text: &str) {
        self.put(format_args!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>", escaped(text)));
    }

    /// Gives the whole drawing.
    pub(super) fn finish(self) -> String {
        let Svg { body, width, height, label } = self;
        let label = escaped(&label);
        format!("<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\">{body}</svg>")
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_is_written_the_same_way_always() {
        let mut svg = Svg::new(10, 5, "a & b");
        svg.rect("x", (Tenths(15), units(0), units(3), Tenths(1)), "<hello>");
        let drawn = "<svg viewBox=\"0 0 10 5\" role=\"img\" aria-label=\"a &amp; b\"><rect class=\"x\" x=\"1.5\" y=\"0\" \
                     width=\"3\" height=\"0.1\"><title>&lt;hello&gt;</title></rect></svg>";
        assert_eq!(svg.finish(), drawn);
    }
}
