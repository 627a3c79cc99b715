//! Facts in, figures out: windows as intervals, verdicts on claims, quantiles, validity.
//!
//! Everything here is a pure function of a recorded history and of counts; nothing reads a clock, a file or a
//! socket, so that every rule can be tested on hand-made histories. `docs/METHODOLOGY.md` says what each
//! figure means; its sections are named where they are implemented.

mod answers;
pub mod binomial;
pub mod blocks;
pub mod claim;
pub mod closed_form;
pub mod compare;
pub mod controls;
pub mod cost;
pub mod doubt;
pub mod environment;
pub mod evidence;
pub mod exposure;
mod fault;
mod index;
mod instance;
pub mod judge;
pub mod latency;
mod normal;
pub mod one_shot;
mod quantiles;
pub mod reach;
pub mod recovery;
pub mod rules;
pub mod signed_rank;
mod staleness;
mod student;
mod timeline;
mod two_channel;
pub mod validity;
pub mod windows;

pub use claim::{BoundFrom, ClaimedBound};
pub use doubt::{Doubt, Family};
pub use environment::Environment;
pub use exposure::HonestFate;
pub use judge::{CellQuestion, Judged, judge};
pub use latency::added_latency;
pub use reach::Reach;
pub use rules::Rules;
pub use two_channel::requests_move;
pub use windows::{Observed, Unobserved, Watch, Window, Windows, windows};
