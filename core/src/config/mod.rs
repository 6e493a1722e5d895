//! Reads configurations (under construction).
