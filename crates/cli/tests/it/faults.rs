//! What is printed about faults.

use revbench_model::Fault;
use revbench_model::settings::OnStoreDown;
use revbench_strategies::StrategyKind;
use serde_json::Value;

use crate::call;

fn data(arguments: &[&str]) -> String {
    let (code, stdout, stderr) = call(arguments);
    assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
    stdout
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&data(&[arguments, &["--json"]].concat())).unwrap()
}

/// The lines about faults of a card.
fn under_faults(name: &str) -> String {
    let text = data(&["explain", name]);
    let start = text.find("\nunder a fault").unwrap_or_else(|| panic!("{name}: {text}"));
    text[start + 1..].to_owned()
}

#[test]
fn every_card_answers_for_every_fault() {
    for kind in StrategyKind::ALL {
        let text = under_faults(kind.name());
        for fault in Fault::ALL {
            assert!(text.contains(&format!("  {} ", fault.name())), "{}: {text}", kind.name());
        }
        insta::assert_snapshot!(format!("under-faults-{}", kind.name()), text);
    }
}

#[test]
fn lists_and_cards_agree_and_leave_no_policy_out() {
    let listed = json(&["list", "strategies"]);
    for strategy in listed.as_array().unwrap() {
        let name = strategy["name"].as_str().unwrap();
        let rows = strategy["under_faults"].as_array().unwrap();
        assert_eq!(rows, json(&["explain", name])["under_faults"].as_array().unwrap(), "{name}");
        for fault in Fault::ALL {
            for orientation in ["revoke", "grant"] {
                let of = rows
                    .iter()
                    .filter(|row| row["fault"] == fault.name() && row["orientation"] == orientation);
                let mut policies: Vec<&str> = of
                    .inspect(|row| assert!(row["kind"].is_string() && row["meanwhile"].is_string(), "{row}"))
                    .flat_map(|row| row["policies"].as_array().unwrap())
                    .map(|policy| policy.as_str().unwrap())
                    .collect();
                let unable = strategy["cannot_follow"].as_object().unwrap();
                assert!(unable.values().all(|why| why.as_str().is_some_and(|why| why.len() > 10)), "{name}");
                policies.extend(unable.keys().map(String::as_str));
                policies.sort_unstable();
                let mut all = OnStoreDown::ALL.map(OnStoreDown::name);
                all.sort_unstable();
                assert_eq!(policies, all, "{name} {fault:?} {orientation}");
            }
        }
    }
}

#[test]
fn a_card_states_bounds_under_faults_for_the_given_settings() {
    let card = json(&["explain", "cached-lookup", "--param", "cache_ttl=60s,stale_for=5m"]);
    let row =
        card["under_faults"].as_array().unwrap().iter().find(|row| {
            row["fault"] == "store-down" && row["policies"] == serde_json::json!(["serve-stale"])
        });
    let row = row.unwrap();
    assert_eq!((&row["kind"], &row["bound_ms"]), (&"bound".into(), &360_500.0.into()), "{row}");
    assert_eq!(row["meanwhile"], "stale-then-refuses");
}

#[test]
fn faults_are_listed_and_scenarios_say_their_reason() {
    let names: Vec<String> = json(&["list", "faults"])
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, Fault::ALL.map(|fault| fault.name().to_owned()));
    assert!(data(&["list", "faults"]).lines().all(|line| line.len() > 40));
    for scenario in json(&["list", "scenarios"]).as_array().unwrap() {
        assert!(scenario["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{scenario}");
    }
}
