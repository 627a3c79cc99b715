//! Claimed bounds: the verdict that the run itself reached, with the worst window of both beside it.

use revbench_model::summary::{Cell, Claim, ClaimVerdict};

use super::pairing::Pair;
use super::row::{Difference, Figure, Finding, Kind, Metric, NotCompared, Row, Unit};

const WORST: Metric = Metric { key: "claim.verdict", words: "worst staleness", unit: Unit::Milliseconds };

/// The row on the claim of the cell as it is now, also where the baseline has no such cell.
pub(super) fn rows(pair: &Pair<'_>, not_compared: &mut Vec<NotCompared>) -> Option<Row> {
    let claim = pair.now.claim.as_ref().filter(|_| pair.is_measured_now())?;
    let Some(verdict) = claim.verdict else {
        not_compared.push(NotCompared::invalid(&pair.name, "claim", "not judged: staleness is invalid now"));
        return None;
    };
    let worst = |cell: &Cell| cell.staleness.as_ref().and_then(|s| s.max_ms);
    let (before, now) = (pair.baseline().and_then(worst), worst(pair.now));
    let (finding, why) = judged(claim, verdict);
    Some(Row {
        cell: pair.name.clone(),
        metric: WORST,
        counter: None,
        before: before.map(Figure::window),
        now: now.map(Figure::window),
        difference: before.zip(now).map(|(before, now)| Difference::between(before, now)),
        limit: Some(claim.bound_ms),
        kind: Kind::Bound,
        finding,
        why,
    })
}

fn judged(claim: &Claim, verdict: ClaimVerdict) -> (Finding, String) {
    let evidence = &claim.evidence;
    let counted = format!("{} of {} changes", evidence.violating, evidence.changes);
    match (verdict, claim.expected) {
        (ClaimVerdict::Broken, ClaimVerdict::Broken) => {
            let why = claim.expected_why.as_deref().unwrap_or("the scenario expects it");
            (Finding::Holds, format!("broken, as expected: {why}"))
        }
        (ClaimVerdict::Broken, _) => {
            let why = format!("{counted} were certainly stale for longer than {}", claim.formula);
            (Finding::Regressed, why)
        }
        (ClaimVerdict::Holds, ClaimVerdict::Broken) => {
            (Finding::Holds, "the scenario expects a broken bound, and it was not seen".to_owned())
        }
        (ClaimVerdict::Holds, _) => (Finding::Holds, String::new()),
        (ClaimVerdict::Undecided, _) => {
            let why = "the data cannot tell whether the bound holds: more changes, or a denser grid";
            (Finding::Inconclusive, why.to_owned())
        }
    }
}
