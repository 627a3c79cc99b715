//! Answers that are matched to the wrong requests, as a client does that shares a connection and trusts in order.

use revbench_model::event::{History, Purpose, RequestRecord};

/// The same history where requests that were under way together at an instance have each other's answers, in pairs.
pub(super) fn answers_swapped(history: &History) -> History {
    let mut swapped = history.clone();
    for instance in 0..history.instances {
        let mut asked: Vec<usize> =
            (0..history.requests.len()).filter(|&at| is_at(&history.requests[at], instance)).collect();
        asked.sort_by_key(|&at| history.requests[at].sent_ns);
        let mut next = asked.into_iter().peekable();
        while let Some(first) = next.next() {
            let end_ns = history.requests[first].received_ns;
            if let Some(second) = next.next_if(|&second| history.requests[second].sent_ns < end_ns) {
                answer(&mut swapped.requests[first], &history.requests[second]);
                answer(&mut swapped.requests[second], &history.requests[first]);
            }
        }
    }
    swapped
}

fn is_at(request: &RequestRecord, instance: u16) -> bool {
    request.instance == instance && request.purpose != Purpose::Refresh
}

fn answer(request: &mut RequestRecord, by: &RequestRecord) {
    request.received_ns = by.received_ns;
    request.decision = by.decision;
    request.status = by.status;
}

#[cfg(test)]
mod tests {
    use revbench_model::DecisionClass::{self, Allow, Deny, Error};
    use revbench_model::event::SessionRole;

    use super::*;

    #[test]
    fn only_what_is_under_way_together_at_one_instance_is_swapped() {
        let request = |instance, sent_ns, received_ns, decision| RequestRecord {
            subject: 0,
            session: SessionRole::Pinned,
            purpose: Purpose::Probe,
            instance,
            intended_ns: sent_ns,
            sent_ns,
            received_ns,
            decision,
            status: 0,
            write: false,
        };
        let rows = |rows: &[(u16, u64, u64, DecisionClass)]| History {
            instances: 2,
            requests: rows.iter().map(|&(at, sent, came, answer)| request(at, sent, came, answer)).collect(),
            ..History::default()
        };
        let check = |before: &[(u16, u64, u64, DecisionClass)], after| {
            assert_eq!(answers_swapped(&rows(before)), rows(after));
        };
        check(&[(0, 1, 4, Allow), (0, 2, 5, Deny)], &[(0, 1, 5, Deny), (0, 2, 4, Allow)]);
        check(&[(0, 1, 4, Allow), (1, 2, 5, Deny)], &[(0, 1, 4, Allow), (1, 2, 5, Deny)]);
        check(&[(0, 1, 4, Allow), (0, 4, 5, Deny)], &[(0, 1, 4, Allow), (0, 4, 5, Deny)]);
        check(
            &[(0, 3, 6, Error), (0, 1, 4, Allow), (0, 2, 5, Deny)],
            &[(0, 3, 6, Error), (0, 1, 5, Deny), (0, 2, 4, Allow)],
        );
    }
}
