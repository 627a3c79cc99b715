//! What is known by intervals.

use super::*;

#[test]
fn windows_are_compared_by_their_ends() {
    let check = |now: IntervalMs, expected: Finding| {
        let found = changed(&run(), |run| {
            strategy(run, "cached-lookup").staleness.as_mut().unwrap().p95_ms = Some(now);
        });
        let row = row(&found, "cached-lookup", "staleness.p95_ms");
        assert_eq!(row.finding, expected, "{now:?}: {}", row.why);
    };
    let closed = |lower, upper| IntervalMs { lower, upper: Some(upper), horizon_ms: None };
    // The limit lies a tenth above the upper end of 1 068 ms.
    check(closed(900.0, 1_174.0), Finding::Holds);
    check(closed(900.0, 1_176.0), Finding::Inconclusive);
    check(closed(1_180.0, 1_200.0), Finding::Inconclusive);
    check(closed(1_700.0, 1_900.0), Finding::Regressed);
    let open = |lower| IntervalMs { lower, upper: None, horizon_ms: Some(5_000.0) };
    check(open(900.0), Finding::Inconclusive);
    check(open(4_000.0), Finding::Regressed);
}

#[test]
fn what_was_open_before_cannot_be_worse_now() {
    let mut base = run();
    let open = IntervalMs { lower: 900.0, upper: None, horizon_ms: Some(5_000.0) };
    strategy(&mut base, "cached-lookup").staleness.as_mut().unwrap().p95_ms = Some(open);
    let same = changed(&base, |_| ());
    assert_eq!(row(&same, "cached-lookup", "staleness.p95_ms").finding, Finding::Inconclusive);
    let closed = changed(&base, |now| {
        strategy(now, "cached-lookup").staleness.as_mut().unwrap().p95_ms = window(900.0, 4_000.0);
    });
    assert_eq!(row(&closed, "cached-lookup", "staleness.p95_ms").finding, Finding::Holds);
}

#[test]
fn a_single_run_alarms_only_beyond_a_generous_factor() {
    let check = |p50_us: f64, expected: Finding| {
        let found = changed(&run(), |now| {
            strategy(now, "lookup").added_latency_us = Some(AddedLatency { p50: p50_us - 100.0, p99: None });
        });
        // 600 µs are six times the control's 100 µs.
        let row = row(&found, "lookup", "latency_us.p50");
        assert_eq!((row.kind, row.finding), (Kind::Timing, expected), "{p50_us}: {}", row.why);
        assert!(row.difference.unwrap().lower.is_none());
    };
    check(300.0, Finding::Inconclusive);
    check(1_700.0, Finding::Inconclusive);
    check(1_900.0, Finding::Regressed);
}

#[test]
fn ratios_with_intervals_are_decided_by_them() {
    let check = |share: f64, factor: f64, expected: Finding| {
        let found = changed(&blocks(share), |now| {
            let cell = strategy(now, "lookup");
            let cpu = cell.cost.as_mut().unwrap();
            cpu.resource_cpu_us_per_request *= factor;
            let value = cpu.resource_cpu_us_per_request;
            let around = json!({"lower": value * (1.0 - share), "upper": value * (1.0 + share)});
            cell.ci95.get_mut("cost").unwrap()["resource_cpu_us_per_request"] = around;
        });
        let row = row(&found, "lookup", "cost.resource_cpu_us_per_request");
        assert_eq!(row.finding, expected, "± {share}, × {factor}: {}", row.why);
        let difference = row.difference.unwrap();
        let ends = (difference.lower.unwrap(), difference.upper.unwrap());
        assert!(ends.0 < factor - 1.0 && factor - 1.0 < ends.1, "{ends:?}");
    };
    check(0.02, 1.0, Finding::Holds);
    check(0.02, 1.03, Finding::Holds);
    check(0.02, 1.1, Finding::Inconclusive);
    check(0.02, 1.5, Finding::Regressed);
    check(0.20, 1.0, Finding::Inconclusive);
    check(0.20, 1.5, Finding::Inconclusive);
    check(0.02, 0.5, Finding::Holds);
}

#[test]
fn what_the_control_differs_from_itself_raises_no_alarm_and_does_not_hold() {
    let check = |p50_us: f64, reach: Option<f64>, expected: Finding| {
        let mut base = blocks(0.02);
        base.blocks = 10;
        // 100 µs are the control's median.
        base.noise_floor = reach.map(|reach| NoiseFloor {
            blocks: 10,
            latency_p50_us: Some(IntervalUs { lower: -1.0, upper: reach }),
            latency_p99_us: None,
            resource_cpu_us_per_request: None,
        });
        let found = changed(&base, |now| {
            now.noise_floor = None;
            let cell = strategy(now, "lookup");
            let added = p50_us - 100.0;
            cell.added_latency_us.as_mut().unwrap().p50 = added;
            let ends = json!({"lower": added * 0.98, "upper": added * 1.02});
            cell.ci95.get_mut("added_latency_us").unwrap()["p50"] = ends;
        });
        let row = row(&found, "lookup", "latency_us.p50");
        assert_eq!(row.finding, expected, "{p50_us} µs, floor {reach:?}: {}", row.why);
        assert_eq!(row.limit, Some(6.6), "noise makes nothing hold");
        (row.why.clone(), found.notes)
    };
    // 600 µs before. 60 more hold; with a noise floor of 30 µs, what lies between 60 and 90 more raises no alarm.
    check(620.0, None, Finding::Holds);
    check(720.0, None, Finding::Regressed);
    check(690.0, Some(30.0), Finding::Inconclusive);
    let (why, _) = check(685.0, Some(30.0), Finding::Inconclusive);
    assert_eq!(why, "beyond the limit by no more than the control differs from itself");
    check(720.0, Some(30.0), Finding::Inconclusive);
    check(780.0, Some(30.0), Finding::Regressed);
    assert_eq!(check(780.0, Some(5.0), Finding::Regressed).1, Vec::<String>::new());
    assert_eq!(
        check(620.0, Some(30.0), Finding::Holds).1,
        [
            "the control's latency p50 differs from itself by up to 30 % in one of the runs: what grew by less than 10 % and 0.30 times the control's figure raises no alarm there"
        ]
    );
}

#[test]
fn runs_of_other_many_blocks_are_compared_with_a_note() {
    let mut base = blocks(0.02);
    base.blocks = 10;
    let mut now = run();
    now.blocks = 2;
    assert_eq!(refusals(&base, &now), Vec::<String>::new());
    let found = compare(&base, &now, &Policy::default());
    assert!(
        found.notes[0].starts_with("the baseline has 10 blocks and the run 2 blocks: "),
        "{:?}",
        found.notes
    );
    let row = row(&found, "lookup", "latency_us.p50");
    assert_eq!(row.finding, Finding::Inconclusive);
    assert!(row.why.contains("six blocks"), "{}", row.why);
}

#[test]
fn counts_of_a_cache_are_compared_by_interval() {
    let check = |store_ops: f64, expected: Finding| {
        let found = changed(&blocks(0.02), |now| {
            let cell = strategy(now, "cached-lookup");
            cell.cost.as_mut().unwrap().store_ops_per_1k = store_ops;
            cell.ci95.get_mut("cost").unwrap()["store_ops_per_1k"] =
                json!([store_ops * 0.98, store_ops * 1.02]);
        });
        let row = row(&found, "cached-lookup", "cost.store_ops_per_1k");
        assert_eq!((row.kind, row.finding), (Kind::Timing, expected), "{store_ops}");
    };
    check(145.0, Finding::Holds);
    check(1_142.0, Finding::Regressed);
}

#[test]
fn among_many_rows_one_that_would_alarm_alone_does_not() {
    // A p of about 1 %: below α alone, above its share of it among many.
    let barely = |alpha: f64| {
        let mut base = blocks(0.02);
        let lookup = base.cells[1].clone();
        base.cells.truncate(1);
        for number in 0..9 {
            base.cells.push(Cell { strategy: format!("lookup-{number}"), ..lookup.clone() });
        }
        let mut now = base.clone();
        let cell = strategy(&mut now, "lookup-0");
        let cpu = &mut cell.cost.as_mut().unwrap().resource_cpu_us_per_request;
        *cpu *= 1.18;
        cell.ci95.get_mut("cost").unwrap()["resource_cpu_us_per_request"] = json!([*cpu * 0.96, *cpu * 1.04]);
        let found = compare(&base, &now, &Policy { alpha, ..Policy::default() });
        let row = row(&found, "lookup-0", "cost.resource_cpu_us_per_request").clone();
        (row.finding, row.why)
    };
    let (finding, why) = barely(Policy::default().alpha);
    assert_eq!(finding, Finding::Inconclusive);
    assert!(why.contains("Holm"), "{why}");
    // With an α that leaves each row as much as one alone would have, it alarms.
    let rows = 9.0 * 6.0;
    assert_eq!(barely(Policy::default().alpha * rows).0, Finding::Regressed);
}
