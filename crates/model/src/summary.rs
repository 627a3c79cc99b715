//! `summary.json`: versioned, and it only grows. What cannot be supported is `null`.

mod cell;
mod claim;
mod cost;
mod cross_checks;
mod detail;
mod exposure;
mod fault;
mod load;
mod must_run;
mod recovery;
mod run;
mod scraped;
mod staleness;

pub use cell::{Cell, CellRole, Outcome, Validity, Verdict};
pub use claim::{Claim, ClaimVerdict, Evidence, Predicted};
pub use cost::{Cost, UnitCosts};
pub use cross_checks::{Band, MeanBracket, NoVerdict, OneShot, OneShotPoint, ShareInterval, TwoChannel};
pub use detail::{
    BlockCost, BlockFigures, BlockLatency, CellDetail, ChangeWindow, CurvePoint, QuantilePoint, Timeline,
    TimelineAnswer,
};
pub use exposure::{Answers, Exposure, GatedScreens, StatusClasses};
pub use fault::{FaultPhase, UnderFault};
pub use load::{AddedLatency, Latency, Rate};
pub use must_run::MustRun;
pub use recovery::Recovery;
pub use run::{IntervalUs, Machine, NoiseFloor, PLAIN_TRANSPORT, RoundTrip, SCHEMA, Store, Summary};
pub use scraped::Scraped;
pub use staleness::{
    ClientVisible, InstanceStaleness, IntervalMs, OtherSession, QuantilesMs, SeenBy, Staleness,
};

fn one() -> u32 {
    1
}

/// Before it could be chosen, there was nothing else.
fn plain() -> String {
    PLAIN_TRANSPORT.to_owned()
}
