//! The oracle from outside: hand-made histories, a reference written a second time, and whole cells.

mod blocks;
mod cells;
mod closed_forms;
mod compare;
mod coverage;
mod everyone;
mod exposure;
mod faults;
mod hand_made;
mod probe_effect;
mod properties;
mod rules;
mod script;

/// Whether the sizes of the full proof are wanted: `REVBENCH_THOROUGH=1`.
fn thorough() -> bool {
    std::env::var_os("REVBENCH_THOROUGH").is_some_and(|value| value == "1")
}
