//! What an apply would do, without writing anything.

use crate::change;
use crate::problem::Problem;
use crate::views::Planned;
use crate::write::Desired;
use callboard_backends::Store;
use callboard_core::config::{Configuration, Sourced};

/// Rehearses an apply.
pub(crate) async fn plan(store: &dyn Store, wanted: &Sourced<Configuration>) -> Result<Planned, Problem> {
    let desired = Desired::fetch(store).await?;
    let writes = desired.writes(wanted)?;
    Ok(Planned { applied: change::summary(&desired.stored, &writes), ..Planned::default() })
}
