//! What became of requests by status, and what a client that gates its screens by its token shows meanwhile.

use std::collections::BTreeMap;

use revbench_model::event::{
    ChangeOutcome, ChangeRecord, History, Load, Purpose, RequestRecord, SessionRole, SubjectRole, TokenRecord,
};
use revbench_model::summary::{Answers, GatedScreens, StatusClasses};
use revbench_model::time::ns_to_ms;
use revbench_model::{DecisionClass, Orientation};

use crate::index::Index;
use crate::latency::measured_kind;

/// Answers by status (`docs/METHODOLOGY.md` §6).
pub(crate) fn answers(index: &Index<'_>, scenario: u16, orientation: Orientation, loads: &[Load]) -> Answers {
    let mut answers = Answers::default();
    for (request, _) in after_change(index, scenario, orientation) {
        let classes = match request.session {
            SessionRole::Pinned => &mut answers.pinned_after_change,
            SessionRole::Honest => &mut answers.honest_after_change,
        };
        // A status that names the wrong instance, say, is no answer.
        let is_readable = request.decision != DecisionClass::Error || request.status >= 300;
        count(classes, if is_readable { request.status } else { 0 }, 1);
    }
    answers.throttled = loads.iter().map(|load| load.throttled).sum();
    let kind = measured_kind(loads);
    let measured = loads.iter().filter(|load| load.slice.kind == kind);
    for (&status, &number) in measured.flat_map(|load| &load.statuses) {
        count(&mut answers.all, status, number);
    }
    answers
}

fn count(classes: &mut StatusClasses, status: u16, number: u64) {
    let class = match status {
        200..300 => &mut classes.served,
        401 => &mut classes.unauthenticated,
        403 => &mut classes.forbidden,
        503 => &mut classes.unavailable,
        _ => &mut classes.other,
    };
    *class += number;
}

/// Background requests of changed subjects, probed or not, sent after their change was acknowledged.
fn after_change<'a>(
    index: &'a Index<'a>,
    scenario: u16,
    orientation: Orientation,
) -> impl Iterator<Item = (&'a RequestRecord, &'a ChangeRecord)> {
    const CHANGED: &[SubjectRole] = &[SubjectRole::Treated, SubjectRole::Unprobed];
    let changes = index.changes(scenario, orientation, CHANGED);
    changes.filter(|(_, change)| change.outcome == ChangeOutcome::Ok).flat_map(|(position, change)| {
        let until_ns = index.next_submission_ns(position);
        let is_after = move |request: &&RequestRecord| {
            request.purpose == Purpose::Background
                && request.sent_ns > change.acknowledged_ns
                && request.received_ns < until_ns
        };
        index.requests(change.subject).filter(is_after).map(move |request| (request, change))
    })
}

/// What an honest client shows that goes by its token (`docs/METHODOLOGY.md` §6). `None` where no token that was in use
/// names permissions.
pub(crate) fn gated_screens(
    index: &Index<'_>,
    scenario: u16,
    orientation: Orientation,
) -> Option<GatedScreens> {
    let tokens = Tokens::new(index.history);
    let mut gated = GatedScreens::default();
    for (request, change) in after_change(index, scenario, orientation) {
        let is_decision = matches!(request.decision, DecisionClass::Allow | DecisionClass::Deny);
        if request.session != SessionRole::Honest || !is_decision {
            continue;
        }
        let Some(shown) = tokens.shown(request) else { continue };
        gated.compared += 1;
        let allowed = request.decision == DecisionClass::Allow;
        gated.shown_but_refused += u64::from(shown && !allowed);
        gated.allowed_but_hidden += u64::from(!shown && allowed);
        if shown != allowed {
            let after_ms = ns_to_ms(request.sent_ns - change.acknowledged_ns);
            gated.last_after_ms = Some(gated.last_after_ms.map_or(after_ms, |last| last.max(after_ms)));
        }
    }
    (gated.compared > 0).then_some(gated)
}

/// The tokens of each honest session, in order of receipt.
struct Tokens<'a>(BTreeMap<u32, Vec<&'a TokenRecord>>);

impl<'a> Tokens<'a> {
    fn new(history: &'a History) -> Tokens<'a> {
        let mut tokens: BTreeMap<u32, Vec<&TokenRecord>> = BTreeMap::new();
        for token in history.tokens.iter().filter(|token| token.session == SessionRole::Honest) {
            tokens.entry(token.subject).or_default().push(token);
        }
        Tokens(tokens)
    }

    /// Does the token that a request was sent with name what it asks for?
    fn shown(&self, request: &RequestRecord) -> Option<bool> {
        let own = self.0.get(&request.subject)?;
        let came = own.partition_point(|token| token.received_ns <= request.sent_ns);
        own[came.checked_sub(1)?].shown
    }
}

#[cfg(test)]
mod tests {
    use revbench_model::event::{Slice, SliceKind, SubjectRecord};

    use super::*;

    const ACK_NS: u64 = 100;

    /// One subject whose role is taken away at 100; each request: when sent, status, session.
    fn history(requests: &[(u64, u16, SessionRole)], tokens: &[(u64, Option<bool>)]) -> History {
        let class = |status| match status {
            200 => DecisionClass::Allow,
            403 => DecisionClass::Deny,
            401 => DecisionClass::Reauthenticate,
            _ => DecisionClass::Error,
        };
        let request = |&(sent_ns, status, session): &(u64, u16, SessionRole)| RequestRecord {
            subject: 0,
            session,
            purpose: Purpose::Background,
            instance: 0,
            intended_ns: sent_ns,
            sent_ns,
            received_ns: sent_ns + 1,
            decision: class(status),
            status,
            write: false,
        };
        let token = |&(received_ns, shown): &(u64, Option<bool>)| TokenRecord {
            subject: 0,
            session: SessionRole::Honest,
            received_ns,
            shown,
        };
        History {
            instances: 1,
            subjects: vec![SubjectRecord { id: "ann".into(), scenario: 0, role: SubjectRole::Treated }],
            changes: vec![ChangeRecord {
                subject: 0,
                orientation: Orientation::Revoke,
                intended_ns: 90,
                submitted_ns: 90,
                acknowledged_ns: ACK_NS,
                outcome: ChangeOutcome::Ok,
            }],
            requests: requests.iter().map(request).collect(),
            tokens: tokens.iter().map(token).collect(),
            ..History::default()
        }
    }

    #[test]
    fn every_status_has_its_class_and_its_session() {
        use SessionRole::{Honest, Pinned};
        let requests = [
            (ACK_NS, 200, Pinned),
            (101, 200, Pinned),
            (102, 401, Pinned),
            (103, 403, Honest),
            (104, 503, Honest),
            (105, 0, Honest),
            (106, 429, Honest),
        ];
        let history = history(&requests, &[]);
        let mut load = Load::new(Slice { kind: SliceKind::Background, start_ns: 0, end_ns: 1 });
        load.statuses = BTreeMap::from([(200, 7), (204, 1), (401, 2), (503, 3), (0, 1)]);
        let dense = Load { slice: Slice { kind: SliceKind::Dense, ..load.slice }, ..load.clone() };
        let answers = answers(&Index::new(&history), 0, Orientation::Revoke, &[load, dense]);
        let one = StatusClasses::default();
        assert_eq!(answers.pinned_after_change, StatusClasses { served: 1, unauthenticated: 1, ..one });
        assert_eq!(
            answers.honest_after_change,
            StatusClasses { forbidden: 1, unavailable: 1, other: 2, ..one }
        );
        assert_eq!(
            answers.all,
            StatusClasses { served: 8, unauthenticated: 2, unavailable: 3, other: 1, ..one }
        );
    }

    #[test]
    fn screens_follow_the_token_that_was_in_use() {
        use SessionRole::{Honest, Pinned};
        let check = |requests: &[(u64, u16, SessionRole)], tokens: &[(u64, Option<bool>)], expected| {
            let history = history(requests, tokens);
            let gated = gated_screens(&Index::new(&history), 0, Orientation::Revoke);
            let figures =
                gated.map(|g| (g.compared, g.shown_but_refused, g.allowed_but_hidden, g.last_after_ms));
            assert_eq!(figures, expected, "{requests:?} {tokens:?}");
        };
        let renewed = [(0, Some(true)), (110, Some(false))];
        check(&[(105, 403, Honest), (120, 403, Honest)], &renewed, Some((2, 1, 0, Some(5e-6))));
        check(&[(105, 200, Honest), (120, 200, Honest)], &renewed, Some((2, 0, 1, Some(20e-6))));
        // Told to renew, an error, the attacker's own request and one from before: nothing to compare.
        check(
            &[(105, 401, Honest), (106, 503, Honest), (107, 200, Pinned), (99, 403, Honest)],
            &renewed,
            None,
        );
        // A token without permissions gates nothing, and neither does a history without tokens.
        check(&[(105, 403, Honest)], &[(0, None)], None);
        check(&[(105, 403, Honest)], &[], None);
    }
}
