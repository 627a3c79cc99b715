//! Which runs, cells and families are compared at all.

use proptest::prelude::*;

use super::*;

#[test]
fn other_questions_are_refused_with_every_reason() {
    let base = run();
    assert_eq!(refusals(&base, &base), Vec::<String>::new());
    let mut now = run();
    now.schema = "revbench.run/9".to_owned();
    now.profile = "smoke".to_owned();
    now.store.kind = "embedded".to_owned();
    now.database = Some(Store { kind: "postgres".to_owned(), ..Store::default() });
    now.transport = "https, HTTP/2".to_owned();
    now.store.rtt_us.asked = 2_000.0;
    now.cells[0].scenario = "logout".to_owned();
    let cached = strategy(&mut now, "cached-lookup");
    cached.params.insert("cache_ttl_ms".to_owned(), json!(2_000));
    cached.instances = 3;
    cached.rate_per_s = Some(Rate { offered: 500.0, achieved: 500.0 });
    assert_eq!(
        refusals(&base, &now),
        [
            "the run has schema 'revbench.run/9', this version reads 'revbench.run/1'",
            "profile is 'quick' in the baseline and 'smoke' now",
            "store is 'redis-server' in the baseline and 'embedded' now",
            "database is 'none' in the baseline and 'postgres' now",
            "transport is 'http, HTTP/1.1' in the baseline and 'https, HTTP/2' now",
            "store distance is '500 µs' in the baseline and '2000 µs' now",
            "scenario logout (revoke) is not in the baseline",
            "cached-lookup · role-demoted: cache_ttl_ms is '1000' in the baseline and '2000' now",
            "cached-lookup · role-demoted: instances is '2' in the baseline and '3' now",
            "cached-lookup · role-demoted: offered rate is '2000/s' in the baseline and '500/s' now",
        ]
    );
    let mut fewer = run();
    strategy(&mut fewer, "cached-lookup").lambda_t = Some(3.0);
    fewer.cells[0].rate_per_s = Some(Rate { offered: 2_050.0, achieved: 2_050.0 });
    assert_eq!(
        refusals(&base, &fewer),
        ["cached-lookup · role-demoted: λT is '6.000' in the baseline and '3.000' now"]
    );
    let empty = Summary { cells: Vec::new(), ..run() };
    assert_eq!(refusals(&base, &empty), ["scenario role-demoted (revoke) is in the baseline only"]);
}

#[test]
fn times_of_another_machine_are_not_compared_and_counts_are() {
    let found = changed(&blocks(0.02), |now| now.machine.cores = 64);
    assert!(found.rows.iter().all(|row| row.kind != Kind::Timing));
    assert!(
        found.rows.iter().any(|row| row.kind == Kind::Exact)
            && found.rows.iter().any(|row| row.kind == Kind::Bound)
    );
    assert_eq!(found.notes.len(), 1);
    assert!(found.notes[0].contains("64 cores"), "{}", found.notes[0]);
    let mut now = run();
    now.machine.cpu = "another".to_owned();
    let forced = compare(&run(), &now, &Policy { any_machine: true, ..Policy::default() });
    assert!(forced.rows.iter().any(|row| row.kind == Kind::Timing));
}

#[test]
fn invalid_families_are_named_and_not_compared() {
    let check = |family: fn(&mut Validity) -> &mut Option<Verdict>, key: &str, expected: &[&str]| {
        let found =
            changed(&run(), |now| *family(&mut strategy(now, "lookup").validity) = Some(Verdict::Invalid));
        assert_eq!(not_compared(&found), expected);
        assert!(found.not_compared.iter().all(|one| one.invalid));
        let touched = |row: &Row| row.cell.strategy == "lookup" && row.metric.key.starts_with(key);
        assert!(!found.rows.iter().any(touched), "{key}");
    };
    check(|v| &mut v.latency, "latency", &["lookup latency: invalid now"]);
    check(|v| &mut v.cost, "cost", &["lookup cost: invalid now"]);
    check(|v| &mut v.staleness, "staleness", &["lookup staleness: invalid now"]);
    let unjudged = changed(&run(), |now| strategy(now, "lookup").claim.as_mut().unwrap().verdict = None);
    assert_eq!(not_compared(&unjudged), ["lookup claim: not judged: staleness is invalid now"]);
    let control = changed(&run(), |now| strategy(now, "none").validity.latency = Some(Verdict::Invalid));
    let why = "latency: the control's is invalid";
    assert_eq!(not_compared(&control), [format!("lookup {why}"), format!("cached-lookup {why}")]);
}

#[test]
fn noise_decides_nothing_but_counts_stay_counts() {
    let found = changed(&blocks(0.02), |now| {
        let cell = strategy(now, "lookup");
        (cell.validity.latency, cell.validity.cost) = (Some(Verdict::Noisy), Some(Verdict::Noisy));
        cell.cost.as_mut().unwrap().store_ops_per_1k += 1_000.0;
        cell.cost.as_mut().unwrap().resource_cpu_us_per_request *= 9.0;
    });
    assert_eq!(regressed(&found), ["lookup cost.store_ops_per_1k"]);
    for metric in ["latency_us.p50", "cost.resource_cpu_us_per_request"] {
        let row = row(&found, "lookup", metric);
        assert!(row.finding == Finding::Inconclusive && row.why.starts_with("noisy"), "{row:?}");
    }
}

#[test]
fn cells_that_only_one_run_has_are_named() {
    let lost = changed(&run(), |now| now.cells.retain(|cell| cell.strategy != "lookup"));
    assert_eq!(not_compared(&lost), ["lookup cell: not measured now"]);
    let failed = changed(&run(), |now| {
        let cell = strategy(now, "lookup");
        (cell.outcome, cell.why) = (Outcome::Failed, Some("the server died".to_owned()));
    });
    assert_eq!(not_compared(&failed), ["lookup cell: failed now: the server died"]);
    // A new cell has no figures to stand against, but its claim is judged.
    let fresh = changed(&run(), |now| {
        let mut cell = Cell { strategy: "lookup-2".to_owned(), ..lookup() };
        cell.claim.as_mut().unwrap().verdict = Some(ClaimVerdict::Broken);
        now.cells.push(cell);
    });
    assert_eq!(not_compared(&fresh), ["lookup-2 cell: not in the baseline"]);
    assert_eq!(regressed(&fresh), ["lookup-2 claim.verdict"]);
    assert_eq!(row(&fresh, "lookup-2", "claim.verdict").before, None);
    let mut cannot = run();
    strategy(&mut cannot, "lookup").outcome = Outcome::Cannot;
    assert_eq!(not_compared(&changed(&cannot, |_| ())), Vec::<String>::new());
}

#[test]
fn one_strategy_with_two_settings_is_two_cells() {
    let mut base = run();
    let mut other = cached();
    other.params.insert("cache_ttl_ms".to_owned(), json!(2_000));
    base.cells.insert(1, other);
    let found = changed(&base, |now| {
        now.cells.reverse();
        costs(now, "lookup").store_ops_per_1k += 1_000.0;
    });
    assert_eq!(regressed(&found), ["lookup cost.store_ops_per_1k"]);
    let settings: Vec<&str> = found.with(Finding::Holds).map(|row| row.cell.settings.as_str()).collect();
    assert!(
        settings.contains(&"cache_ttl_ms=2000") && settings.contains(&"cache_ttl_ms=1000"),
        "{settings:?}"
    );
}

/// A run of several values of a setting: each has its control, where that has the setting too, and is held against the
/// same value only.
#[test]
fn swept_cells_are_held_against_their_own_value() {
    let with = |cell: Cell, value: &str, key: &str, ms: u64| {
        let mut cell = Cell { swept: BTreeMap::from([(key.to_owned(), value.to_owned())]), ..cell };
        cell.params.insert(format!("{key}_ms"), json!(ms));
        cell
    };
    let swept = |values: &[(&str, u64)]| {
        let each = values.iter().map(|&(value, ms)| with(cached(), value, "cache_ttl", ms));
        Summary {
            cells: run().cells.into_iter().filter(|c| c.strategy == "none").chain(each).collect(),
            ..run()
        }
    };
    let base = swept(&[("300ms", 300), ("1s", 1_000), ("3s", 3_000)]);
    let found = compare(&base, &base, &Policy::default());
    assert!(
        found.rows.iter().any(|row| row.cell.to_string() == "cached-lookup[cache_ttl=3s] · role-demoted")
    );
    // Of values that only one run has nothing is refused, and nothing is held against another's.
    let now = swept(&[("1s", 1_000), ("5s", 5_000)]);
    assert_eq!(refusals(&base, &now), Vec::<String>::new());
    let found = compare(&base, &now, &Policy::default());
    let named: Vec<String> = found
        .not_compared
        .iter()
        .filter(|one| one.what == "cell")
        .map(|one| format!("{} {}", one.cell, one.why))
        .collect();
    assert_eq!(
        named,
        [
            "cached-lookup[cache_ttl=300ms] · role-demoted not measured now",
            "cached-lookup[cache_ttl=3s] · role-demoted not measured now",
            "cached-lookup[cache_ttl=5s] · role-demoted not in the baseline",
        ]
    );
    let of_three =
        found.rows.iter().filter(|row| row.cell.settings == "cache_ttl=1s" && row.before.is_some());
    assert!(of_three.count() > 0);
}

#[test]
fn a_cell_is_compared_with_the_control_of_its_own_value() {
    let at = |cell: &Cell, value: &str| Cell {
        swept: BTreeMap::from([("algorithm".to_owned(), value.to_owned())]),
        ..cell.clone()
    };
    let control = cell("none", CellRole::Control, 100.0);
    let es256 = at(&cached(), "ES256");
    assert!(control.is_control_of(&es256), "a control of which nothing is swept stands beside all");
    assert!(at(&control, "ES256").is_control_of(&es256));
    assert!(!at(&control, "RS256").is_control_of(&es256));
    assert!(!at(&control, "ES256").is_control_of(&cached()));
    assert!(!es256.is_control_of(&es256));
}

fn any_run() -> impl Strategy<Value = Summary> {
    let figure = prop_oneof![Just(0.0), 0.0..1e-6, 0.0..10.0, 0.0..1e7_f64];
    let validity = prop_oneof![3 => Just(Some(Verdict::Valid)), 1 => Just(Some(Verdict::Noisy)), 1 => Just(Some(Verdict::Invalid)), 1 => Just(None)];
    let open = proptest::option::weighted(0.8, 0.0..5_000.0_f64);
    let one = (proptest::collection::vec(figure, 8), validity, open, 0.0..0.9_f64, any::<bool>());
    proptest::collection::vec(one, 1..4).prop_map(|cells| {
        let mut summary = run();
        for ((figures, validity, open, share, has_blocks), cell) in cells.into_iter().zip(&mut summary.cells)
        {
            let mut filled = blocks(share).cells.remove(0);
            if !has_blocks {
                filled.ci95.clear();
            }
            cell.ci95 = filled.ci95;
            cell.validity.latency = validity;
            let cost = cell.cost.as_mut().unwrap();
            (cost.store_ops_per_1k, cost.round_trips_on_path) = (figures[0], figures[1]);
            (cost.token_bytes, cost.resource_cpu_us_per_request) = (figures[2], figures[3]);
            let latency = cell.latency_us.as_mut().unwrap();
            (latency.p50, latency.p99) = (figures[4], Some(figures[5]));
            cell.added_latency_us =
                Some(AddedLatency { p50: figures[6] - figures[4], p99: Some(-figures[7]) });
            if let Some(staleness) = &mut cell.staleness {
                let lower = figures[7];
                let window = IntervalMs { lower, upper: open.map(|more| lower + more), horizon_ms: None };
                (staleness.p50_ms, staleness.p95_ms) = (Some(window), Some(window));
            }
        }
        summary
    })
}

proptest! {
    #[test]
    fn nothing_regresses_against_itself(summary in any_run()) {
        prop_assert!(refusals(&summary, &summary).is_empty());
        let found = compare(&summary, &summary, &Policy::default());
        prop_assert!(regressed(&found).is_empty(), "{:?}", regressed(&found));
        for row in &found.rows {
            let figures = [row.before, row.now].into_iter().flatten();
            let mut numbers = figures.flat_map(|figure| [figure.value, figure.lower, figure.upper]);
            prop_assert!(numbers.all(|number| number.is_none_or(f64::is_finite)), "{row:?}");
        }
    }
}
