//! The oracle from outside: hand-made histories, a reference written a second time, and whole cells.

mod cells;
mod hand_made;
mod properties;
mod script;
