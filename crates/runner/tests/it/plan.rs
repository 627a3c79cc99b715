use revbench_model::Sweep;
use revbench_model::scenario::built_in;
use revbench_runner::options::{DatabaseChoice, Options, ScenarioSource, StoreChoice, TransportChoice};
use revbench_runner::plan::{CellPlan, FleetPlan, RunPlan, settings};
use revbench_runner::profile::Profile;
use revbench_runner::system::System;
use revbench_strategies::StrategyKind;

/// All strategies of a run without a database.
fn without_database() -> impl Iterator<Item = StrategyKind> {
    StrategyKind::ALL.into_iter().filter(|kind| !kind.reads_database())
}

/// The options of a plain `run` with these scenarios and parameters.
pub(crate) fn options(profile: Profile, scenarios: &[&str], params: &[(&str, &str)]) -> Options {
    let source = |name: &&str| {
        let (file, text) =
            built_in().into_iter().find(|(file, _)| file.contains(*name)).expect("it is built in");
        ScenarioSource { file: file.to_owned(), text: text.to_owned(), trace: None }
    };
    Options {
        profile,
        scenarios: scenarios.iter().map(source).collect(),
        strategies: match profile {
            Profile::Quick => StrategyKind::CARD.to_vec(),
            _ => without_database().collect(),
        },
        targets: Vec::new(),
        allowed_remote: Vec::new(),
        pids: Vec::new(),
        params: params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        sweeps: Vec::new(),
        store: StoreChoice::Embedded,
        database: DatabaseChoice::None,
        transport: TransportChoice::Plain,
        store_rtt_us: 500.0,
        rate_per_s: None,
        changes: None,
        blocks: None,
        instances: 2,
        seed: 42,
        mutant: None,
        command: "revbench run".to_owned(),
        version: "0".to_owned(),
    }
}

fn plan(options: Options) -> RunPlan {
    RunPlan::new(options).expect("the built-in scenarios are sound")
}

const BOTH_ROLES: &[&str] = &["role-demoted", "role-promoted"];

#[test]
fn quick_fits_into_three_minutes_with_one_fleet_each() {
    let plan = plan(options(Profile::Quick, BOTH_ROLES, &[]));
    assert_eq!(plan.fleets.len(), StrategyKind::CARD.len());
    assert!(plan.expected_s() < 175.0, "expected {} s", plan.expected_s());
}

#[test]
fn smoke_asks_a_strategy_every_scenario_in_under_a_minute() {
    let files: Vec<&str> = built_in().into_iter().map(|(file, _)| file).collect();
    let every = plan(options(Profile::Smoke, &files, &[]));
    let one = plan(options(Profile::Smoke, &files[..1], &[]));
    for fleet in &every.fleets {
        assert!(fleet.expected_s() < 60.0, "{}: {} s", fleet.system.name(), fleet.expected_s());
        let treated = fleet.cells.iter().map(|cell| f64::from(cell.changes)).sum::<f64>();
        let sent_per_s = treated * fleet.rate_per_s * 2.0;
        assert!(sent_per_s <= fleet.sizes.treated_rate_per_s + 1e-6, "{}: {sent_per_s}", fleet.system.name());
    }
    for fleet in &one.fleets {
        let as_asked = |lambda_t: f64| (lambda_t - fleet.sizes.lambda_t).abs() < 1e-9;
        assert!(fleet.lambda_t.is_none_or(as_asked), "{}: {:?}", fleet.system.name(), fleet.lambda_t);
    }
}

#[test]
fn what_breaks_something_has_a_fleet_of_its_own_and_takes_seconds() {
    let asked = ["role-demoted", "role-promoted", "store-down", "bus-partition-long", "clock-skew.toml"];
    let plan = plan(options(Profile::Smoke, &asked, &[]));
    let mut of_push: Vec<&FleetPlan> =
        plan.fleets.iter().filter(|fleet| fleet.system.is(StrategyKind::Push)).collect();
    of_push.sort_by_key(|fleet| fleet.label());
    let labels: Vec<(String, usize)> =
        of_push.iter().map(|fleet| (fleet.label(), fleet.cells.len())).collect();
    let own = |name: &str, cells| (name.to_owned(), cells);
    let expected = [
        own("push", 2),
        own("push.bus-partition-long", 1),
        own("push.clock-skew", 1),
        own("push.store-down", 1),
    ];
    assert_eq!(labels, expected);
    for fleet in of_push.iter().filter(|fleet| fleet.fault.is_some()) {
        assert!(fleet.expected_s() < 20.0, "{}: {} s", fleet.label(), fleet.expected_s());
        let fault = fleet.fault.as_ref().expect("it has one");
        assert!(fleet.dense_s >= (fault.planned.at_ms + fault.lasts_ms) / 1_000.0, "changes go on after it");
        let [cell] = &fleet.cells[..] else { panic!("one question") };
        let bound = cell.bound.as_ref().expect("push claims a bound");
        assert_eq!(bound.predicted, None, "no law of servers that cannot do their work");
        assert!(cell.horizon_ns as f64 / 1e6 >= fault.lasts_ms + bound.ms + 1_000.0, "{}", fleet.label());
    }
    let backstop_ms = 600.0;
    let partition =
        of_push.iter().find_map(|fleet| fleet.fault.clone().filter(|f| f.scenario.contains("bus")));
    assert_eq!(partition.map(|fault| fault.lasts_ms), Some(2.0 * backstop_ms));
    let folders: std::collections::BTreeSet<String> = plan.fleets.iter().map(FleetPlan::folder).collect();
    assert_eq!(folders.len(), plan.fleets.len(), "each leaves a folder of its own");
}

#[test]
fn what_cannot_be_expressed_is_a_result_and_not_a_cell() {
    let plan = plan(options(Profile::Quick, BOTH_ROLES, &[]));
    let pairs: Vec<(usize, &str)> =
        plan.cannot.iter().map(|one| (one.scenario, one.system.as_str())).collect();
    assert_eq!(pairs, [(1, "deny-list")]);
    let deny_list = plan.fleets.iter().find(|fleet| fleet.system.is(StrategyKind::DenyList));
    assert_eq!(deny_list.expect("it has a fleet").cells.len(), 1);
}

#[test]
fn the_order_of_fleets_follows_the_seed_and_nothing_else() {
    let order = |seed| {
        let plan = plan(Options { seed, ..options(Profile::Quick, BOTH_ROLES, &[]) });
        plan.fleets.iter().map(|fleet| fleet.system.name()).collect::<Vec<_>>()
    };
    assert_eq!(order(1), order(1));
    assert!((2..30).any(|seed| order(seed) != order(1)));
}

#[test]
fn a_time_to_live_shortens_only_what_lives_by_it() {
    let options =
        options(Profile::Quick, BOTH_ROLES, &[("token_ttl", "2s"), ("cache_ttl", "700ms"), ("leeway", "1s")]);
    let of = |strategy| {
        settings(&options, &[], &System::Strategy(strategy), None).expect("the parameters are sound")
    };
    assert_eq!(of(StrategyKind::ShortTtl).token_ttl_ms, 2_000);
    assert_eq!(of(StrategyKind::Lookup).token_ttl_ms, 86_400_000);
    assert_eq!(of(StrategyKind::CachedLookup).cache_ttl_ms, 700);
    assert_eq!(of(StrategyKind::Lookup).leeway_ms, 1_000);
}

/// A claim that follows from `token_ttl`, whoever makes it, is watched for seconds, and not for the day that tokens live
/// where nothing rests on it.
#[test]
fn tokens_are_short_where_a_claim_rests_on_their_life() {
    let check = |kind: StrategyKind, scenario: &str, params: &[(&str, &str)], token_ttl_ms: u64| {
        let asked = options(Profile::Quick, &[scenario], params);
        let plan = plan(Options { strategies: vec![kind], ..asked });
        let [fleet] = &plan.fleets[..] else { panic!("one fleet") };
        assert_eq!(fleet.settings.token_ttl_ms, token_ttl_ms, "{kind:?} {scenario} {params:?}");
        let watched_ns = fleet.cells.iter().map(|cell| cell.horizon_ns).max();
        assert!(watched_ns.is_some_and(|ns| ns < 30_000_000_000), "{kind:?} {params:?}: {watched_ns:?}");
    };
    const DAY_MS: u64 = 86_400_000;
    let lenient = ("cutoff_rule", "second-lenient");
    check(StrategyKind::ValidAfter, "role-demoted", &[], DAY_MS);
    check(StrategyKind::ValidAfter, "role-demoted", &[lenient], 3_000);
    check(StrategyKind::ValidAfter, "role-demoted", &[lenient, ("token_ttl", "2s")], 2_000);
    let behind = ("clock_skew", "3s");
    check(StrategyKind::DenyList, "role-demoted", &[behind], DAY_MS);
    check(StrategyKind::DenyList, "clock-skew.toml", &[], DAY_MS);
    check(StrategyKind::DenyList, "clock-skew.toml", &[behind], 3_000);
    check(StrategyKind::DenyList, "clock-skew.toml", &[behind, ("token_ttl", "2s")], 2_000);
    check(StrategyKind::ShortTtl, "account-reinstated", &[], 3_000);
}

/// The options with several values of settings.
fn sweeping(sweeps: &[(&str, &[&str])], options: Options) -> Options {
    let sweep = |(name, values): &(&str, &[&str])| Sweep {
        name: (*name).to_owned(),
        values: values.iter().map(|&value| value.to_owned()).collect(),
    };
    Options { sweeps: sweeps.iter().map(sweep).collect(), ..options }
}

/// The labels of a block's fleets, sorted.
fn labels(plan: &RunPlan, block: u32) -> Vec<String> {
    let mut labels: Vec<String> =
        plan.fleets.iter().filter(|fleet| fleet.block == block).map(FleetPlan::label).collect();
    labels.sort();
    labels
}

#[test]
fn each_value_of_a_swept_setting_has_a_fleet_in_each_block() {
    let blocks = Options { blocks: Some(2), ..options(Profile::Quick, BOTH_ROLES, &[("leeway", "1s")]) };
    let plan = plan(sweeping(&[("cache_ttl", &["300ms", "1s", "3s"])], blocks));
    for block in 1..=2 {
        assert_eq!(
            labels(&plan, block),
            [
                "cached-lookup[cache_ttl=1s]",
                "cached-lookup[cache_ttl=300ms]",
                "cached-lookup[cache_ttl=3s]",
                "deny-list",
                "floor",
                "lookup",
                "none",
                "none-again",
                "short-ttl",
                "token-version",
            ]
        );
    }
    let folders: std::collections::BTreeSet<String> = plan.fleets.iter().map(FleetPlan::folder).collect();
    assert_eq!(folders.len(), plan.fleets.len(), "each leaves a folder of its own");
    for fleet in plan.fleets.iter().filter(|fleet| fleet.system.is(StrategyKind::CachedLookup)) {
        let bound = fleet.cells[0].bound.as_ref().expect("a bound");
        assert_eq!(bound.ms, fleet.settings.cache_ttl_ms as f64 + 500.0, "{}", fleet.label());
        assert_eq!(fleet.settings.leeway_ms, 1_000);
        // λT is the profile's at each value, so that the closed form is the same in units of T.
        assert!((fleet.lambda_t.expect("it ages") - 6.0).abs() < 1e-9, "{}", fleet.label());
    }
}

#[test]
fn what_every_token_has_is_swept_in_floor_and_control_too() {
    let values = [("algorithm", &["RS256", "ES256"][..]), ("cache_ttl", &["1s", "2s"][..])];
    let options = Options { blocks: Some(2), ..options(Profile::Quick, &["role-demoted"], &[]) };
    let strategies = vec![StrategyKind::Floor, StrategyKind::None, StrategyKind::CachedLookup];
    let plan = plan(sweeping(&values, Options { strategies, ..options }));
    assert_eq!(
        labels(&plan, 1),
        [
            "cached-lookup[algorithm=ES256,cache_ttl=1s]",
            "cached-lookup[algorithm=ES256,cache_ttl=2s]",
            "cached-lookup[algorithm=RS256,cache_ttl=1s]",
            "cached-lookup[algorithm=RS256,cache_ttl=2s]",
            "floor[algorithm=ES256]",
            "floor[algorithm=RS256]",
            "none-again[algorithm=RS256]",
            "none[algorithm=ES256]",
            "none[algorithm=RS256]",
        ]
    );
}

#[test]
fn a_question_can_be_asked_at_one_value_and_not_at_another() {
    let one = Options {
        strategies: vec![StrategyKind::Lookup],
        ..options(Profile::Smoke, &["stream-withdrawn"], &[])
    };
    let plan = plan(sweeping(&[("stream_check", &["interval", "pushed"])], one));
    assert_eq!(labels(&plan, 1), ["lookup[stream_check=interval]"]);
    let cannot: Vec<(&str, &str)> =
        plan.cannot.iter().map(|one| (one.system.as_str(), one.swept["stream_check"].as_str())).collect();
    assert_eq!(cannot, [("lookup", "pushed")]);
}

#[test]
fn no_law_is_predicted_of_windows_that_probes_move() {
    let laws = |params: &[(&str, &str)]| {
        let one = Options {
            strategies: vec![StrategyKind::CachedLookup],
            ..options(Profile::Quick, BOTH_ROLES, params)
        };
        let plan = plan(one);
        let bounds = plan.fleets[0].cells.iter().map(|cell| cell.bound.clone().expect("a bound"));
        bounds.map(|bound| (bound.ms, bound.predicted.is_some())).collect::<Vec<_>>()
    };
    assert_eq!(laws(&[]), [(1_500.0, true); 2]);
    assert_eq!(laws(&[("cache_jitter", "0.3")]), [(1_500.0, true); 2]);
    assert_eq!(laws(&[("refresh_ahead", "0.2")]), [(1_500.0, false); 2]);
    assert_eq!(laws(&[("refresh_ahead", "0.2"), ("cache_jitter", "0.3")]), [(1_500.0, false); 2]);
}

#[test]
fn streams_are_swept_where_there_are_any() {
    let at = |scenario| {
        let one =
            Options { strategies: vec![StrategyKind::Lookup], ..options(Profile::Smoke, &[scenario], &[]) };
        labels(&plan(sweeping(&[("stream_interval", &["500ms", "1s"])], one)), 1)
    };
    assert_eq!(at("role-demoted"), ["lookup"]);
    assert_eq!(at("stream-withdrawn"), ["lookup[stream_interval=1s]", "lookup[stream_interval=500ms]"]);
}

#[test]
fn every_watch_outlasts_the_bound_and_the_prediction() {
    for profile in Profile::ALL {
        let plan = plan(options(profile, BOTH_ROLES, &[]));
        for cell in plan.fleets.iter().flat_map(|fleet| &fleet.cells) {
            if let Some(bound) = &cell.bound {
                assert!(cell.horizon_ns as f64 / 1e6 >= bound.ms + 1_000.0, "{cell:?}");
            }
        }
    }
}

#[test]
fn dense_slices_keep_probes_under_their_limit() {
    let plan = plan(Options { instances: 8, ..options(Profile::Quick, BOTH_ROLES, &[]) });
    for fleet in &plan.fleets {
        let eight = fleet.dense_changes_per_s(&plan.scenarios);
        let two = FleetPlan { instances: 2, ..fleet.clone() }.dense_changes_per_s(&plan.scenarios);
        assert!(eight <= two && eight > 0.0, "{}: {two} and {eight}", fleet.system.name());
    }
}

#[test]
fn one_shot_changes_are_cast_where_roles_change_and_cost_their_time() {
    let full = plan(options(Profile::Full, MAIN, &[]));
    let one_shots = |scenario: usize, strategy: StrategyKind| {
        let of = full.fleets.iter().filter(|fleet| fleet.system.is(strategy) && !fleet.is_twin);
        of.flat_map(|fleet| &fleet.cells).filter(|c| c.scenario == scenario).map(|c| c.one_shots).sum::<u32>()
    };
    for strategy in [StrategyKind::None, StrategyKind::CachedLookup] {
        assert_eq!([0, 1, 2].map(|scenario| one_shots(scenario, strategy)), [100, 100, 0]);
    }
    assert_eq!(one_shots(0, StrategyKind::Floor), 0);
    let fleet = full.fleets.iter().find(|f| f.system.is(StrategyKind::CachedLookup)).expect("it has fleets");
    let dense_s = f64::from(fleet.changes()) / fleet.dense_changes_per_s(&full.scenarios);
    assert!((fleet.dense_s - dense_s).abs() < 1e-9);
    assert_eq!(fleet.changes(), fleet.cells.iter().map(|cell| cell.changes + cell.one_shots).sum::<u32>());
    for profile in [Profile::Smoke, Profile::Quick] {
        let plan = plan(options(profile, BOTH_ROLES, &[]));
        assert!(plan.fleets.iter().flat_map(|fleet| &fleet.cells).all(|cell| cell.one_shots == 0));
    }
}

/// All scenarios of the full profile.
const MAIN: &[&str] = &revbench_model::scenario::MAIN;

#[test]
fn full_has_ten_blocks_of_every_strategy_and_the_control_twice() {
    let plan = plan(options(Profile::Full, MAIN, &[]));
    let blocks: Vec<Vec<String>> = (1..=10)
        .map(|block| plan.fleets.iter().filter(|f| f.block == block).map(FleetPlan::label).collect())
        .collect();
    // The main scenarios are about one subject each.
    let mut labels: Vec<String> =
        without_database().filter(|kind| kind.singles_out()).map(|kind| kind.name().to_owned()).collect();
    labels.push("none-again".to_owned());
    labels.sort();
    for block in &blocks {
        let mut sorted = block.clone();
        sorted.sort();
        assert_eq!(sorted, labels);
    }
    assert!(blocks.windows(2).filter(|pair| pair[0] != pair[1]).count() > 7, "an order of its own in each");
    assert!(plan.fleets.is_sorted_by_key(|fleet| fleet.block), "one block after the other");
    assert!(plan.expected_s() < 9_000.0, "expected {} s", plan.expected_s());
    let card = RunPlan::new(Options {
        strategies: StrategyKind::CARD.to_vec(),
        ..options(Profile::Full, MAIN, &[])
    });
    let card_s = card.expect("the built-in scenarios are sound").expected_s();
    assert!(card_s < 3_600.0, "expected {card_s} s for the default five");
}

#[test]
fn a_profiles_changes_are_those_of_all_blocks() {
    let check = |options: Options, expected: &[(&str, u32)]| {
        let plan = plan(options);
        let of_lookup: Vec<_> = plan.fleets.iter().filter(|f| f.system.is(StrategyKind::Lookup)).collect();
        for (number, &(name, changes)) in expected.iter().enumerate() {
            let cells = of_lookup.iter().map(|fleet| &fleet.cells[number]);
            let all: u32 = cells.map(|cell| cell.changes).sum();
            assert_eq!((plan.scenarios[number].name.as_str(), all), (name, changes));
        }
    };
    check(
        options(Profile::Full, MAIN, &[]),
        &[("role-demoted", 400), ("role-promoted", 400), ("employee-departure", 80)],
    );
    let asked = |changes, blocks| Options {
        changes: Some(changes),
        blocks: Some(blocks),
        ..options(Profile::Quick, BOTH_ROLES, &[])
    };
    check(asked(100, 4), &[("role-demoted", 100), ("role-promoted", 100)]);
    check(asked(10, 4), &[("role-demoted", 12), ("role-promoted", 12)]);
}

/// With a key for each tenant, a tenant can be offboarded by it; a subject can not.
#[test]
fn a_tenant_with_a_key_of_its_own_can_be_told_apart() {
    let asked = |key_per: &str| {
        let options =
            options(Profile::Smoke, &["tenant-offboarded", "role-demoted"], &[("key_per", key_per)]);
        let plan = plan(Options { strategies: vec![StrategyKind::KeyRotation], ..options });
        let bounds_ms = |fleet: &FleetPlan| {
            let bound = |cell: &CellPlan| (cell.scenario, cell.bound.as_ref().expect("it is claimed").ms);
            fleet.cells.iter().map(bound).collect::<Vec<_>>()
        };
        let cannot: Vec<usize> = plan.cannot.iter().map(|one| one.scenario).collect();
        (plan.fleets.iter().flat_map(bounds_ms).collect::<Vec<_>>(), cannot)
    };
    assert_eq!(asked("service"), (vec![], vec![0, 1]));
    let (bounds_ms, cannot) = asked("tenant");
    assert_eq!((bounds_ms.len(), cannot), (1, vec![1]));
    assert!(bounds_ms[0].0 == 0 && bounds_ms[0].1 > 0.0, "{bounds_ms:?}");
}
