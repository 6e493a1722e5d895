//! How many tasks of each service were healthy, issued and wanted, and when it had fewer than it shall have.

use crate::check::{ServicePage, Text};
use callboard_core::machine::{Span, Time};
use callboard_core::model::Name;
use std::collections::BTreeMap;

/// How many dips of a service are kept: the longest.
const DIPS: usize = 64;

/// One service over time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceRecording {
    /// What changed, column by column; columns in which nothing changed have none.
    pub points: Vec<Point>,
    /// When it had fewer healthy tasks than wanted, after it first had all, in order.
    pub dips: Vec<Dip>,
    /// Dips that are not listed; they were shorter.
    pub more_dips: u64,
    /// When it first had all.
    pub full_at: Option<Time>,
    open: Option<Dip>,
}

/// One service in one column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// The column.
    pub column: u64,
    /// The fewest healthy tasks in it.
    pub low: u32,
    /// Healthy tasks at its end.
    pub healthy: u32,
    /// Issued tasks at its end.
    pub issued: u32,
    /// Wanted tasks at its end.
    pub wanted: u32,
    /// How many must stay healthy, at its end.
    pub min: u32,
}

/// A time with fewer healthy tasks than wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dip {
    /// From when.
    pub from: Time,
    /// Until when; `None`: still at the end.
    pub until: Option<Time>,
    /// The fewest healthy tasks.
    pub low: u32,
    /// How many were wanted then.
    pub wanted: u32,
    /// How many had to stay healthy then.
    pub min: u32,
}

impl ServiceRecording {
    fn take(&mut self, now: Time, mut point: Point) {
        match self.points.last_mut() {
            Some(last) if last.column == point.column => {
                point.low = last.low.min(point.healthy);
                *last = point;
            }
            before => {
                point.low = before.map_or(point.healthy, |last| last.healthy.min(point.healthy));
                self.points.push(point);
            }
        }
        if point.healthy >= point.wanted {
            if point.wanted > 0 {
                self.full_at = self.full_at.or(Some(now));
            }
            if let Some(dip) = self.open.take() {
                self.keep(Dip { until: Some(now), ..dip });
            }
            return;
        }
        if self.full_at.is_none() {
            return;
        }
        let fresh = Dip { from: now, until: None, low: point.healthy, wanted: point.wanted, min: point.min };
        let dip = self.open.get_or_insert(fresh);
        if point.healthy < dip.low {
            *dip = Dip { from: dip.from, ..fresh };
        }
    }

    fn keep(&mut self, dip: Dip) {
        if dip.until == Some(dip.from) {
            return;
        }
        self.dips.push(dip);
        if self.dips.len() <= DIPS {
            return;
        }
        let lasted = |dip: &Dip| dip.until.map_or(Span(u64::MAX), |until| until.since(dip.from));
        let shortest = (0..self.dips.len()).min_by_key(|index| lasted(&self.dips[*index]));
        if let Some(shortest) = shortest {
            self.dips.remove(shortest);
            self.more_dips += 1;
        }
    }

    fn end(&mut self) {
        if let Some(dip) = self.open.take() {
            self.keep(dip);
        }
    }

    /// Gives the deepest dip: the one with the smallest share of what was wanted, the first of those.
    #[must_use]
    pub fn deepest(&self) -> Option<&Dip> {
        self.dips
            .iter()
            .min_by_key(|dip| (u64::from(dip.low) * 1_000 / u64::from(dip.wanted.max(1)), dip.from))
    }

    /// Gives the point that holds in a column.
    #[must_use]
    pub fn at(&self, column: u64) -> Point {
        let next = self.points.partition_point(|point| point.column <= column);
        let Some(point) = next.checked_sub(1).map(|index| self.points[index]) else {
            return Point::default();
        };
        if point.column == column { point } else { Point { column, low: point.healthy, ..point } }
    }
}

/// All services.
#[derive(Clone, Debug)]
pub(super) struct Services {
    width: Span,
    services: BTreeMap<Name, ServiceRecording>,
    total: ServiceRecording,
    /// Sums over all services.
    sums: Point,
}

impl Services {
    pub(super) fn new(width: Span) -> Services {
        Services {
            width,
            services: BTreeMap::new(),
            total: ServiceRecording::default(),
            sums: Point::default(),
        }
    }

    pub(super) fn changed(&mut self, now: Time, service: &Text, page: &ServicePage, wanted: u32) {
        let record = page.record.as_ref();
        let column = now.0 / self.width.0;
        let point = Point {
            column,
            low: page.healthy,
            healthy: page.healthy,
            issued: u32::try_from(page.issued.len()).unwrap_or(u32::MAX),
            wanted,
            min: record.map_or(0, |record| record.floor()),
        };
        if !self.services.contains_key(service) {
            self.services.insert(service.clone(), ServiceRecording::default());
        }
        let Some(recording) = self.services.get_mut(service) else { return };
        let before = recording.points.last().copied().unwrap_or_default();
        let change = |sum: u32, before: u32, after: u32| (sum + after).saturating_sub(before);
        let sums = &mut self.sums;
        sums.healthy = change(sums.healthy, before.healthy, point.healthy);
        sums.issued = change(sums.issued, before.issued, point.issued);
        sums.wanted = change(sums.wanted, before.wanted, point.wanted);
        sums.min = change(sums.min, before.min, point.min);
        recording.take(now, point);
        self.total.take(now, Point { column, ..self.sums });
    }

    pub(super) fn end(mut self) -> (BTreeMap<Name, ServiceRecording>, ServiceRecording) {
        self.services.values_mut().for_each(ServiceRecording::end);
        self.total.end();
        (self.services, self.total)
    }
}
