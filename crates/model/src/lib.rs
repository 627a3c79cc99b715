//! The words and the file formats of revbench; no IO, no clock.
//!
//! Every other crate speaks in these types. A file format (scenario, history, summary) is one module; its
//! serde names are the names on disk. See `docs/GLOSSARY.md` for the words.

pub mod calibration;
pub mod change;
pub mod claims;
pub mod counters;
pub mod decision;
pub mod distribution;
pub mod duration;
pub mod event;
pub mod fault;
mod histogram;
pub mod ids;
pub mod parameters;
pub mod problem;
pub mod prose;
mod reading;
pub mod scenario;
pub mod settings;
pub mod summary;
pub mod sweep;
pub mod target;
pub mod target_file;
pub mod time;

pub use change::{Attacker, Change, ChangeActor, Orientation, Scope, ScopeKind};
pub use claims::Claims;
pub use decision::{DecisionClass, Reason};
pub use distribution::Distribution;
pub use fault::Fault;
pub use ids::{Issuer, Jti, Permission, SessionId, SubjectId};
pub use problem::Problem;
pub use scenario::Scenario;
pub use settings::Settings;
pub use sweep::{Point, Sweep};
pub use time::Now;
