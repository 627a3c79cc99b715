//! `docs/FOLKLORE.md` as text.

use super::evidence::{Evidence, Holds, Judgement, evidence, judgement, missing};
use super::saying::Saying;
use super::sayings::SAYINGS;
use crate::RunDocuments;
use crate::number::count;
use crate::table::{Table, markdown_escaped as escaped, printable_lines};
use crate::words;

/// The sayings with their verdicts, from these runs. The same runs give the same bytes.
pub fn folklore(runs: &[RunDocuments]) -> String {
    let judged: Vec<(&Saying, Vec<Vec<Evidence>>)> = SAYINGS
        .iter()
        .map(|saying| (saying, saying.claims.iter().map(|claimed| evidence(runs, claimed)).collect()))
        .collect();
    let mut parts = vec![head(runs), index(&judged).markdown()];
    parts.extend(judged.iter().map(|(saying, of_claims)| section(saying, of_claims, runs.len() > 1)));
    let text = parts.iter().map(|part| part.trim_end()).collect::<Vec<_>>().join("\n\n");
    printable_lines(&text) + "\n"
}

fn head(runs: &[RunDocuments]) -> String {
    let name = |run: &RunDocuments| {
        format!(
            "`{}` (profile {}, {})",
            escaped(&run.summary.run),
            escaped(&run.summary.profile),
            escaped(&words::store(&run.summary.store))
        )
    };
    let names: Vec<String> = runs.iter().map(name).collect();
    format!(
        "# Sayings about revoking JWTs, measured\n\n\
         Written by `revbench folklore` from {}; nothing here is edited by hand, and `scripts/checks/reports` holds the page \
         against its runs. A verdict is about these strategies, settings and machines, and about no product \
         ([BIAS](BIAS.md)); what the figures mean is in [METHODOLOGY](METHODOLOGY.md).\n\n\
         Each saying is taken apart into claims about figures, the first of which is what it is about. *True here*: the data \
         bear out every claim that they decide. *False here*: none of them. *It depends*: some, and the line says on what. \
         *Undecided*: measured, and the intervals overlap. *Not measured*: no given run has a figure for the first claim. \
         Where a run has intervals over blocks or changes, the interval decides and not the figure.",
        words::list(&names)
    )
}

fn index(judged: &[(&Saying, Vec<Vec<Evidence>>)]) -> Table {
    let mut table = Table::new("", &["saying", "verdict"]);
    for (saying, of_claims) in judged {
        table.push_plain([format!("“{}”", saying.words), verdict(saying, of_claims)]);
    }
    table
}

fn verdict(saying: &Saying, of_claims: &[Vec<Evidence>]) -> String {
    let words = match judgement(of_claims) {
        Judgement::True => "true here".to_owned(),
        Judgement::False => "false here".to_owned(),
        Judgement::Depends => format!("it depends: {}", saying.depends),
        Judgement::Undecided => "undecided".to_owned(),
        Judgement::NotMeasured => return "not measured".to_owned(),
    };
    let of = |is_it: fn(&Vec<Evidence>) -> bool| {
        of_claims.iter().filter(|evidence| is_it(evidence)).count() as u64
    };
    let is_open = |evidence: &Vec<Evidence>| evidence.iter().any(|one| one.holds == Holds::Unknown);
    let (all, lacking, open) = (of(|_| true), of(Vec::is_empty), of(is_open));
    let mut words = words;
    if lacking > 0 {
        words.push_str(&format!("; {} of {} claims measured", count(all - lacking), count(all)));
    }
    if open > 0 && open < all - lacking {
        words.push_str(&format!("; undecided in {} of them", count(open)));
    }
    words
}

fn section(saying: &Saying, of_claims: &[Vec<Evidence>], names_runs: bool) -> String {
    let mut parts = vec![
        format!("## “{}”", escaped(saying.words)),
        format!(
            "**{}.** Said by {}.",
            words::capitalised(&escaped(&verdict(saying, of_claims))),
            escaped(saying.source)
        ),
    ];
    let table = table(saying, of_claims, names_runs);
    if !table.rows.is_empty() {
        parts.push(table.markdown());
    }
    let missing = missing(saying, of_claims);
    if !missing.is_empty() {
        parts.push(format!("No given run has {}.", escaped(&words::list(&missing))));
    }
    parts.push(format!("    {}", saying.command));
    parts.iter().map(|part| part.trim_end()).collect::<Vec<_>>().join("\n\n")
}

fn table(saying: &Saying, of_claims: &[Vec<Evidence>], names_runs: bool) -> Table {
    let mut columns = vec!["it says that", "cell"];
    columns.extend(names_runs.then_some("run"));
    columns.extend(["figure", "against", "so it is"]);
    let mut table = Table::new("", &columns);
    for (claimed, evidence) in saying.claims.iter().zip(of_claims) {
        for one in evidence {
            let so = match one.holds {
                Holds::Yes => "✓ yes",
                Holds::No => "✗ no",
                Holds::Unknown => "? the data cannot tell",
            };
            let mut row = vec![claimed.words, &one.cell];
            row.extend(names_runs.then_some(one.run.as_str()));
            row.extend([one.figure.as_str(), &one.against, so]);
            table.push_plain(row);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn every_saying_has_its_verdict_and_the_same_run_the_same_page() {
        let runs = [fixture::ten_blocks()];
        let page = folklore(&runs);
        assert_eq!(page, folklore(&runs));
        for saying in SAYINGS {
            assert!(page.contains(&format!("## “{}”", escaped(saying.words))), "{}", saying.words);
            assert!(!saying.source.is_empty() && !saying.claims.is_empty() && !saying.depends.is_empty());
            assert!(saying.command.starts_with("revbench "), "{}", saying.command);
        }
        assert!(page.contains("not measured"), "{page}");
    }

    #[test]
    fn without_cells_nothing_is_claimed() {
        let mut run = fixture::typical();
        run.summary.cells.clear();
        let page = folklore(&[run]);
        assert_eq!(page.matches("| not measured |").count(), SAYINGS.len(), "{page}");
        for word in ["true here |", "false here |", "it depends: "] {
            assert!(!page.contains(word), "{word}");
        }
    }

    #[test]
    fn no_verdict_survives_when_the_figures_are_turned_round() {
        let mut run = fixture::ten_blocks();
        let verdict_of = |run: &RunDocuments| {
            let saying = &SAYINGS[0];
            let claims: Vec<_> =
                saying.claims.iter().map(|claimed| evidence(std::slice::from_ref(run), claimed)).collect();
            judgement(&claims)
        };
        assert_eq!(verdict_of(&run), Judgement::True);
        for cell in run.summary.cells.iter_mut().filter(|cell| cell.strategy == "lookup") {
            cell.ci95
                .insert("added_latency_us".into(), serde_json::json!({"p50": {"lower": -9.0, "upper": 0.0}}));
        }
        assert_eq!(verdict_of(&run), Judgement::False);
    }
}
