//! Were requests sent when they were due? The distance between the distributions of due and actual gaps, and how
//! often the driver's thread lost its core. Due is the planned instant, or the later one at which a connection was
//! free: waiting for one is latency and no fault of the driver.

/// Pairs kept per slice: some thousand tell the distance, and a long run must not grow without bound.
pub(crate) const KEPT: usize = 1 << 16;

/// Fewer pairs say nothing about a distribution to 0.02.
const FEWEST: usize = 1_000;

/// Gaps that differ by less are the same: to write a request takes 5 to 10 µs, so that two due closer than that
/// cannot leave closer, and at high rates they are many.
const SAME_NS: u64 = 20_000;

/// Due and actual send of each request, as they came.
#[derive(Debug, Default)]
pub(crate) struct Sends {
    due_ns: Vec<u64>,
    sent_ns: Vec<u64>,
}

impl Sends {
    /// With room for as many as are kept, so that the timed loop never waits for memory.
    pub(crate) fn with_room() -> Sends {
        Sends { due_ns: Vec::with_capacity(KEPT), sent_ns: Vec::with_capacity(KEPT) }
    }

    /// Notes one, in any order.
    #[inline]
    pub(crate) fn note(&mut self, due_ns: u64, sent_ns: u64) {
        if self.due_ns.len() < KEPT {
            self.due_ns.push(due_ns);
            self.sent_ns.push(sent_ns);
        }
    }

    /// Largest difference between the distributions of due and actual gaps, gaps within [`SAME_NS`] of each
    /// other counted as the same; `None` for too few.
    pub(crate) fn distance(&mut self) -> Option<f64> {
        if self.due_ns.len() < FEWEST {
            return None;
        }
        let (due, sent) = (gaps(&mut self.due_ns), gaps(&mut self.sent_ns));
        Some(beyond(&due, &sent).max(beyond(&sent, &due)))
    }
}

/// Sorted gaps between instants.
fn gaps(instants_ns: &mut [u64]) -> Vec<u64> {
    instants_ns.sort_unstable();
    let mut gaps: Vec<u64> = instants_ns.windows(2).map(|pair| pair[1] - pair[0]).collect();
    gaps.sort_unstable();
    gaps
}

/// The most by which the share of `a` up to x exceeds that of `b` up to x + [`SAME_NS`]. Largest at a value of `a`.
fn beyond(a: &[u64], b: &[u64]) -> f64 {
    let mut at = 0;
    let over = a.iter().enumerate().map(|(before, &gap_ns)| {
        while at < b.len() && b[at] <= gap_ns + SAME_NS {
            at += 1;
        }
        (before + 1) as f64 / a.len() as f64 - at as f64 / b.len() as f64
    });
    over.fold(0.0, f64::max)
}

/// How often the calling thread was taken off its core against its will so far; 0 where the system does not say.
pub(crate) fn preemptions() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let count = status.lines().find_map(|line| line.strip_prefix("nonvoluntary_ctxt_switches:"));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Instants, Stream, rng};

    const SECOND: u64 = 1_000_000_000;

    /// The distance for a Poisson plan at `rate_per_s`, sent as `sent` makes of it.
    fn distance(rate_per_s: f64, mut sent: impl FnMut(u64) -> u64) -> f64 {
        let mut sends = Sends::with_room();
        for due_ns in Instants::poisson(rate_per_s, 0, 4 * SECOND, rng(5, Stream::Crowd, 0)) {
            sends.note(due_ns, sent(due_ns));
        }
        sends.distance().expect("enough requests")
    }

    #[test]
    fn a_driver_that_keeps_to_its_plan_is_near_it() {
        assert_eq!(distance(2_000.0, |due_ns| due_ns), 0.0);
        // Always as late, or by up to 25 µs in no order: the gaps are the planned ones as far as anyone can tell.
        assert_eq!(distance(2_000.0, |due_ns| due_ns + 90_000), 0.0);
        let mut turn = 0;
        let jittered = distance(2_000.0, |due_ns| {
            turn = (turn + 17) % 25;
            due_ns + turn * 1_000
        });
        assert!(jittered < 0.01, "{jittered}");
        // One request after the other, 5 µs each.
        let mut free_ns = 0;
        let serial = distance(10_000.0, |due_ns| {
            free_ns = due_ns.max(free_ns + 5_000);
            free_ns
        });
        assert!(serial < 0.01, "{serial}");
    }

    #[test]
    fn a_driver_that_sends_by_the_millisecond_is_far_from_its_plan() {
        let ticks = distance(2_000.0, |due_ns| due_ns.next_multiple_of(1_000_000));
        assert!(ticks > 0.3, "{ticks}");
        // A tenth of the time in a stall.
        let stalls = distance(2_000.0, |due_ns| {
            let into = due_ns % (SECOND / 10);
            if into < SECOND / 100 { due_ns - into + SECOND / 100 } else { due_ns }
        });
        assert!(stalls > 0.02, "{stalls}");
    }

    #[test]
    fn too_few_requests_say_nothing_and_too_many_are_not_kept() {
        let mut sends = Sends::with_room();
        (0..999).for_each(|k| sends.note(k, k));
        assert_eq!(sends.distance(), None);
        (0..2 * KEPT as u64).for_each(|k| sends.note(k, k));
        assert_eq!(sends.due_ns.len(), KEPT);
    }

    #[test]
    fn the_system_counts_preemptions() {
        let before = preemptions();
        assert!(preemptions() >= before);
        let status = std::fs::read_to_string("/proc/thread-self/status").expect("this is Linux");
        assert!(status.contains("nonvoluntary_ctxt_switches:"));
    }
}
