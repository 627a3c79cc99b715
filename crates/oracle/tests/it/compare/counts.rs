//! What is counted or claimed.

use super::*;

#[test]
fn a_run_against_itself_holds_and_a_single_run_leaves_its_times_open() {
    let same = changed(&run(), |_| ());
    assert_eq!(regressed(&same), Vec::<String>::new());
    assert!(same.rows.iter().any(|row| row.kind == Kind::Exact));
    for row in &same.rows {
        let single = row.kind == Kind::Timing && !row.metric.key.starts_with("staleness");
        let expected = if single { Finding::Inconclusive } else { Finding::Holds };
        assert_eq!(row.finding, expected, "{row:?}");
        assert_eq!(single, row.why.contains("--profile full"), "{row:?}");
    }
    let same = changed(&blocks(0.02), |_| ());
    assert!(same.rows.iter().all(|row| row.finding == Finding::Holds), "{:#?}", same.rows);
}

#[test]
fn counts_alarm_from_one_more_per_request_on_and_never_within_a_slices_edge() {
    let exact = |store_ops: f64, expected: Finding| {
        let found = changed(&run(), |now| costs(now, "lookup").store_ops_per_1k = store_ops);
        let row = row(&found, "lookup", "cost.store_ops_per_1k");
        assert_eq!((row.kind, row.finding), (Kind::Exact, expected), "{store_ops}");
        assert_eq!(found.regressed(Kind::Exact), expected == Finding::Regressed);
    };
    exact(998.7, Finding::Holds);
    exact(1_002.0, Finding::Holds);
    exact(1_999.9, Finding::Regressed);
    exact(1_100.0, Finding::Regressed);
    exact(500.0, Finding::Holds);
    // Nothing is nothing: a strategy that never asked the store and now does, however rarely, has changed.
    let control = changed(&run(), |now| costs(now, "none").store_ops_per_1k = 1.0);
    assert_eq!(regressed(&control), ["none cost.store_ops_per_1k"]);
    // One of many is seen as well.
    let mut many = run();
    costs(&mut many, "lookup").store_ops_per_1k = 60_000.0;
    let more = changed(&many, |now| costs(now, "lookup").store_ops_per_1k += 1_000.0);
    assert_eq!(regressed(&more), ["lookup cost.store_ops_per_1k"]);
}

#[test]
fn tokens_are_compared_by_the_byte_but_for_how_times_are_written() {
    let check = |bytes: f64, expected: Finding| {
        let found = changed(&run(), |now| costs(now, "cached-lookup").token_bytes = bytes);
        assert_eq!(row(&found, "cached-lookup", "cost.token_bytes").finding, expected, "{bytes}");
    };
    check(762.0, Finding::Holds);
    check(768.0, Finding::Regressed);
    check(700.0, Finding::Holds);
}

#[test]
fn a_count_is_exact_only_by_the_word_of_both() {
    let found = changed(&run(), |now| costs(now, "lookup").exact.clear());
    assert_eq!(row(&found, "lookup", "cost.store_ops_per_1k").kind, Kind::Timing);
    let found = changed(&run(), |now| costs(now, "lookup").exact.push("moon_phases".to_owned()));
    assert_eq!(not_compared(&found), ["lookup moon_phases: no count that this version compares"]);
}

#[test]
fn messages_are_counted_where_the_strategy_says_so() {
    let mut base = run();
    let cost = costs(&mut base, "lookup");
    cost.exact.push("messages".to_owned());
    cost.unit.per_request.insert("messages".to_owned(), 2.0);
    let more = changed(&base, |now| {
        costs(now, "lookup").unit.per_request.insert("messages".to_owned(), 3.0);
    });
    assert_eq!(regressed(&more), ["lookup cost.unit.per_request.messages"]);
}

#[test]
fn bounds_follow_the_runs_own_verdict() {
    use ClaimVerdict::{Broken, Holds, Undecided};
    let check = |verdict, expected, finding| {
        let found = changed(&run(), |now| {
            let cell = strategy(now, "cached-lookup");
            let claim = cell.claim.as_mut().unwrap();
            (claim.verdict, claim.expected) = (Some(verdict), expected);
            claim.evidence.violating = 30;
        });
        let row = row(&found, "cached-lookup", "claim.verdict");
        assert_eq!((row.kind, row.finding, row.limit), (Kind::Bound, finding, Some(1_500.0)));
        assert_eq!(found.regressed(Kind::Bound), finding == Finding::Regressed);
    };
    check(Holds, Holds, Finding::Holds);
    check(Broken, Holds, Finding::Regressed);
    check(Broken, Broken, Finding::Holds);
    check(Holds, Broken, Finding::Holds);
    check(Undecided, Holds, Finding::Inconclusive);
}

#[test]
fn a_cache_of_twice_the_age_is_a_broken_bound_and_longer_windows() {
    let found = changed(&run(), |now| {
        let cell = strategy(now, "cached-lookup");
        cell.staleness =
            Some(staleness([(970.0, 1_380.0), (1_616.0, 1_980.0), (1_684.0, 2_136.0)], (1_942.0, 2_136.0)));
        let claim = cell.claim.as_mut().unwrap();
        (claim.verdict, claim.evidence.violating) = (Some(ClaimVerdict::Broken), 30);
    });
    let bound = row(&found, "cached-lookup", "claim.verdict");
    assert_eq!((bound.finding, bound.kind), (Finding::Regressed, Kind::Bound));
    assert!(bound.why.contains("30 of 80 changes"), "{}", bound.why);
    let difference = bound.difference.unwrap();
    assert_eq!((difference.lower, difference.upper), (Some(1_942.0 - 1_068.0), Some(2_136.0 - 971.0)));
    for quantile in ["p50", "p90", "p95"] {
        let row = row(&found, "cached-lookup", &format!("staleness.{quantile}_ms"));
        assert_eq!(row.finding, Finding::Regressed, "{quantile}");
    }
}

#[test]
fn a_strategy_that_promises_less_has_regressed() {
    let found =
        changed(&run(), |now| strategy(now, "cached-lookup").claim.as_mut().unwrap().bound_ms = 9_000.0);
    assert_eq!(regressed(&found), ["cached-lookup claim.bound_ms"]);
    let found = changed(&run(), |now| strategy(now, "cached-lookup").claim = None);
    assert_eq!(regressed(&found), ["cached-lookup claim.bound_ms"]);
    let found =
        changed(&run(), |now| strategy(now, "cached-lookup").claim.as_mut().unwrap().bound_ms = 900.0);
    assert_eq!(regressed(&found), Vec::<String>::new());
}
