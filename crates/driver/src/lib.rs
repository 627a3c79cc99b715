//! Open-loop load over HTTP, changes and probes; writes a history.

pub mod plan;
