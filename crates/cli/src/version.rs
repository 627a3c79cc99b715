//! Which program this is.

/// Version and commit.
pub(crate) const VERSION: &str = env!("REVBENCH_VERSION");
