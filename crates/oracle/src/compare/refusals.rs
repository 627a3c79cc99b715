//! Runs that answer different questions are not compared.

use std::collections::BTreeSet;

use revbench_model::summary::{Cell, SCHEMA, Summary};

use super::pairing::is_same;
use super::row::CellName;

/// Offered rates are drawn at random; a difference of more than this share was planned.
const RATE_SHARE: f64 = 0.25;

/// Every reason not to compare two runs, all at once; empty where there is none (`docs/METHODOLOGY.md` §10).
pub fn refusals(before: &Summary, now: &Summary) -> Vec<String> {
    let mut reasons = Vec::new();
    for (name, summary) in [("the baseline", before), ("the run", now)] {
        if summary.schema != SCHEMA {
            reasons.push(format!("{name} has schema '{}', this version reads '{SCHEMA}'", summary.schema));
        }
    }
    let distance = |summary: &Summary| format!("{} µs", summary.store.rtt_us.asked);
    differ(&mut reasons, "profile", &before.profile, &now.profile);
    differ(&mut reasons, "store", &before.store.kind, &now.store.kind);
    let database =
        |summary: &Summary| summary.database.as_ref().map_or("none", |database| &database.kind).to_owned();
    differ(&mut reasons, "database", &database(before), &database(now));
    differ(&mut reasons, "transport", &before.transport, &now.transport);
    differ(&mut reasons, "store distance", &distance(before), &distance(now));
    let (old, new) = (scenarios(before), scenarios(now));
    reasons.extend(old.difference(&new).map(|name| format!("scenario {name} is in the baseline only")));
    reasons.extend(new.difference(&old).map(|name| format!("scenario {name} is not in the baseline")));
    for cell in &before.cells {
        let alike: Vec<&Cell> = now.cells.iter().filter(|other| is_same(cell, other)).collect();
        let with_its_settings = alike.iter().find(|other| other.params == cell.params);
        let at_its_point = || alike.iter().find(|other| other.swept == cell.swept);
        if let Some(other) = with_its_settings.or_else(at_its_point) {
            let name = CellName::of(cell, &before.cells).to_string();
            reasons.extend(cell_reasons(cell, other).into_iter().map(|reason| format!("{name}: {reason}")));
        }
    }
    reasons
}

fn differ(reasons: &mut Vec<String>, what: &str, before: &str, now: &str) {
    if before != now {
        reasons.push(format!("{what} is '{before}' in the baseline and '{now}' now"));
    }
}

fn scenarios(summary: &Summary) -> BTreeSet<String> {
    summary.cells.iter().map(|cell| format!("{} ({})", cell.scenario, cell.orientation.name())).collect()
}

fn cell_reasons(before: &Cell, now: &Cell) -> Vec<String> {
    let mut reasons = Vec::new();
    let names: BTreeSet<&String> = before.params.keys().chain(now.params.keys()).collect();
    let value = |cell: &Cell, name: &String| {
        cell.params.get(name).map_or_else(|| "absent".to_owned(), ToString::to_string)
    };
    for name in names {
        differ(&mut reasons, name, &value(before, name), &value(now, name));
    }
    differ(&mut reasons, "instances", &before.instances.to_string(), &now.instances.to_string());
    if let (Some(old), Some(new)) = (before.lambda_t, now.lambda_t)
        && reasons.is_empty()
        && apart(old, new) > 0.01
    {
        differ(&mut reasons, "λT", &format!("{old:.3}"), &format!("{new:.3}"));
    }
    if let (Some(old), Some(new)) = (before.rate_per_s, now.rate_per_s)
        && apart(old.offered, new.offered) > RATE_SHARE
    {
        differ(
            &mut reasons,
            "offered rate",
            &format!("{:.0}/s", old.offered),
            &format!("{:.0}/s", new.offered),
        );
    }
    reasons
}

/// Difference as a share of the larger.
fn apart(a: f64, b: f64) -> f64 {
    let larger = a.abs().max(b.abs());
    if larger > 0.0 { (a - b).abs() / larger } else { 0.0 }
}
