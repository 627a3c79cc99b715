//! What the same program may differ by from one run to the next: no less than the control differs from itself.

use revbench_model::summary::{Cell, CellRole, Cost, IntervalUs, Latency, NoiseFloor, Summary};

use super::was_measured;

/// Noise floors, as multiples of the control's figure; 0 where neither run has one. The larger of the two runs'.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Noise {
    /// Of the median of latency.
    pub(super) latency_p50: f64,
    /// Of the 99th percentile of latency.
    pub(super) latency_p99: f64,
    /// Of the resource servers' CPU.
    pub(super) resource_cpu: f64,
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

impl Noise {
    /// Of two runs (`docs/METHODOLOGY.md` §10).
    pub(super) fn of(before: &Summary, now: &Summary) -> Noise {
        let larger = |kind: Kind| [before, now].iter().filter_map(|run| share(run, kind)).fold(0.0, f64::max);
        Noise {
            latency_p50: larger(LATENCY_P50),
            latency_p99: larger(LATENCY_P99),
            resource_cpu: larger(RESOURCE_CPU),
        }
    }

    /// Where noise is more than the share by which a figure may grow.
    pub(super) fn notes(&self, share: f64) -> Vec<String> {
        let figures = [
            (self.latency_p50, "latency p50"),
            (self.latency_p99, "latency p99"),
            (self.resource_cpu, "resource CPU per request"),
        ];
        let large = figures.into_iter().filter(|(noise, _)| *noise > share);
        let words = |(noise, name): (f64, &str)| {
            format!(
                "the control's {name} differs from itself by up to {:.0} % in one of the runs: what grew by less than {:.0} % and {:.2} times the control's figure raises no alarm there",
                100.0 * noise,
                100.0 * share,
                noise
            )
        };
        large.map(words).collect()
    }
}

/// The noise floor of a run, over the control's figure; the widest where scenarios have controls of their own.
fn share(run: &Summary, (floor, of): Kind) -> Option<f64> {
    let floor_us = floor(run.noise_floor.as_ref()?)?.reach();
    let controls = run.cells.iter().filter(|cell| cell.role == CellRole::Control && was_measured(cell));
    let figures = controls.filter_map(of).filter(|figure| *figure > 0.0);
    figures.reduce(f64::min).map(|figure| floor_us / figure).filter(|share| share.is_finite())
}
