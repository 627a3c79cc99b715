//! What a strategy promises under each fault and under each policy that it can follow for the time without answers;
//! policies that come to the same thing are one row.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use revbench_model::duration::format_ms;
use revbench_model::settings::OnStoreDown;
use revbench_model::{Fault, Orientation, Settings};
use revbench_strategies::{ClaimedUnderFault, Limit, Question, StrategyKind, UnderFault, claim_under};
use serde::Serialize;

/// A promise under a fault.
#[derive(Serialize)]
pub(crate) struct FaultRow {
    fault: Fault,
    orientation: Orientation,
    /// The values of `on_store_down` with which this is so.
    policies: Vec<OnStoreDown>,
    #[serde(flatten)]
    under: UnderFault,
}

/// Every promise of a strategy about changes like the one in question, in either orientation.
pub(crate) fn rows(kind: StrategyKind, settings: &Settings, question: &Question) -> Vec<FaultRow> {
    let mut rows: Vec<FaultRow> = Vec::new();
    for fault in Fault::ALL {
        for orientation in [Orientation::Revoke, Orientation::Grant] {
            let question = Question { orientation, ..*question };
            for policy in kind.policies() {
                let settings = Settings { on_store_down: policy, ..settings.clone() };
                let under = claim_under(kind, fault, &settings, &question);
                let alike = |row: &&mut FaultRow| {
                    (row.fault, row.orientation) == (fault, orientation) && row.under == under
                };
                match rows.iter_mut().find(alike) {
                    Some(row) => row.policies.push(policy),
                    None => rows.push(FaultRow { fault, orientation, policies: vec![policy], under }),
                }
            }
        }
    }
    rows
}

/// The policies that a strategy cannot follow, and why.
pub(crate) fn cannot_follow(kind: StrategyKind) -> BTreeMap<&'static str, &'static str> {
    let unable = |policy: OnStoreDown| Some((policy.name(), kind.cannot_follow(policy)?));
    OnStoreDown::ALL.into_iter().filter_map(unable).collect()
}

/// One line for each row, and for each policy that the strategy cannot follow.
pub(super) fn text(kind: StrategyKind, rows: &[FaultRow]) -> String {
    let mut text = String::new();
    let policies = kind.policies().count();
    let mut last = None;
    for row in rows {
        let fault = if last == Some(row.fault) { "" } else { row.fault.name() };
        last = Some(row.fault);
        let _ = writeln!(text, "  {fault:<22} {:<6} {}", row.orientation.name(), row.words(policies));
    }
    for (policy, why) in cannot_follow(kind) {
        let _ = writeln!(text, "  {policy}: not here, {why}");
    }
    text
}

impl FaultRow {
    /// `all`: how many policies there are for this strategy.
    fn words(&self, all: usize) -> String {
        let policies: Vec<&str> = self.policies.iter().map(|policy| policy.name()).collect();
        let condition =
            if self.policies.len() == all { String::new() } else { format!("{}: ", policies.join(", ")) };
        format!("{condition}{}; {}", claimed(&self.under.claimed), self.under.meanwhile.words())
    }
}

fn claimed(claimed: &ClaimedUnderFault) -> String {
    match claimed {
        ClaimedUnderFault::Unaffected => "as without it".to_owned(),
        ClaimedUnderFault::Bound { formula, bound_ms } => {
            format!("within {} = {formula}", format_ms(*bound_ms))
        }
        ClaimedUnderFault::BoundAfter { bound_ms: 0.0, .. } => "with its end".to_owned(),
        ClaimedUnderFault::BoundAfter { formula, bound_ms } => {
            format!("within {} of its end = {formula}", format_ms(*bound_ms))
        }
        ClaimedUnderFault::Unbounded { why, at_most } => match at_most {
            Some(Limit { formula, bound_ms }) => {
                format!("unbounded, at most {} = {formula}: {why}", format_ms(*bound_ms))
            }
            None => format!("unbounded: {why}"),
        },
        ClaimedUnderFault::NoClaim => "claims nothing".to_owned(),
        ClaimedUnderFault::Cannot { why } => format!("cannot: {why}"),
    }
}
