//! Wrong files and what is said about them; right files and what is read from them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::fault::FAULT;
use super::file::ScenarioFile;
use super::parse::{CHANGE, CLIENT, EXPECT, MEASURE, ROOT, TRAFFIC};
use super::stress::STRESS;
use super::*;
use crate::problem::line_column;
use crate::{Fault, Problem};

const STRATEGIES: &[&str] = &[
    "none",
    "deny-list",
    "cached-lookup",
    "push",
    "valid-after",
    "deny-and-refresh",
    "short-ttl",
    "refresh-rotation",
];

const RIGHT: &str = r#"name = "mine"
question = "How long?"
prose = "What, who, how."

[change]
orientation = "revoke"
scope = "subject"
permission = "orders:write"
honest_survives = true

[traffic]
asks = "orders:write"

[measure]
watch = "20s"
percentile = 95
changes = 80

[expect.cached-lookup]
verdict = "broken"
why = "the cache is asked to be old"

[stands_for]
cache_ttl = "60s"
"#;

fn show(problems: &[Problem], text: &str) -> String {
    let line = |problem: &Problem| {
        let (line, column) = problem.line_column(text);
        let help = problem.help.as_ref().map(|help| format!("\n    {help}")).unwrap_or_default();
        format!("{line}:{column} {} {}{help}", problem.code, problem.message)
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Every problem of a text.
fn problems_of(text: &str) -> String {
    match parse("mine.toml", text, STRATEGIES) {
        Ok(_) => "no problem".to_owned(),
        Err(problems) => show(&problems, text),
    }
}

/// The problems of the right file after some replacements.
fn after(replacements: &[(&str, &str)]) -> String {
    let text = replacements.iter().fold(RIGHT.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "'{old}' is not in the right file");
        text.replace(old, new)
    });
    problems_of(&text)
}

#[test]
fn a_right_file_is_read_whole() {
    let scenario = parse("mine.toml", RIGHT, STRATEGIES).unwrap();
    let why = "the cache is asked to be old".to_owned();
    let expected = Scenario {
        file: "mine.toml".to_owned(),
        name: "mine".to_owned(),
        question: "How long?".to_owned(),
        prose: "What, who, how.".to_owned(),
        reason: "mine".to_owned(),
        orientation: Orientation::Revoke,
        scope: ScopeKind::Subject,
        actor: ChangeActor::Admin,
        changed: Some("orders:write".into()),
        undone_after_ms: None,
        asked: "orders:write".into(),
        write: false,
        stream: false,
        honest_survives: true,
        attacker: Attacker::Pinned,
        tabs: 1,
        watch_ms: Some(20_000.0),
        percentile: Some(95.0),
        changes: Some(80),
        rate_per_s: None,
        changes_per_s: 0.5,
        arrivals: ArrivalsChoice::Poisson,
        fault: None,
        expect: BTreeMap::from([(
            "cached-lookup".to_owned(),
            Expectation { verdict: ClaimVerdict::Broken, why },
        )]),
        stands_for: BTreeMap::from([("cache_ttl".to_owned(), "60s".to_owned())]),
        stress: None,
    };
    assert_eq!(scenario, expected);
}

#[test]
fn every_way_to_draw_arrivals_is_read() {
    let check = |written: &str, expected: ArrivalsChoice| {
        let text = RIGHT.replace("asks =", &format!("arrivals = {written}\nasks ="));
        assert_eq!(parse("mine.toml", &text, STRATEGIES).unwrap().arrivals, expected);
    };
    check("\"poisson\"", ArrivalsChoice::Poisson);
    check("\"constant\"", ArrivalsChoice::Constant);
    check("{ trace = \"friday.csv\" }", ArrivalsChoice::Trace("friday.csv".to_owned()));
}

#[test]
fn an_empty_file_lacks_everything() {
    insta::assert_snapshot!(problems_of(""), @r#"
    1:1 E003 missing key 'name' in the scenario
        add: name = "role-demoted"
    1:1 E003 missing key 'question' in the scenario
        add: question = "How long can a demoted editor go on editing?"
    1:1 E003 missing key 'prose' in the scenario
        add: prose = "What must be revoked, what must survive, the realistic client, the trap."
    1:1 E003 missing key 'change' in the scenario
        add: [change]
    1:1 E003 missing key 'traffic' in the scenario
        add: [traffic]
    "#);
}

#[test]
fn what_is_not_toml_is_told_without_guessing_at_the_rest() {
    insta::assert_snapshot!(problems_of("name = \nquestion = \"?\"\nname = 3\nwhatever = 1\n[change\n"), @"
    1:8 E001 not valid TOML: string values must be quoted, expected literal string
    3:1 E001 not valid TOML: duplicate key
    4:1 E002 unknown key 'whatever' in the scenario
        known keys: name, question, prose, reason, change, traffic, client, fault, measure, expect, stands_for, stress
    5:8 E001 not valid TOML: unclosed table, expected `]`
    ");
}

#[test]
fn all_problems_come_at_once_in_the_order_of_the_file() {
    let text = after(&[
        ("name = \"mine\"", "nam = \"mine\""),
        ("\"revoke\"", "\"revok\""),
        ("\"subject\"", "\"tenants\""),
        ("honest_survives = true", "honest_survives = \"yes\""),
        ("watch = \"20s\"", "watch = 20"),
        ("percentile = 95", "percentile = 40"),
        ("changes = 80", "changes = 2.5"),
        ("expect.cached-lookup", "expect.cached-lokup"),
        ("\"broken\"", "\"brocken\""),
        ("cache_ttl", "cache_til"),
    ]);
    insta::assert_snapshot!(text, @r#"
    1:1 E002 unknown key 'nam' in the scenario
        did you mean 'name'? known keys: name, question, prose, reason, change, traffic, client, fault, measure, expect, stands_for, stress
    1:1 E003 missing key 'name' in the scenario
        add: name = "role-demoted"
    6:15 E005 unknown value 'revok' of 'orientation'
        did you mean 'revoke'? accepted: revoke, grant
    7:9 E005 unknown value 'tenants' of 'scope'
        did you mean 'tenant'? accepted: token, session, subject, address, role, tenant, all
    9:19 E004 'honest_survives' takes true or false, not text
        for example: honest_survives = true
    15:9 E006 duration 20 of 'watch' has no unit
        write it in quotes with a unit: watch = "20s"
    16:14 E007 40 is no value of 'percentile': it goes from 50 to 99.99
        percentile = 95
    17:11 E007 2.5 is no value of 'changes': changes are whole
        changes = 80
    19:9 E012 unknown strategy 'cached-lokup'
        did you mean 'cached-lookup'? known strategies: none, deny-list, cached-lookup, push, valid-after, deny-and-refresh, short-ttl, refresh-rotation
    20:11 E005 unknown value 'brocken' of 'verdict'
        did you mean 'broken'? accepted: holds, broken, undecided
    24:1 E013 unknown parameter 'cache_til' (did you mean 'cache_ttl'?); known are token_ttl, leeway, expiry, cache_ttl, cache_jitter, refresh_ahead, backstop, heartbeat, store_timeout, on_store_down, stale_for, issuer_timeout, jwks_ttl, jwks_cooldown, key_per, cache_inactive, clock_skew, refresh_at, refresh_jitter, refresh_timeout, refresh_grace, algorithm, extra_permissions, deny_preload, cutoff_rule, stream_check, stream_interval, stream_life, hole, fill_delay, bus_cut_every, bus_cut_for
    "#);
}

#[test]
fn values_of_the_wrong_kind() {
    let text = after(&[
        ("\"How long?\"", "[1, 2]"),
        ("\"What, who, how.\"", "\"  \""),
        ("asks =", "write = 1\nrate_per_s = -5\nchanges_per_s = \"often\"\narrivals = \"bursty\"\nasks ="),
        ("watch = \"20s\"", "watch = \"20\""),
        ("changes = 80", "changes = 0"),
        ("cache_ttl = \"60s\"", "cache_ttl = \"60\"\ntoken_ttl = 15"),
    ]);
    insta::assert_snapshot!(text, @r#"
    2:12 E004 'question' takes text in quotes, not a list
        for example: question = "How long can a demoted editor go on editing?"
    3:9 E007 'prose' is empty
        prose = "What must be revoked, what must survive, the realistic client, the trap."
    12:9 E004 'write' takes true or false, not a number
        for example: write = false
    13:14 E007 -5 is no value of 'rate_per_s': it goes from 0.1 to 10000000
        rate_per_s = 2000
    14:17 E004 'changes_per_s' takes a number, not text
        for example: changes_per_s = 0.5
    15:12 E005 unknown value 'bursty' of 'arrivals'
        accepted: poisson, constant, { trace = "file.csv" }
    19:9 E006 duration '20' is not a number with a unit; write it like '500us', '250ms', '3s', '2m' or '1h'
        watch = "20s"
    21:11 E007 0 is no value of 'changes': it goes from 1 to 1000000
        changes = 80
    28:13 E013 value '60' of parameter 'cache_ttl' is not a duration like '250ms' or '3s'
    29:13 E004 'token_ttl' takes text in quotes
        for example: token_ttl = "60s"
    "#);
}

#[test]
fn sections_that_are_none() {
    insta::assert_snapshot!(
        problems_of("name = \"a\"\nquestion = \"b\"\nprose = \"c\"\nchange = 1\ntraffic = []\nexpect = \"x\"\n[stands_for]\n"),
        @"
    4:10 E004 'change' takes a table, not a number
    5:11 E004 'traffic' takes a table, not a list
    6:10 E004 'expect' takes a table, not text
    "
    );
}

#[test]
fn names_that_cannot_be_names() {
    let text = after(&[
        ("\"mine\"", "\"My Scenario\""),
        ("permission = \"orders:write\"", "permission = \"orders/write\""),
        ("asks = \"orders:write\"", "asks = \"\""),
    ]);
    insta::assert_snapshot!(text, @r#"
    1:8 E008 'My Scenario' is no value of 'name'
        use at most 60 lowercase letters and digits, words joined by hyphens, such as 'role-demoted'
    8:14 E008 'orders/write' is no value of 'permission'
        use at most 100 letters, digits and : . _ = - because it becomes part of a URL
    12:8 E007 'asks' is empty
        asks = "orders:write"
    "#);
}

#[test]
fn clients_are_read_and_thieves_have_one_session() {
    let client = |change: &[(&str, &str)], words: &str| {
        let text = change.iter().fold(RIGHT.to_owned(), |text, (old, new)| text.replace(old, new));
        parse("mine.toml", &text.replace("[measure]", &format!("[client]\n{words}\n\n[measure]")), STRATEGIES)
    };
    let session = [("\"subject\"", "\"session\""), ("permission = \"orders:write\"\n", "")];
    let theft = [("\"subject\"", "\"session\"\nactor = \"thief\""), ("permission = \"orders:write\"\n", "")];
    assert_eq!(client(&[], "tabs = 3").unwrap().tabs, 3);
    let thief = client(&session, "model = \"thief_refreshing\"").unwrap();
    assert_eq!((thief.attacker, thief.tabs), (Attacker::ThiefRefreshing, 1));
    assert_eq!(client(&theft, "model = \"thief_refreshing\"").unwrap().actor, ChangeActor::Thief);
    let refused = |change: &[(&str, &str)], words: &str, expected: &str| {
        let problems = client(change, words).unwrap_err();
        assert!(problems.iter().any(|problem| problem.message.contains(expected)), "{problems:?}");
    };
    refused(&[], "model = \"thief_refreshing\"", "a copy of one session");
    refused(&theft, "tabs = 2", "needs a thief");
    refused(&[], "tabs = 1.5", "tabs are whole");
    refused(&[], "tabs = 9", "'tabs'");
    refused(&[], "model = \"thief\"", "unknown value 'thief' of 'model'");
}

#[test]
fn keys_that_contradict_each_other() {
    insta::assert_snapshot!(after(&[("\"revoke\"", "\"grant\""), ("\"subject\"", "\"session\"")]), @r#"
    7:9 E009 permissions are given to subjects, not to sessions, tokens or addresses
        use scope = "subject"
    "#);
    insta::assert_snapshot!(after(&[("\"subject\"", "\"token\"")]), @r#"
    8:14 E009 permissions are held by subjects: a session or token is revoked as a whole
        leave 'permission' out, or use scope = "subject"
    "#);
    let everyone =
        [("\"revoke\"", "\"grant\""), ("\"subject\"", "\"all\""), ("permission = \"orders:write\"\n", "")];
    insta::assert_snapshot!(after(&everyone), @r#"
    6:15 E009 a grant to everyone needs the permission that it gives
        add: permission = "orders:write"
    "#);
    // Without one, a grant gives back what a suspension took.
    assert_eq!(after(&[everyone[0], everyone[2]]), "no problem");
    insta::assert_snapshot!(after(&[("\"subject\"", "\"tenant\"\nactor = \"subject\"")]), @"
    7:9 E009 a subject changes itself, and nobody else by scope 'tenant'
        leave 'actor' out
    ");
    insta::assert_snapshot!(after(&[("asks = \"orders:write\"", "asks = \"orders:read\"")]), @r#"
    12:8 E009 the traffic asks for 'orders:read', but the change is about 'orders:write'
        write asks = "orders:write": otherwise no answer ever shows the change
    "#);
    insta::assert_snapshot!(after(&[("\"revoke\"", "\"grant\""), ("asks =", "stream = true\nasks =")]), @r#"
    6:15 E009 a grant cannot be watched through a stream: who was refused has none
        leave 'stream' out, or use orientation = "revoke"
    "#);
    // Alone, too few changes are for the plan to find: flags may have given more.
    insta::assert_snapshot!(after(&[("changes = 80", "changes = 40"), ("name = \"mine\"", "name = \"My\"")]), @r#"
    1:8 E008 'My' is no value of 'name'
        use at most 60 lowercase letters and digits, words joined by hyphens, such as 'role-demoted'
    16:14 E022 p95 needs at least 72 changes, the plan has 40
        set changes = 72 or more, or ask for a lower percentile
    "#);
    assert!(parse("mine.toml", &RIGHT.replace("changes = 80", "changes = 40"), STRATEGIES).is_ok());
}

#[test]
fn a_value_is_asked_for_where_the_change_turns_its_answer() {
    let check = |orientation: &str, changed: &str, asked: &str, expected: bool| {
        let text = after(&[
            ("\"revoke\"", &format!("\"{orientation}\"")),
            ("permission = \"orders:write\"", &format!("permission = \"{changed}\"")),
            ("asks = \"orders:write\"", &format!("asks = \"{asked}\"")),
        ]);
        assert_eq!(text == "no problem", expected, "{orientation} {changed}, asks {asked}: {text}");
    };
    check("revoke", "seats=5", "seats=8", true);
    check("revoke", "seats=5", "seats=6", true);
    check("revoke", "seats=5", "seats=5", false);
    check("revoke", "seats=5", "places=8", false);
    check("revoke", "seats", "seats=8", false);
    check("grant", "seats=8", "seats=8", true);
    check("grant", "seats=8", "seats=6", true);
    check("grant", "seats=8", "seats=9", false);
}

#[test]
fn a_missing_key_of_an_expectation_names_the_strategy() {
    insta::assert_snapshot!(after(&[("verdict = \"broken\"\n", "")]), @r#"
    19:1 E003 missing key 'verdict' in [expect.cached-lookup]
        add: verdict = "broken"
    "#);
}

#[test]
fn a_plan_that_cannot_answer_is_told_so() {
    let scenario = parse("mine.toml", RIGHT, STRATEGIES).unwrap();
    let bound = |strategy: &str, bound_ms| (strategy.to_owned(), bound_ms);
    let bounds_ms = vec![bound("deny-list", 0.0), bound("cached-lookup", 60_000.0)];
    let plan = PlanFacts { bounds_ms, changes: 20, changes_by_flag: false };
    insta::assert_snapshot!(show(&check_against(&scenario, RIGHT, &plan), RIGHT), @"
    15:9 E021 watching ends after 20 s, before the bound of 60 s that cached-lookup claims
        set watch to more than 60 s, or lower the setting that the bound follows from
    16:14 E022 p95 needs at least 72 changes, the plan has 20
        set changes = 72 or more, or ask for a lower percentile
    ");
    let by_flag = PlanFacts { changes: 20, changes_by_flag: true, ..PlanFacts::default() };
    insta::assert_snapshot!(show(&check_against(&scenario, RIGHT, &by_flag), RIGHT), @"
    16:14 E022 p95 needs at least 72 changes, the plan has 20
        give --changes 72 or more, or ask for a lower percentile
    ");
    let bounds_ms = vec![bound("cached-lookup", 1_500.0)];
    let plan = PlanFacts { bounds_ms, changes: 80, changes_by_flag: false };
    assert_eq!(check_against(&scenario, RIGHT, &plan), []);
}

#[test]
fn percentiles_need_their_changes() {
    let check = |percentile, expected| assert_eq!(changes_needed(percentile), expected, "p{percentile}");
    check(50.0, 6);
    check(90.0, 36);
    check(95.0, 72);
    check(99.0, 368);
    check(99.9, 3_688);
}

/// The right file with a fault.
fn with_fault(keys: &str) -> String {
    RIGHT.replace("[measure]", &format!("[fault]\n{keys}\n\n[measure]"))
}

#[test]
fn faults_are_read() {
    let check = |keys: &str, kind: Fault, at_ms: f64, lasts: Lasts| {
        let scenario = parse("mine.toml", &with_fault(keys), STRATEGIES).unwrap();
        let fault = scenario.fault.unwrap();
        assert_eq!((fault.kind, fault.at_ms, fault.lasts), (kind, at_ms, lasts), "{keys}");
        fault
    };
    check("kind = \"store-down\"\nfor = \"1500ms\"", Fault::StoreDown, 1_000.0, Lasts::Ms(1_500.0));
    let partition = "kind = \"bus-partition\"\nat = \"2s\"\nfor_backstops = 0.5";
    let fault = check(partition, Fault::BusPartition, 2_000.0, Lasts::Backstops(0.5));
    assert_eq!(fault.lasts_ms(600.0), Some(300.0));
    let slow = "kind = \"store-slow\"\nfor = \"1s\"\nslow_by = \"700ms\"";
    assert_eq!(check(slow, Fault::StoreSlow, 1_000.0, Lasts::Ms(1_000.0)).slow_by_ms, Some(700.0));
    check("kind = \"store-restarts-empty\"", Fault::StoreRestartsEmpty, 1_000.0, Lasts::Restart);
    check("kind = \"instance-restarts-cold\"", Fault::InstanceRestartsCold, 1_000.0, Lasts::Restart);
    for (text, skew_ms) in [("2s", 2_000.0), ("+2s", 2_000.0), ("-2s", -2_000.0)] {
        let skewed =
            check(&format!("kind = \"clock-skew\"\nskew = \"{text}\""), Fault::ClockSkew, 0.0, Lasts::Always);
        assert_eq!((skewed.skew_ms, skewed.lasts_ms(600.0)), (Some(skew_ms), None));
    }
    assert_eq!(parse("mine.toml", RIGHT, STRATEGIES).unwrap().fault, None);
}

#[test]
fn faults_say_everything_that_is_wrong_with_them() {
    let check = |keys: &str, expected: &str| {
        let text = with_fault(keys);
        assert_eq!(problems_of(&text), expected, "{keys}");
    };
    check("at = \"1s\"", "14:1 E003 missing key 'kind' in [fault]\n    add: kind = \"store-down\"");
    check(
        "kind = \"power-cut\"",
        "15:8 E005 unknown value 'power-cut' of 'kind'\n    accepted: store-down, store-slow, \
         store-restarts-empty, bus-partition, authority-down, instance-restarts-cold, clock-skew",
    );
    check("kind = \"store-down\"", "14:1 E003 missing key 'for' in [fault]\n    add: for = \"1500ms\"");
    check(
        "kind = \"store-down\"\nfor = \"1s\"\nfor_backstops = 2",
        "17:17 E009 'for' and 'for_backstops' both say how long it lasts\n    keep one of them",
    );
    check(
        "kind = \"store-slow\"\nfor = \"2h\"\nskew = \"1s\"",
        "14:1 E003 missing key 'slow_by' in [fault]\n    add: slow_by = \"1500ms\"\n\
         16:7 E007 'for' is longer than an hour\n    for = \"1500ms\"\n\
         17:8 E009 'skew' is about clock-skew, and this fault is store-slow\n    leave 'skew' out",
    );
    check(
        "kind = \"clock-skew\"\nat = \"1s\"\nskew = \"-0\"\nfor = \"1s\"",
        "16:6 E009 a clock is skewed from start to end\n    leave 'at' out\n\
         17:8 E007 'skew' must not be 0\n    skew = \"-2s\"\n\
         18:7 E009 clock-skew lasts from start to end\n    leave 'for' out",
    );
    check(
        "kind = \"instance-restarts-cold\"\nfor_backstops = 1\nslow_by = 3",
        "16:17 E009 instance-restarts-cold takes as long as starting again\n    leave 'for_backstops' out\n\
         17:11 E006 duration 3 of 'slow_by' has no unit\n    write it in quotes with a unit: slow_by = \"3s\"",
    );
}

#[test]
fn every_fault_has_its_word() {
    for fault in Fault::ALL {
        let extra = match fault {
            Fault::StoreSlow => "for = \"1s\"\nslow_by = \"1s\"",
            Fault::ClockSkew => "skew = \"1s\"",
            Fault::StoreRestartsEmpty | Fault::InstanceRestartsCold => "",
            _ => "for = \"1s\"",
        };
        let text = with_fault(&format!("kind = \"{}\"\n{extra}", fault.name()));
        let read = parse("mine.toml", &text, STRATEGIES)
            .unwrap_or_else(|problems| panic!("{}", show(&problems, &text)));
        assert_eq!(read.fault.map(|planned| planned.kind), Some(fault));
    }
}

#[test]
fn every_built_in_scenario_is_right() {
    let mut names = Vec::new();
    for (file, text) in built_in().into_iter().chain(stress()) {
        let scenario =
            parse(file, text, STRATEGIES).unwrap_or_else(|problems| panic!("{}", show(&problems, text)));
        assert_eq!(format!("scenarios/{}.toml", scenario.name), file);
        assert!(scenario.question.ends_with('?'), "{file}");
        for part in ["Must be revoked:", "Must survive:", "Realistic client:", "Trap:"] {
            assert!(scenario.prose.contains(part), "{file} lacks '{part}'");
        }
        names.push(scenario.name);
    }
    assert_eq!(names[..MAIN.len()], MAIN, "the main ones first");
    assert!(names[built_in().len()..].iter().all(|name| name.starts_with("stress-")));
    let questions: BTreeSet<String> = names.iter().cloned().collect();
    assert_eq!(questions.len(), names.len(), "each has a name of its own");
}

const STRESS_SECTION: &str = r#"
[stress]
opened_by = "hole=fill-check"
at_most = "250ms"
[stress.settings]
fill_delay = "300ms"
"#;

#[test]
fn a_stress_scenario_expects_something_of_an_open_hole_alone() {
    let text = format!("{RIGHT}{STRESS_SECTION}");
    let scenario = parse("mine.toml", &text, STRATEGIES).unwrap();
    let stress = scenario.stress.clone().unwrap();
    let strain = BTreeMap::from([("fill_delay".to_owned(), "300ms".to_owned())]);
    assert_eq!((stress.at_most_ms, &stress.settings), (Some(250.0), &strain));
    let mut settings = Settings::default();
    stress.apply(&mut settings);
    assert_eq!(settings.fill_delay_ms, 300);
    assert_eq!(scenario.expectation("cached-lookup", &settings), None, "the guard is in place");
    settings.set("hole", "fill-check").unwrap();
    let expected = scenario.expectation("cached-lookup", &settings).unwrap();
    assert_eq!(expected.verdict, ClaimVerdict::Broken);
    assert!(stress.takes("hole", "fill-check") && stress.takes("fill_delay", "1s"));
    assert!(!stress.takes("hole", "resync") && !stress.takes("bus_cut_for", "1s"));
    // A scenario without stress expects what it expects under all settings.
    let plain = parse("mine.toml", RIGHT, STRATEGIES).unwrap();
    assert!(plain.expectation("cached-lookup", &Settings::default()).is_some());
}

#[test]
fn mistakes_of_stress_have_their_places() {
    let check = |old: &str, new: &str, expected: &str| {
        let text = format!("{RIGHT}{STRESS_SECTION}").replace(old, new);
        let found = problems_of(&text);
        assert!(found.contains(expected), "{found}");
    };
    check("hole=fill-check", "hole", "'hole' is no setting and its value");
    check("hole=fill-check", "hole=luck", "'hole=luck' is no setting and its value");
    check("opened_by = \"hole=fill-check\"\n", "", "missing key 'opened_by'");
    check("fill_delay =", "fill_dela =", "unknown parameter 'fill_dela'");
    check("at_most = \"250ms\"", "at_most = 250", "write it in quotes with a unit");
}

/// The keys that the parser knows are those that the schema describes.
#[test]
fn parser_and_schema_agree() {
    let schema = schemars::schema_for!(ScenarioFile).to_value();
    let keys = |properties: &serde_json::Value| -> BTreeSet<String> {
        properties.as_object().unwrap().keys().cloned().collect()
    };
    let check = |properties: &serde_json::Value, known: &[&str]| {
        assert_eq!(keys(properties), known.iter().map(|key| (*key).to_owned()).collect());
    };
    check(&schema["properties"], ROOT);
    check(&schema["$defs"]["ChangeSection"]["properties"], CHANGE);
    check(&schema["$defs"]["TrafficSection"]["properties"], TRAFFIC);
    check(&schema["$defs"]["ClientSection"]["properties"], CLIENT);
    check(&schema["$defs"]["FaultSection"]["properties"], FAULT);
    check(&schema["$defs"]["MeasureSection"]["properties"], MEASURE);
    check(&schema["$defs"]["ExpectSection"]["properties"], EXPECT);
    check(&schema["$defs"]["StressSection"]["properties"], STRESS);
}

/// Serde reads what the parser reads.
#[test]
fn right_files_are_right_for_serde_too() {
    for text in built_in().into_iter().chain(stress()).map(|(_, text)| text).chain([RIGHT]) {
        let file: ScenarioFile = toml::from_str(text).unwrap();
        let scenario = parse("mine.toml", text, STRATEGIES).unwrap();
        assert_eq!((file.name, file.change.orientation), (scenario.name, scenario.orientation));
    }
}

/// Pieces that files are made of, right and wrong.
fn pieces() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("name = \"a-b\"".to_owned()),
        Just("[change]".to_owned()),
        Just("[traffic]".to_owned()),
        Just("[measure]".to_owned()),
        Just("[fault]".to_owned()),
        Just("kind = \"clock-skew\"".to_owned()),
        Just("skew = \"-µ\"".to_owned()),
        Just("[expect.none]".to_owned()),
        Just("[stands_for]".to_owned()),
        Just("watch = 'µµ'".to_owned()),
        Just("arrivals = { trace = 3 }".to_owned()),
        Just("scope = \"token\"".to_owned()),
        "[a-z_]{1,12} ?= ?(\"[a-zµ ]{0,6}\"|[0-9]{1,20}|[0-9.e+]{1,8}|true|\\[\\]|\\{ *\\})",
        "\\PC{0,30}",
    ];
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

fn check_spans(text: &str) {
    let Err(problems) = parse("any.toml", text, STRATEGIES) else { return };
    assert!(!problems.is_empty());
    for problem in problems {
        assert!(problem.span.start <= problem.span.end && problem.span.end <= text.len(), "{problem:?}");
        assert!(text.get(problem.span.clone()).is_some(), "{problem:?} cuts a character");
        let (line, column) = line_column(text, problem.span.start);
        assert!(line >= 1 && column >= 1 && line <= text.lines().count() + 1);
    }
}

proptest! {
    #[test]
    fn no_text_panics_and_every_place_is_in_the_file(text in "\\PC{0,200}") {
        check_spans(&text);
    }

    #[test]
    fn no_file_panics_and_every_place_is_in_the_file(text in pieces()) {
        check_spans(&text);
    }

    #[test]
    fn no_damaged_file_panics(at in 0..RIGHT.len(), length in 0..40_usize, inserted in "\\PC{0,8}") {
        let mut text = RIGHT.to_owned();
        let start = text.floor_char_boundary(at);
        let end = text.floor_char_boundary((start + length).min(text.len()));
        text.replace_range(start..end, &inserted);
        check_spans(&text);
    }
}
