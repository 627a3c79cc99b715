//! What may differ between two runs of the same program: no less than the control differs from itself.

use revbench_model::summary::{Cell, CellRole, Cost, IntervalUs, Latency, NoiseFloor, Summary};

use super::was_measured;

/// The shares by which figures as multiples of the control's may grow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shares {
    /// Of the median of latency.
    pub(super) latency_p50: f64,
    /// Of the 99th percentile of latency.
    pub(super) latency_p99: f64,
    /// Of the resource servers' CPU.
    pub(super) resource_cpu: f64,
    /// Of everything else.
    least: f64,
}

/// The difference of the control to itself, and the control's figure that it is a share of.
type Kind = (fn(&NoiseFloor) -> Option<IntervalUs>, fn(&Cell) -> Option<f64>);

const LATENCY_P50: Kind = (|floor| floor.latency_p50_us, |control| latency(control).map(|of| of.p50));
const LATENCY_P99: Kind = (|floor| floor.latency_p99_us, |control| latency(control)?.p99);
const RESOURCE_CPU: Kind =
    (|floor| floor.resource_cpu_us_per_request, |control| Some(cost(control)?.resource_cpu_us_per_request));

fn latency(control: &Cell) -> Option<Latency> {
    control.latency_us
}

fn cost(control: &Cell) -> Option<&Cost> {
    control.cost.as_ref()
}

impl Shares {
    /// `least`, or the noise floor of either run as a share of its control's figure, where that is larger
    /// (`docs/METHODOLOGY.md` §10).
    pub(super) fn of(before: &Summary, now: &Summary, least: f64) -> Shares {
        let larger =
            |kind: Kind| [before, now].iter().filter_map(|run| share(run, kind)).fold(least, f64::max);
        Shares {
            latency_p50: larger(LATENCY_P50),
            latency_p99: larger(LATENCY_P99),
            resource_cpu: larger(RESOURCE_CPU),
            least,
        }
    }

    /// Where noise, and not the policy, says how much is allowed.
    pub(super) fn notes(&self) -> Vec<String> {
        let figures = [
            (self.latency_p50, "latency p50"),
            (self.latency_p99, "latency p99"),
            (self.resource_cpu, "resource CPU per request"),
        ];
        let raised = figures.into_iter().filter(|(share, _)| *share > self.least);
        let words = |(share, name): (f64, &str)| {
            format!(
                "the control's {name} differs from itself by up to {:.0} % in one of the runs: so much is allowed there instead of {:.0} %",
                100.0 * share,
                100.0 * self.least
            )
        };
        raised.map(words).collect()
    }
}

/// The noise floor of a run, over the control's figure; the widest where scenarios have controls of their own.
fn share(run: &Summary, (floor, of): Kind) -> Option<f64> {
    let floor_us = floor(run.noise_floor.as_ref()?)?.reach();
    let controls = run.cells.iter().filter(|cell| cell.role == CellRole::Control && was_measured(cell));
    let figures = controls.filter_map(of).filter(|figure| *figure > 0.0);
    figures.reduce(f64::min).map(|figure| floor_us / figure).filter(|share| share.is_finite())
}
