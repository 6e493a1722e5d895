//! How much better one host is than another for a task, as one number that people can weigh: percent, by the first figure
//! in which the two differ.

use super::merit::Merit;
use super::search::Total;
use crate::model::Policy;

/// Says how much better a host is than a worse one. Nothing where only names or turns tell them apart, and where the policy
/// packs: which hosts are worth emptying, no single task can say.
pub(super) fn gain(policy: Policy, (levels, merit): &Total, (better_levels, better): &Total) -> u32 {
    if let Some((more, less)) = levels.iter().zip(better_levels).find(|(more, less)| more != less) {
        return less_by(*more, *less);
    }
    let crowd = |merit: &Merit| u64::from(merit.crowd_first) + 1;
    if merit.crowd_first != better.crowd_first {
        return less_by(crowd(merit), crowd(better));
    }
    if merit.against != better.against {
        let points = merit.against.saturating_sub(better.against).clamp(0, 100);
        return u32::try_from(points).unwrap_or(0);
    }
    let ([first, load, _], [better_first, better_load, _]) = (merit.figures, better.figures);
    // Loads are in tenths of a percent.
    let of_load = u32::try_from(load.saturating_sub(better_load) / 10).unwrap_or(0);
    match policy {
        Policy::Spread if first != better_first => less_by(first + 1, better_first + 1),
        Policy::EPvm if first != better_first => less_by(first, better_first),
        Policy::Spread | Policy::EPvm => of_load,
        Policy::Binpack | Policy::RoundRobin => 0,
    }
}

/// Says how much less one figure is than another, percent.
fn less_by(more: u64, less: u64) -> u32 {
    let share = u128::from(more.saturating_sub(less)) * 100 / u128::from(more.max(1));
    u32::try_from(share).unwrap_or(0)
}
