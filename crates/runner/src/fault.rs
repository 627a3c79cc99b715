//! A fault of a run: when it is planned, and putting it into a fleet at that instant.

use revbench_model::Fault;
use revbench_model::event::{FaultRecord, Slice, SliceKind};
use revbench_model::scenario::{Lasts, PlannedFault, Scenario};
use revbench_model::time::ms_to_ns;

use crate::clock;
use crate::fleet::{Broken, Fleet, FleetError};

/// What starting a process again is expected to take, ms; the fact is measured.
const RESTART_MS: f64 = 300.0;
/// Shortest stretch of changes after a fault, ms: the time in which one recovers.
const LEAST_AFTER_MS: f64 = 800.0;

/// The fault of a fleet, which is asked no other question.
#[derive(Clone, Debug, PartialEq)]
pub struct FleetFault {
    /// The scenario's name.
    pub scenario: String,
    /// As the scenario has it.
    pub planned: PlannedFault,
    /// How long it is expected to last, ms; 0 for a skewed clock, which never begins.
    pub lasts_ms: f64,
}

impl FleetFault {
    /// A scenario's fault at a backstop.
    pub(crate) fn of(scenario: &Scenario, backstop_ms: u64) -> Option<FleetFault> {
        let planned = scenario.fault?;
        let lasts_ms = match planned.lasts {
            Lasts::Restart => RESTART_MS,
            Lasts::Always => 0.0,
            Lasts::Ms(_) | Lasts::Backstops(_) => planned.lasts_ms(backstop_ms as f64).unwrap_or_default(),
        };
        Some(FleetFault { scenario: scenario.name.clone(), planned, lasts_ms })
    }

    /// The stretches before, in and after it, ms; each gets its share of the changes. One stretch for a skewed clock.
    pub(crate) fn stretches_ms(&self) -> Vec<f64> {
        match self.planned.lasts {
            Lasts::Always => vec![self.planned.at_ms + LEAST_AFTER_MS],
            _ => vec![self.planned.at_ms, self.lasts_ms, self.planned.at_ms.max(LEAST_AFTER_MS)],
        }
    }

    /// All stretches, seconds: the least that changes are spread over.
    pub(crate) fn dense_s(&self) -> f64 {
        self.stretches_ms().iter().sum::<f64>() / 1_000.0
    }

    /// The stretch of the dense slice, from and to, in which the nth change is made: the same number in each.
    pub(crate) fn stretch_ns(&self, dense: &Slice, number: u32) -> (u64, u64) {
        let stretches = self.stretches_ms();
        let at = number as usize % stretches.len();
        let from_ns = dense.start_ns + ms_to_ns(stretches[..at].iter().sum());
        let is_last = at + 1 == stretches.len();
        let to_ns = if is_last { dense.end_ns } else { from_ns + ms_to_ns(stretches[at]) };
        (from_ns.min(dense.end_ns - 1), to_ns.clamp(from_ns + 1, dense.end_ns))
    }
}

/// A fault that is put into a running fleet and taken out again.
pub(crate) struct Injection {
    planned: PlannedFault,
    /// When it is due, ns since the start of the first slice.
    at_ns: u64,
    /// How long it lasts, unless it is over by itself.
    lasts_ns: u64,
    began_ns: Option<u64>,
    healed_ns: Option<u64>,
}

impl Injection {
    /// Of a fleet's fault; `None` where it has none, or no changes to be disturbed.
    pub(crate) fn new(fault: Option<&FleetFault>, slices: &[Slice]) -> Option<Injection> {
        let (fault, dense) = (fault?, slices.iter().find(|slice| slice.kind == SliceKind::Dense)?);
        let planned = fault.planned;
        let is_always = planned.lasts == Lasts::Always;
        Some(Injection {
            planned,
            at_ns: dense.start_ns + ms_to_ns(planned.at_ms),
            lasts_ns: ms_to_ns(fault.lasts_ms),
            began_ns: is_always.then_some(0),
            healed_ns: None,
        })
    }

    /// Does what is due; gives the instant at which something is next, CLOCK_MONOTONIC ns.
    ///
    /// # Errors
    /// The fleet cannot be broken or mended.
    pub(crate) fn turn(&mut self, fleet: &mut Fleet<'_>, zero_ns: u64) -> Result<u64, FleetError> {
        let now_ns = || clock::mono_ns().saturating_sub(zero_ns);
        let mends_at_ns = |began_ns: u64| began_ns + self.lasts_ns;
        match (self.began_ns, self.healed_ns) {
            _ if self.planned.lasts == Lasts::Always => Ok(u64::MAX),
            (None, _) if now_ns() < self.at_ns => Ok(zero_ns + self.at_ns),
            (None, _) => {
                let began_ns = now_ns();
                self.began_ns = Some(began_ns);
                if fleet.break_down(&self.planned)? == Broken::AndWhole {
                    self.healed_ns = Some(now_ns());
                    return Ok(u64::MAX);
                }
                Ok(zero_ns + mends_at_ns(began_ns))
            }
            (Some(began_ns), None) if now_ns() < mends_at_ns(began_ns) => Ok(zero_ns + mends_at_ns(began_ns)),
            (Some(_), None) => {
                fleet.mend(&self.planned)?;
                self.healed_ns = Some(now_ns());
                Ok(u64::MAX)
            }
            (Some(_), Some(_)) => Ok(u64::MAX),
        }
    }

    /// What was done when; nothing where it never began.
    pub(crate) fn record(&self) -> Option<FaultRecord> {
        let about_one = matches!(self.planned.kind, Fault::InstanceRestartsCold | Fault::ClockSkew);
        Some(FaultRecord {
            kind: self.planned.kind,
            block_zero_ns: 0,
            began_ns: self.began_ns?,
            healed_ns: self.healed_ns,
            instances: if about_one { vec![0] } else { Vec::new() },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(kind: Fault, lasts: Lasts) -> FleetFault {
        let planned = PlannedFault { kind, at_ms: 1_000.0, lasts, slow_by_ms: None, skew_ms: None };
        let lasts_ms = planned.lasts_ms(600.0).unwrap_or_default();
        FleetFault { scenario: "s".to_owned(), planned, lasts_ms }
    }

    #[test]
    fn a_third_of_the_changes_is_made_before_in_and_after_it() {
        const MS: u64 = 1_000_000;
        let dense = Slice { kind: SliceKind::Dense, start_ns: 5_000 * MS, end_ns: 7_600 * MS };
        let down = fault(Fault::StoreDown, Lasts::Ms(500.0));
        let stretches: Vec<(u64, u64)> = (0..4).map(|number| down.stretch_ns(&dense, number)).collect();
        let ms = |from: u64, to: u64| (from * MS, to * MS);
        assert_eq!(stretches, [ms(5_000, 6_000), ms(6_000, 6_500), ms(6_500, 7_600), ms(5_000, 6_000)]);
        assert_eq!(down.dense_s(), 2.5);
        let skew = fault(Fault::ClockSkew, Lasts::Always);
        assert_eq!(
            (0..2).map(|number| skew.stretch_ns(&dense, number)).collect::<Vec<_>>(),
            [ms(5_000, 7_600); 2]
        );
    }

    #[test]
    fn what_never_began_is_no_fact_and_a_skewed_clock_always_has() {
        let slices = [Slice { kind: SliceKind::Dense, start_ns: 5, end_ns: 9 }];
        let of = |fault: FleetFault| Injection::new(Some(&fault), &slices).expect("changes").record();
        assert_eq!(of(fault(Fault::StoreDown, Lasts::Ms(500.0))), None);
        let skewed = of(fault(Fault::ClockSkew, Lasts::Always)).expect("it began before the run");
        assert_eq!((skewed.began_ns, skewed.healed_ns, skewed.instances), (0, None, vec![0]));
        assert!(Injection::new(Some(&fault(Fault::StoreDown, Lasts::Ms(1.0))), &[]).is_none());
    }
}
