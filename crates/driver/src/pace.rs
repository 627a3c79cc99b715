//! What is never exceeded: sends are at least one gap apart, so that no second, wherever it begins, has more of them than
//! it may. A leaky bucket that holds a single drop: time in which nothing was sent is not saved up. Pure.

/// Sends at least one gap apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pace {
    gap_ns: u64,
    /// From when on the next may be sent.
    open_ns: u64,
}

impl Pace {
    /// `None` for 0, which is no limit.
    fn new(per_s: f64) -> Option<Pace> {
        (per_s > 0.0).then(|| Pace { gap_ns: (1e9 / per_s).ceil() as u64, open_ns: 0 })
    }

    fn sent(&mut self, at_ns: u64) {
        self.open_ns = at_ns.saturating_add(self.gap_ns);
    }
}

/// The pace of everything together, and those of lanes beside it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paces {
    all: Option<Pace>,
    lanes: Vec<(u16, Pace)>,
}

impl Paces {
    /// Is nothing ever held back?
    #[inline]
    pub(crate) fn are_off(&self) -> bool {
        self.all.is_none() && self.lanes.is_empty()
    }

    /// At most so many sends per second on all lanes together; 0 is no limit.
    pub(crate) fn limit_all(&mut self, per_s: f64) {
        self.all = Pace::new(per_s);
    }

    /// At most so many sends per second on this lane; 0 is no limit. A limit that stands already goes on from its last send.
    pub(crate) fn limit_lane(&mut self, lane: u16, per_s: f64) {
        let open_ns = self.lanes.iter().find(|(paced, _)| *paced == lane).map_or(0, |(_, pace)| pace.open_ns);
        self.lanes.retain(|(paced, _)| *paced != lane);
        self.lanes.extend(Pace::new(per_s).map(|pace| (lane, Pace { open_ns, ..pace })));
    }

    /// From when on the next request of a lane may be sent.
    pub(crate) fn open_ns(&self, lane: u16) -> u64 {
        let of_lane = self.lanes.iter().filter(|(paced, _)| *paced == lane).map(|(_, pace)| pace);
        self.all.iter().chain(of_lane).map(|pace| pace.open_ns).max().unwrap_or(0)
    }

    /// A request of a lane was sent.
    pub(crate) fn sent(&mut self, lane: u16, at_ns: u64) {
        let of_lane = self.lanes.iter_mut().filter(|(paced, _)| *paced == lane).map(|(_, pace)| pace);
        for pace in self.all.as_mut().into_iter().chain(of_lane) {
            pace.sent(at_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_lane_keeps_its_own_pace_and_that_of_all() {
        let mut paces = Paces::default();
        assert!(paces.are_off());
        paces.limit_all(1_000.0);
        paces.limit_lane(3, 10.0);
        paces.sent(3, 5);
        assert_eq!((paces.open_ns(0), paces.open_ns(3)), (1_000_005, 100_000_005));
        paces.sent(0, 200_000_000);
        assert_eq!((paces.open_ns(0), paces.open_ns(3)), (201_000_000, 201_000_000));
        paces.limit_lane(4, 1.0);
        paces.limit_lane(3, 10.0);
        paces.sent(3, 300_000_000);
        paces.limit_lane(3, 5.0);
        assert_eq!(paces.open_ns(3), 400_000_000, "the last send counts on");
        paces.limit_lane(3, 0.0);
        paces.limit_lane(4, 0.0);
        paces.limit_all(0.0);
        assert!(paces.are_off() && paces.open_ns(3) == 0);
    }

    proptest! {
        /// However long nothing was to be sent, no second has more than its share.
        #[test]
        fn no_second_has_too_many(
            per_s in 1_u32..500,
            pauses_ns in proptest::collection::vec(0_u64..20_000_000, 1..2_000),
        ) {
            let mut paces = Paces::default();
            paces.limit_all(f64::from(per_s));
            let (mut now_ns, mut sent_ns) = (0_u64, Vec::new());
            for pause_ns in pauses_ns {
                now_ns = (now_ns + pause_ns).max(paces.open_ns(0));
                paces.sent(0, now_ns);
                sent_ns.push(now_ns);
            }
            for (at, begins_ns) in sent_ns.iter().enumerate() {
                let in_second = sent_ns[at..].partition_point(|ns| *ns < begins_ns + 1_000_000_000);
                prop_assert!(in_second <= per_s as usize, "{in_second} of {per_s}");
            }
        }
    }
}
