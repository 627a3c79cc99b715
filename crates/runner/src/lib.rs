//! A run: plan, blocks, processes, pinning, run directory.
