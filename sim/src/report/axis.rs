//! Time, from left to right: every drawing has the same.

use super::svg::{Svg, Tenths, units};
use callboard_core::machine::{Span, Time};

/// How wide a drawing is.
pub(super) const WIDTH: u64 = 1_000;
/// Where time begins.
pub(super) const LEFT: u64 = 86;
/// Where it ends.
const RIGHT: u64 = 990;
/// How high the words below an axis are.
pub(super) const TICKS: u64 = 18;

/// Time from left to right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    duration: u64,
    /// How long a column is.
    pub(super) column: Span,
}

impl Axis {
    pub(super) fn new(duration: Span, column: Span) -> Axis {
        Axis { duration: duration.0.max(1), column }
    }

    /// Gives the place of a moment.
    pub(super) fn x(&self, at: Time) -> Tenths {
        let at = at.0.min(self.duration);
        Tenths(LEFT * 10 + at * (RIGHT - LEFT) * 10 / self.duration)
    }

    /// Gives the place where a column begins.
    pub(super) fn column(&self, column: u64) -> Tenths {
        self.x(self.begins(column))
    }

    /// Gives when a column begins.
    pub(super) fn begins(&self, column: u64) -> Time {
        Time((column * self.column.0).min(self.duration))
    }

    /// Gives where time ends.
    pub(super) fn end(&self) -> Tenths {
        units(RIGHT)
    }

    /// Draws lines at round times from top to bottom, and the times below.
    pub(super) fn ticks(&self, svg: &mut Svg, top: u64, bottom: u64) {
        const STEPS: [u64; 16] =
            [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 86_400];
        let fits = |step: &&u64| self.duration / (**step * 1_000) <= 12;
        let step = STEPS.iter().find(fits).map_or(self.duration.div_ceil(12), |step| step * 1_000);
        for number in 0..=self.duration / step {
            let x = self.x(Time(number * step));
            svg.line("grid", (x, units(top)), (x, units(bottom)));
            // What stands at the very end stands before it.
            let class = if x.0 + 120 > WIDTH * 10 { "tick end" } else { "tick mid" };
            svg.text(class, (x, units(bottom + 13)), &Span(number * step).to_string());
        }
    }
}
