//! From claims to evidence: which cells decide, what their figures are, and what follows.

use revbench_model::summary::{Cell, CellRole, Cost, Exposure, IntervalMs, Outcome, Verdict};

use super::saying::{Against, Claimed, Figure, Relation, Saying};
use crate::RunDocuments;
use crate::estimate::Estimate;
use crate::figures::is_exact;
use crate::noise::{self, Percentile};
use crate::number::{self, count, duration_ms, duration_us, plain};
use crate::question::{Question, questions};

/// What the data say of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// It is so.
    Yes,
    /// It is not so.
    No,
    /// They cannot tell.
    Unknown,
}

/// A claim as a run's cell decides it.
#[derive(Clone, Debug)]
pub(crate) struct Evidence {
    /// The run.
    pub run: String,
    /// Scenario and strategy.
    pub cell: String,
    /// The figure with its interval.
    pub figure: String,
    /// The other, in words.
    pub against: String,
    /// What follows.
    pub holds: Holds,
}

/// What the runs say of a saying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Every claim holds.
    True,
    /// No claim holds.
    False,
    /// Some hold and others do not.
    Depends,
    /// Measured, and the data cannot tell.
    Undecided,
    /// No run has the cells.
    NotMeasured,
}

/// A figure with its ends; equal where it was counted. An end that is not known is infinite.
#[derive(Clone, Debug, PartialEq)]
struct Measured {
    lower: f64,
    upper: f64,
    text: String,
}

impl Measured {
    fn counted(value: f64, text: String) -> Measured {
        Measured { lower: value, upper: value, text }
    }

    fn times(&self, factor: f64) -> Measured {
        let (lower, upper) = (self.lower * factor, self.upper * factor);
        let text =
            if factor == 1.0 { self.text.clone() } else { format!("{} × {}", plain(factor), self.text) };
        Measured { lower, upper, text }
    }
}

/// The evidence for a claim in all runs.
pub(crate) fn evidence(runs: &[RunDocuments], claimed: &Claimed) -> Vec<Evidence> {
    runs.iter().flat_map(|run| of_run(run, claimed)).collect()
}

fn of_run(run: &RunDocuments, claimed: &Claimed) -> Vec<Evidence> {
    let questions = questions(&run.summary);
    let mut found = Vec::new();
    for question in questions.iter().filter(|question| question.scenario == claimed.scenario) {
        for &cell in question.cells.iter().filter(|cell| is_meant(cell, claimed)) {
            let pair = measured(question, cell, claimed.figure)
                .zip(against(run, &questions, question, cell, claimed));
            found.extend(pair.map(|(figure, other)| Evidence {
                run: run.summary.run.clone(),
                cell: format!("{} · {}", question.scenario, question.label(cell)),
                holds: holds(&figure, claimed.relation, &other),
                figure: figure.text,
                against: other.text,
            }));
        }
    }
    found
}

fn is_meant(cell: &Cell, claimed: &Claimed) -> bool {
    let has = |(name, value): &(&str, u64)| cell.params.get(*name).and_then(|v| v.as_u64()) == Some(*value);
    cell.strategy == claimed.strategy && cell.outcome == Outcome::Measured && claimed.params.iter().all(has)
}

fn holds(figure: &Measured, relation: Relation, other: &Measured) -> Holds {
    let (above, at_most) = (figure.lower > other.upper, figure.upper <= other.lower);
    match relation {
        Relation::Above if above => Holds::Yes,
        Relation::Above if at_most => Holds::No,
        Relation::AtMost if at_most => Holds::Yes,
        Relation::AtMost if above => Holds::No,
        Relation::Above | Relation::AtMost => Holds::Unknown,
    }
}

/// What all evidence says together; a claim without evidence takes no part, but for the first, which is what the
/// saying is about: without it nothing was measured.
pub(crate) fn judgement(of_claims: &[Vec<Evidence>]) -> Judgement {
    let all = || of_claims.iter().flatten();
    let some = |wanted| all().any(|evidence| evidence.holds == wanted);
    match (some(Holds::Yes), some(Holds::No)) {
        _ if of_claims.first().is_none_or(Vec::is_empty) => Judgement::NotMeasured,
        (true, true) => Judgement::Depends,
        (true, false) => Judgement::True,
        (false, true) => Judgement::False,
        (false, false) => Judgement::Undecided,
    }
}

/// The cells that a saying needs and no run has.
pub(crate) fn missing(saying: &Saying, of_claims: &[Vec<Evidence>]) -> Vec<String> {
    let lacks = saying.claims.iter().zip(of_claims).filter(|(_, evidence)| evidence.is_empty());
    let mut names: Vec<String> = lacks
        .map(|(claimed, _)| {
            let params: Vec<String> =
                claimed.params.iter().map(|(name, v)| format!(" with {name} {v}")).collect();
            format!("{} × {}{}", claimed.scenario, claimed.strategy, params.concat())
        })
        .collect();
    names.dedup();
    names
}

fn measured(question: &Question<'_>, cell: &Cell, figure: Figure) -> Option<Measured> {
    let believed = |verdict: Option<Verdict>| verdict.is_some_and(|verdict| verdict != Verdict::Invalid);
    let by_staleness = believed(cell.validity.staleness);
    let window = |of: Option<IntervalMs>, resolution_ms: f64| {
        let of = of?;
        let text = number::window(of, resolution_ms);
        Some(Measured { lower: of.lower, upper: of.upper.unwrap_or(f64::INFINITY), text })
    };
    let staleness = cell.staleness.as_ref().filter(|_| by_staleness);
    let exposed = |of: fn(&Exposure) -> u64| {
        let value = of(&cell.exposure.filter(|_| by_staleness)?);
        Some(Measured::counted(value as f64, count(value)))
    };
    match figure {
        Figure::Added(percentile) => added(question, cell, percentile),
        Figure::StoreOps => cost(cell, "store_ops_per_1k", |c| c.store_ops_per_1k),
        Figure::TokensIssued => cost(cell, "tokens_issued_per_1k", |c| c.tokens_issued_per_1k),
        Figure::AuthorityCpu => {
            cost(cell, "authority_cpu_us_per_request", |c| c.authority_cpu_us_per_request)
        }
        Figure::ResourceCpu => cost(cell, "resource_cpu_us_per_request", |c| c.resource_cpu_us_per_request),
        Figure::TokenBytes => cost(cell, "token_bytes", |c| c.token_bytes),
        Figure::WorstWindow => staleness.and_then(|s| window(s.max_ms, s.resolution_ms)),
        Figure::MedianWindow => staleness.and_then(|s| window(s.p50_ms, s.resolution_ms)),
        Figure::NeverConverged => staleness.map(|s| {
            let text = format!("{} of {}", count(s.never_converged), count(s.changes));
            Measured::counted(s.never_converged as f64, text)
        }),
        Figure::StaleAllowed => exposed(|e| e.stale_allowed),
        Figure::WritesAfterAck => exposed(|e| e.writes_after_ack),
        Figure::ForcedLogouts => exposed(|e| e.forced_logouts),
        Figure::MessagesPerChange => {
            let value = *cell.cost.as_ref()?.unit.per_change.get("messages")?;
            Some(Measured::counted(value, plain(value)))
        }
        Figure::StoreMemory => {
            let value = *cell.cost.as_ref()?.memory_mib.get("store")?;
            Some(Measured::counted(value, format!("{} MiB", plain(value))))
        }
        Figure::CodeLines => {
            let lines = cell.must_run.as_ref()?.code_lines?;
            Some(Measured::counted(f64::from(lines), count(u64::from(lines))))
        }
    }
}

/// A difference without an interval is known to its floor on either side.
fn added(question: &Question<'_>, cell: &Cell, percentile: Percentile) -> Option<Measured> {
    if cell.role == CellRole::Control || noise::verdict(question, cell) == Some(Verdict::Invalid) {
        return None;
    }
    let added = noise::added(question, cell, percentile)?;
    let (lower, upper) =
        added.interval_us.unwrap_or((added.point_us - added.floor_us, added.point_us + added.floor_us));
    Some(Measured { lower, upper, text: crate::figures::difference(&added) })
}

fn cost(cell: &Cell, key: &str, read: impl Fn(&Cost) -> f64) -> Option<Measured> {
    let believed = cell.validity.cost.is_some_and(|verdict| verdict != Verdict::Invalid);
    let value = read(cell.cost.as_ref().filter(|_| believed)?);
    let ends = number::interval_of(cell.ci95.get("cost").and_then(|family| family.get(key)));
    match ends.filter(|_| !is_exact(cell, key)) {
        Some(ends) => {
            let text = Estimate { value, ends }.plain();
            Some(Measured { lower: ends.0.min(value), upper: ends.1.max(value), text })
        }
        None => Some(Measured::counted(value, plain(value))),
    }
}

fn against(
    run: &RunDocuments,
    questions: &[Question<'_>],
    question: &Question<'_>,
    cell: &Cell,
    claimed: &Claimed,
) -> Option<Measured> {
    match claimed.against {
        Against::Limit(limit) => Some(Measured::counted(limit, limit_words(claimed.figure, limit))),
        Against::NoiseFloor => {
            let Figure::Added(percentile) = claimed.figure else { return None };
            let floor_us = noise::added(question, cell, percentile)?.floor_us;
            Some(Measured::counted(floor_us, format!("the noise floor, {}", duration_us(floor_us))))
        }
        Against::RoundTrips(times) => {
            let rtt_us = run.summary.store.rtt_us.p50?;
            let round_trip =
                Measured::counted(rtt_us, format!("the round trip to the store, {}", duration_us(rtt_us)));
            Some(round_trip.times(times))
        }
        Against::Resolution => {
            let resolution_ms = cell.staleness.as_ref()?.resolution_ms;
            Some(Measured::counted(resolution_ms, format!("the resolution, {}", duration_ms(resolution_ms))))
        }
        Against::Strategy(name, times) => {
            let other = question.cells.iter().find(|other| other.strategy == name)?;
            let figure = measured(question, other, claimed.figure)?.times(times);
            Some(Measured { text: format!("{name}: {}", figure.text), ..figure })
        }
        Against::Scenario(name) => {
            let question = questions.iter().find(|question| question.scenario == name)?;
            let other = question.cells.iter().find(|other| is_meant(other, claimed))?;
            let figure = measured(question, other, claimed.figure)?;
            Some(Measured { text: format!("{name}: {}", figure.text), ..figure })
        }
    }
}

fn limit_words(figure: Figure, limit: f64) -> String {
    match figure {
        Figure::WorstWindow | Figure::MedianWindow => duration_ms(limit),
        Figure::Added(_) => duration_us(limit),
        _ => plain(limit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    const CLAIMED: Claimed = Claimed {
        words: "",
        scenario: "role-demoted",
        strategy: "lookup",
        params: &[],
        figure: Figure::Added(Percentile::P50),
        relation: Relation::Above,
        against: Against::NoiseFloor,
    };

    fn of(claimed: Claimed) -> Vec<(String, String, Holds)> {
        let evidence = evidence(&[fixture::ten_blocks()], &claimed);
        evidence.into_iter().map(|evidence| (evidence.figure, evidence.against, evidence.holds)).collect()
    }

    #[test]
    fn intervals_decide_and_gaps_do_not() {
        let check = |lower: f64, upper: f64, relation, expected| {
            let figure = Measured { lower, upper, text: String::new() };
            let other = Measured { lower: 10.0, upper: 20.0, text: String::new() };
            assert_eq!(holds(&figure, relation, &other), expected, "{lower}–{upper}");
        };
        check(21.0, 30.0, Relation::Above, Holds::Yes);
        check(20.0, 30.0, Relation::Above, Holds::Unknown);
        check(1.0, 10.0, Relation::Above, Holds::No);
        check(1.0, 10.0, Relation::AtMost, Holds::Yes);
        check(1.0, 11.0, Relation::AtMost, Holds::Unknown);
        check(21.0, f64::INFINITY, Relation::AtMost, Holds::No);
    }

    #[test]
    fn figures_come_from_the_run() {
        let seen = of(CLAIMED);
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].0.as_str(), seen[0].2), ("+548 µs (540–556)", Holds::Yes));
        let trips = of(Claimed { against: Against::RoundTrips(2.0), ..CLAIMED });
        assert_eq!((trips[0].1.as_str(), trips[0].2), ("2 × the round trip to the store, 507 µs", Holds::No));
        let ops = Claimed {
            figure: Figure::StoreOps,
            relation: Relation::AtMost,
            against: Against::Strategy("deny-list", 1.0),
            ..CLAIMED
        };
        assert_eq!(of(ops)[0].2, Holds::Yes);
        assert!(of(Claimed { strategy: "push", ..CLAIMED }).is_empty());
        assert!(of(Claimed { params: &[("extra_permissions", 50)], ..CLAIMED }).is_empty());
    }

    #[test]
    fn what_is_struck_is_no_evidence() {
        let invalid = [fixture::invalid()];
        let windows = Claimed { figure: Figure::WorstWindow, against: Against::Resolution, ..CLAIMED };
        for claimed in
            [CLAIMED, windows, Claimed { figure: Figure::StoreOps, against: Against::Limit(0.0), ..CLAIMED }]
        {
            assert!(evidence(&invalid, &claimed).is_empty(), "{claimed:?}");
        }
    }

    #[test]
    fn claims_make_a_judgement_together() {
        let check = |of: &[&[Holds]], expected| {
            let evidence = |&holds: &Holds| Evidence {
                run: String::new(),
                cell: String::new(),
                figure: String::new(),
                against: String::new(),
                holds,
            };
            let claims: Vec<Vec<Evidence>> =
                of.iter().map(|claim| claim.iter().map(evidence).collect()).collect();
            assert_eq!(judgement(&claims), expected, "{of:?}");
        };
        check(&[&[Holds::Yes], &[Holds::Yes]], Judgement::True);
        check(&[&[Holds::No], &[]], Judgement::False);
        check(&[&[], &[Holds::No]], Judgement::NotMeasured);
        check(&[&[Holds::Yes], &[Holds::No]], Judgement::Depends);
        check(&[&[Holds::Yes, Holds::Unknown]], Judgement::True);
        check(&[&[Holds::Unknown]], Judgement::Undecided);
        check(&[&[], &[]], Judgement::NotMeasured);
    }
}
