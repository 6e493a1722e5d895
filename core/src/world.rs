//! The mirror of the store and the indexes over it that make planning cheap (under construction).

/// All a scheduler knows.
#[derive(Clone, Debug, Default)]
pub struct World {}
