//! The three outputs of one comparison.

use revbench_model::summary::{ClaimVerdict, Summary, Verdict};
use revbench_oracle::compare::{Policy, compare};

use super::*;
use crate::fixture;

fn checked<T>(change: impl FnOnce(&mut Summary), read: impl FnOnce(&Checked<'_>) -> T) -> T {
    both(&fixture::typical().summary, change, read)
}

fn both<T>(baseline: &Summary, change: impl FnOnce(&mut Summary), read: impl FnOnce(&Checked<'_>) -> T) -> T {
    let mut now = baseline.clone();
    change(&mut now);
    let comparison = compare(baseline, &now, &Policy::default());
    read(&Checked { comparison: &comparison, baseline, now: &now })
}

/// One bound broken, one count up, one family invalid.
fn spoil(now: &mut Summary) {
    for cell in now.cells.iter_mut().filter(|cell| cell.scenario == "role-demoted") {
        match cell.strategy.as_str() {
            "cached-lookup" => {
                let claim = cell.claim.as_mut().expect("a claim");
                (claim.verdict, claim.evidence.violating) = (Some(ClaimVerdict::Broken), 31);
            }
            "lookup" => cell.cost.as_mut().expect("costs").store_ops_per_1k += 1_000.0,
            "deny-list" => cell.validity.staleness = Some(Verdict::Invalid),
            _ => {}
        }
    }
}

#[test]
fn the_verdict_is_one_sentence() {
    let sentence = |change: fn(&mut Summary)| checked(change, |checked| verdict(checked.comparison));
    assert!(sentence(|_| ()).starts_with("? revbench: 0 claimed bounds broken, 0 regressions, "));
    let spoiled = sentence(spoil);
    assert!(spoiled.starts_with("✗ revbench: 1 claimed bound broken, 1 regression, "), "{spoiled}");
    assert!(spoiled.ends_with("; 1 not compared"), "{spoiled}");
    assert_eq!(sentence(|now| now.machine.cores += 1).split(':').next(), Some("✓ revbench"));
    let nothing =
        both(&fixture::typical().summary, |now| now.cells.clear(), |checked| verdict(checked.comparison));
    assert!(nothing.starts_with("! revbench: nothing could be compared; "), "{nothing}");
}

#[test]
fn failing_rows_come_before_open_ones_and_the_rest_is_counted() {
    let text = checked(spoil, terminal);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[3].starts_with("✗ bound  cached-lookup · role-demoted · worst staleness: "), "{text}");
    assert!(lines[4].contains("31 of 80 changes were certainly stale for longer than "), "{text}");
    assert!(lines[5].starts_with("✗ exact  lookup · role-demoted · store operations per 1 000 requests: 1 000 → 2 000  (+1 000 exact; limit ≤ "), "{text}");
    assert!(lines[7].starts_with("? ") && lines[7].contains("--profile full"), "{text}");
    assert!(text.contains("! not compared  deny-list · role-demoted · staleness: invalid now"), "{text}");
    assert!(lines.last().is_some_and(|line| line.ends_with(" checks hold.")), "{text}");
}

#[test]
fn the_summary_folds_what_holds() {
    let text = checked(spoil, markdown);
    assert!(text.starts_with("<!-- revbench:check -->\n\n### ✗ revbench: "), "{text}");
    let (open, folded) = text.split_once("<details>").expect("a folded part");
    assert!(open.contains("| ✗ bound | cached-lookup · role-demoted · worst staleness | "), "{text}");
    assert!(!open.contains("| ✓ ") && folded.contains("| ✓ exact | "), "{text}");
    assert!(folded.contains("<summary>1 not compared</summary>"), "{text}");
    assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
}

#[test]
fn a_summary_that_is_too_long_drops_what_holds_first_and_counts_it() {
    let mut baseline = fixture::typical().summary;
    let cells = baseline.cells.clone();
    for number in 0..60 {
        let renamed = |cell: &revbench_model::summary::Cell| {
            let mut cell = cell.clone();
            cell.scenario.push_str(&format!("-{number}"));
            cell
        };
        baseline.cells.extend(cells.iter().map(renamed));
    }
    let text = both(&baseline, spoil, markdown);
    assert!(text.len() <= 60_000 && text.len() > 30_000, "{}", text.len());
    assert!(
        text.contains("more rows left out for length; `--json` has all."),
        "{}",
        &text[text.len() - 900..]
    );
    assert!(text.contains("| ✗ bound | ") && text.contains("| ✗ exact | "));
    // Names alone cannot exceed it either.
    for cell in &mut baseline.cells {
        cell.scenario.push_str(&"x".repeat(5_000));
    }
    let spoil_all = |now: &mut Summary| {
        now.cells
            .iter_mut()
            .filter_map(|cell| cell.cost.as_mut())
            .for_each(|cost| cost.store_ops_per_1k += 1_000.0);
    };
    assert!(both(&baseline, spoil_all, markdown).len() <= 60_000);
}

#[test]
fn test_cases_count_as_they_are() {
    let xml = checked(spoil, junit);
    let count = |what: &str| xml.matches(what).count();
    let (cases, failures, skipped) = (count("<testcase "), count("<failure "), count("<skipped "));
    assert_eq!(failures, 2);
    let counts = format!("tests=\"{cases}\" failures=\"2\" errors=\"0\" skipped=\"{skipped}\"");
    assert_eq!(count(&counts), 2, "{xml}");
    assert!(xml.contains("<testcase classname=\"role-demoted.cached-lookup\" name=\"worst staleness (revoke)\">\n      <failure type=\"bound\" message=\""), "{xml}");
    assert!(xml.contains("<skipped message=\"not compared: invalid now\"/>"), "{xml}");
    assert_well_formed(&xml);
}

#[test]
fn hostile_names_stay_text() {
    let spoil_all = |now: &mut Summary| {
        for cell in &mut now.cells {
            cell.cost.iter_mut().for_each(|cost| cost.store_ops_per_1k += 1_000.0);
            cell.validity.staleness = cell.validity.staleness.map(|_| Verdict::Invalid);
        }
    };
    let read = |checked: &Checked<'_>| (terminal(checked), markdown(checked), junit(checked));
    let (text, page, xml) = both(&fixture::hostile().summary, spoil_all, read);
    assert_well_formed(&xml);
    for output in [&text, &page, &xml] {
        assert!(!output.chars().any(|c| c.is_control() && c != '\n'), "{output}");
    }
    assert!(!page.contains("<img") && !page.contains("</script>"), "{page}");
    assert!(!xml.contains("<img"), "{xml}");
    let tables = page.lines().filter(|line| line.starts_with('|'));
    assert!(tables.clone().count() > 3);
    for line in tables {
        assert_eq!(line.replace("\\|", "").matches('|').count(), 7, "{line}");
    }
}

/// Every tag is closed in order, every `&` begins an entity, and attributes hold no `<`.
fn assert_well_formed(xml: &str) {
    let body = xml.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").expect("a declaration");
    let mut open: Vec<&str> = Vec::new();
    for piece in body.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').expect("a tag that ends");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        assert!(text.trim().is_empty() || !open.is_empty(), "{text}");
        let name =
            tag.split(|c: char| c.is_whitespace() || c == '/').find(|name| !name.is_empty()).expect("a name");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{tag}");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    for entity in body.split('&').skip(1) {
        assert!(
            ["amp;", "lt;", "gt;", "quot;", "apos;"].iter().any(|known| entity.starts_with(known)),
            "{entity}"
        );
    }
}
